"""`python -m benchmarks.simulation`: every worker choice strategy on the same load, under a virtual clock.

With `--write` the tables and plots in docs/explanation/strategies.md are brought up to date.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path

from benchmarks.simulation.plot import bars
from benchmarks.simulation.workload import NAMES, Workload
from poolifier.options import WorkerChoiceStrategy
from poolifier.testing import Simulation

RESULTS = Path(".bench/simulation.json")
PAGE = Path("docs/explanation/strategies.md")
PLOT = Path("docs/explanation/strategies.svg")


def simulate(strategy: str, workload: Workload) -> dict[str, float]:
    """Runs the load through one strategy."""
    simulation = Simulation(
        workload.workers,
        worker_choice_strategy=strategy,
        tasks_queue_options={"tasks_stealing_ratio": workload.stealing_ratio},
    )
    simulation.start()
    simulation.run(until=0.0)
    arrivals = iter(workload)

    # One arrival is planned at a time: a million of them in the timetable would cost more than the scheduler.
    def arrive(run_time: float) -> None:
        simulation.submit(run_time)
        for at, following in arrivals:
            if at > simulation.clock.now:
                simulation.clock.at(at, arrive, following)
                return
            simulation.submit(following)

    first = next(arrivals)
    simulation.clock.at(first[0], arrive, first[1])
    gc.disable()  # Nothing here is cyclic before it ends, and a million tasks are alive.
    began = time.process_time()
    simulation.run()
    seconds = time.process_time() - began
    gc.enable()
    result = simulation.result()
    assert result.done == workload.tasks, result
    return {
        "makespan": result.makespan,
        "median_wait": result.median_wait,
        "p99_wait": result.p99_wait,
        "fairness": result.fairness,
        "utilization": result.utilization,
        "steals": result.stolen,
        "seconds": seconds,
    }


def table(rows: dict[str, dict[str, float]]) -> str:
    """The numbers as a table in Markdown."""
    lines = [
        "| strategy | makespan, s | p50 wait, ms | p99 wait, ms | fairness | steals |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {strategy} | {row['makespan']:,.1f} | {row['median_wait'] * 1e3:,.1f} | {row['p99_wait'] * 1e3:,.1f} "
        f"| {row['fairness']:.3f} | {row['steals']:,.0f} |"
        for strategy, row in rows.items()
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulation", description="Every strategy on the same load, under a virtual clock."
    )
    parser.add_argument("--workers", type=int, default=10_000, help="(%(default)s)")
    parser.add_argument("--tasks", type=int, default=1_000_000, help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="100 workers and 10,000 tasks: some seconds")
    parser.add_argument("--load", action="append", choices=NAMES, help="only this one (repeatable)")
    parser.add_argument("--write", action="store_true", help=f"write tables and plots into {PAGE}")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.workers, arguments.tasks = 100, 10_000
    report: dict[str, dict[str, dict[str, float]]] = {}
    for name in arguments.load or NAMES:
        workload = Workload(name, arguments.workers, arguments.tasks)
        rows = report[name] = {}
        print(f"\n{name}: {workload.tasks:,} tasks, {workload.workers:,} workers", flush=True)
        for strategy in WorkerChoiceStrategy:
            rows[strategy.value] = simulate(strategy.value, workload)
            print(f"  {strategy:<36}{json.dumps({key: round(value, 4) for key, value in rows[strategy].items()})}")
            sys.stdout.flush()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    for name, rows in report.items():
        print(f"\n{name}\n{table(rows)}")
    if arguments.write:
        write(report)
    return 0


def write(report: dict[str, dict[str, dict[str, float]]]) -> None:
    """Puts the tables between their markers in the page, and the plot beside it."""
    text = PAGE.read_text()
    for name, rows in report.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        head, rest = text.split(begin)
        text = head + begin + "\n" + table(rows) + "\n" + end + rest.split(end)[1]
    PAGE.write_text(text)
    if set(report) == set(NAMES):
        waits = {
            strategy.value: {name: report[name][strategy.value]["p99_wait"] * 1e3 for name in NAMES}
            for strategy in WorkerChoiceStrategy
        }
        PLOT.write_text(bars("99 % of the tasks waited no longer than (logarithmic)", " ms", waits, 0.1))


if __name__ == "__main__":
    sys.exit(main())
