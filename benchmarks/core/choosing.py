"""What a strategy costs by itself: choosing, and being told of a task's end, with nothing else around it."""

from __future__ import annotations

import gc
import random
from collections import deque
from statistics import median
from time import perf_counter_ns
from typing import Any

from poolifier.options import TasksQueueOptions, WorkerChoiceStrategy, WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy
from poolifier.scheduler.node import Node
from poolifier.scheduler.strategies import create_strategy


class Stream:
    """As one task ends the next is placed, `in_flight` per worker; tasks take 5 to 15 ms, at random."""

    def __init__(self, strategy: WorkerChoiceStrategy, workers: int, in_flight: int) -> None:
        self.chooser: Any = create_strategy(strategy, WorkerChoiceStrategyOptions())
        self.listens = type(self.chooser).load_changed is not Strategy.load_changed
        pick = random.Random(7)
        self.run_times = [pick.uniform(0.005, 0.015) for _ in range(4_099)]
        self.flight: deque[Node] = deque()
        self.now = 0.0
        self.in_flight = in_flight
        for slot in range(workers):
            self.chooser.worker_added(Node(slot + 1, slot, dynamic=False, options=TasksQueueOptions(), now=0.0))
        for _ in range(workers * in_flight):
            self._given(self.chooser.choose(self.now))
        self.run(3 * workers * in_flight)

    def _given(self, worker: Any) -> None:
        worker.load += 1
        if self.listens:
            self.chooser.load_changed(worker)
        self.flight.append(worker)

    def run(self, tasks: int) -> tuple[float, float]:
        """Nanoseconds for a choice, and for all that the strategy is called for per task.

        Reading the clock is part of it: some 60 ns in the first figure, three times that in the second.
        """
        chooser, flight, run_times, listens = self.chooser, self.flight, self.run_times, self.listens
        choose, task_ended, now = chooser.choose, chooser.task_ended, self.now
        step = 0.01 * self.in_flight / len(flight)
        count = len(run_times)
        choosing = hooks = 0
        gc.collect()
        gc.disable()
        for number in range(tasks):
            now += step
            worker = flight.popleft()
            run_time = run_times[number % count]
            worker.load -= 1
            worker.active += run_time
            begun = perf_counter_ns()
            task_ended(worker, run_time, 0.0, run_time)
            if listens:
                chooser.load_changed(worker)
            told = perf_counter_ns()
            worker = choose(now)
            chosen = perf_counter_ns()
            worker.load += 1
            if listens:
                chooser.load_changed(worker)
            placed = perf_counter_ns()
            flight.append(worker)
            choosing += chosen - told
            hooks += placed - begun
        gc.enable()
        self.now = now
        return choosing / tasks, hooks / tasks


def choosing(few: int, many: int, tasks: int, rounds: int, in_flight: int) -> dict[str, dict[str, list[float]]]:
    """Nanoseconds of a choice and of all hooks per task, by strategy, with few and with many workers, and their ratios.

    All are medians. The two take turns, and a ratio is one of neighbours: a machine that others share changes its
    speed for whole rounds, which would make a ratio of two medians one of two speeds.
    """
    table: dict[str, dict[str, list[float]]] = {}
    for strategy in WorkerChoiceStrategy:
        streams = [Stream(strategy, workers, in_flight) for workers in (few, many)]
        pairs = [[stream.run(tasks) for stream in streams] for _ in range(rounds)]
        table[strategy.value] = {
            "few": [median(few[part] for few, _ in pairs) for part in (0, 1)],
            "many": [median(many[part] for _, many in pairs) for part in (0, 1)],
            "ratio": [median(many[part] / few[part] for few, many in pairs) for part in (0, 1)],
        }
    return table
