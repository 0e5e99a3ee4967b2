"""`python -m benchmarks.core`: nanoseconds that the scheduler takes per task, and whether they grow.

Everything is measured in CPU time, as the best of several rounds: what other processes do on the machine
makes a round slower, never faster. What is compared is measured in turns.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from benchmarks.core.choosing import choosing
from poolifier.exchange import WorkerReady
from poolifier.options import PoolOptions, TasksQueueOptions, WorkerChoiceStrategy
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.queues import TaskQueue
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import Task
from poolifier.task_functions import KillBehavior, TaskFunctionProperties

RESULTS = Path(".bench/core.json")
FEW, MANY = 10, 10_000
READY = WorkerReady((TaskFunctionProperties("work"),), 60.0, KillBehavior.SOFT)
GOAL = 4000.0


class Load:
    """A pool in a steady state: as one task ends the next is submitted, `in_flight` tasks per worker."""

    def __init__(self, strategy: str, workers: int, in_flight: int) -> None:
        options = PoolOptions.checked(sizes=(workers, workers), dynamic=False, worker_choice_strategy=strategy)
        self.scheduler = Scheduler(options)
        self.scheduler.start(0.0)
        for node in list(self.scheduler.sizing.nodes.values()):
            self.scheduler.worker_ready(node.id, READY, 0.0)
        self.scheduler.effects.clear()
        self.function = self.scheduler.functions.find("work")
        self.function.estimate = 0.01
        self.now = 0.0
        self.last_id = 0
        self.flight: deque[tuple[Any, int]] = deque()
        for _ in range(workers * in_flight):
            self.last_id += 1
            self.scheduler.submit(Task(self.last_id, self.function, 0), self.now)
            self._send()
        # Until every worker has a mean, and stale entries and the window of times are as many as they will be.
        self.run(2 * workers * in_flight)

    def _send(self) -> None:
        scheduler = self.scheduler
        for node in scheduler.dirty:
            for task in node.outbox:
                self.flight.append((node, task.sequence))
            node.outbox.clear()
            node.in_outbox = False
        scheduler.dirty.clear()

    def run(self, tasks: int) -> float:
        """CPU seconds for so many rounds of submit and done, the driver's part in them included."""
        scheduler, flight, function, send = self.scheduler, self.flight, self.function, self._send
        submit, task_done = scheduler.submit, scheduler.task_done
        now, last_id = self.now, self.last_id
        step = 0.01 / max(1, len(flight))
        gc.collect()
        gc.disable()
        began = time.process_time()
        for _ in range(tasks):
            node, sequence = flight.popleft()
            now += step
            node.active += 0.01
            task_done(node, sequence, 0.01, 0.01, now)
            last_id += 1
            submit(Task(last_id, function, 0), now)
            send()
        seconds = time.process_time() - began
        gc.enable()
        scheduler.effects.clear()
        self.now, self.last_id = now, last_id
        return seconds


def driver_share(tasks: int) -> float:
    """CPU seconds of what `Load.run` does besides the scheduler: making tasks, sending, the loop itself."""
    flight: deque[tuple[Any, int]] = deque((None, number) for number in range(FEW))
    box: list[int] = []
    now = 0.0
    began = time.process_time()
    for number in range(tasks):
        _, sequence = flight.popleft()
        now += 0.001
        Task(number, None, 0)  # type: ignore[arg-type]
        box.append(sequence)
        for each in box:
            flight.append((None, each))
        box.clear()
    return time.process_time() - began


def per_task(tasks: int, rounds: int, in_flight: int) -> dict[str, dict[str, float]]:
    """Nanoseconds of submit + done by strategy, with few workers and with many."""
    loads = {
        (strategy.value, n): Load(strategy, n, in_flight) for strategy in WorkerChoiceStrategy for n in (FEW, MANY)
    }
    best = dict.fromkeys(loads, float("inf"))
    besides = float("inf")
    for _ in range(rounds):
        besides = min(besides, driver_share(tasks))
        for key, load in loads.items():
            best[key] = min(best[key], load.run(tasks))
    table: dict[str, dict[str, float]] = {}
    for (strategy, workers), seconds in best.items():
        table.setdefault(strategy, {})[str(workers)] = (seconds - besides) / tasks * 1e9
    return table


def queue_cost(waiting: int, operations: int) -> float:
    """CPU seconds for so many pushes and pops with that many tasks waiting, over three nice levels."""

    class Function:
        name = "work"
        affinity = Affinity(None)

    queue = TaskQueue(None, TasksQueueOptions(size=waiting))
    function: Any = Function()
    tasks = [Task(number, function, (0, 5, -5)[number % 3]) for number in range(waiting + operations)]
    for number, task in enumerate(tasks):
        task.submitted_at = number * 1e-3
    for task in tasks[:waiting]:
        queue.push(task)
    now = len(tasks) * 1e-3
    gc.collect()
    gc.disable()
    began = time.process_time()
    for task in tasks[waiting:]:
        queue.push(task)
        queue.pop(now)
    seconds = time.process_time() - began
    gc.enable()
    return seconds


def queues(operations: int, rounds: int) -> dict[str, float]:
    """Nanoseconds of push + pop with few and with many tasks waiting."""
    sizes = (1_000, 1_000_000)
    best = {size: min(queue_cost(size, operations) for _ in range(rounds)) for size in sizes}
    return {str(size): seconds / operations * 1e9 for size, seconds in best.items()}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.core", description="Nanoseconds that the scheduler takes per task."
    )
    parser.add_argument("--quick", action="store_true", help="fewer tasks and rounds: some seconds")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the JSON file to write (%(default)s)")
    arguments = parser.parse_args()
    tasks, rounds = (5_000, 3) if arguments.quick else (30_000, 7)
    report: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    print("the strategy alone, nanoseconds a task: a choice; then with all that it is told of the task")
    for in_flight in (1, 4):
        alone = choosing(FEW, MANY, tasks // 3, 7 * rounds, in_flight)
        report[f"choosing, in flight {in_flight}"] = alone
        print(f"\n{f'{in_flight} per worker':<36}{FEW:>10,}{MANY:>10,}{'ratio':>8}{FEW:>10,}{MANY:>10,}{'ratio':>8}")
        for strategy, costs in alone.items():
            parts = zip(costs["few"], costs["many"], costs["ratio"], strict=True)
            cells = "".join(f"{few:>10,.0f}{many:>10,.0f}{ratio:>8.2f}" for few, many, ratio in parts)
            print(f"{strategy:<36}{cells}", flush=True)
    print("\nsubmit + done, nanoseconds a task; every worker runs one task, then four are in flight on each")
    for in_flight in (1, 4):
        table = per_task(tasks, rounds, in_flight)
        report[f"in flight {in_flight}"] = table
        print(f"\n{f'{in_flight} per worker':<36}{FEW:>10,}{MANY:>10,}{'ratio':>8}")
        for strategy, cost in table.items():
            few, many = cost[str(FEW)], cost[str(MANY)]
            print(f"{strategy:<36}{few:>10,.0f}{many:>10,.0f}{many / few:>8.2f}", flush=True)
    waiting = queues(20_000 if arguments.quick else 200_000, 2 if arguments.quick else 5)
    report["queues"] = waiting
    few, many = waiting.values()
    print(f"\npush + pop with 1,000 waiting {few:,.0f} ns, with 1,000,000 {many:,.0f} ns, ratio {many / few:.2f}")
    default = report["in flight 1"]["least_used"][str(FEW)]
    print(f"\nwith the defaults: {default:,.0f} ns a task (goal: at most {GOAL:,.0f})")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
