"""`python -m benchmarks.futures`: tiny calls submitted from a plain thread, beside the standard library, in one run."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from concurrent import futures as standard
from concurrent.futures import Executor
from time import perf_counter

from poolifier import futures as ours

GOAL = 5.0
"""Times the speed of the standard process executor."""

Contestants = dict[str, tuple[Callable[[int], Executor], Callable[[int], Executor]]]

KINDS: Contestants = {
    "process": (ours.ProcessPoolExecutor, standard.ProcessPoolExecutor),
    "thread": (ours.ThreadPoolExecutor, standard.ThreadPoolExecutor),
}


def tiny(number: int) -> int:
    return number


def burst(create: Callable[[int], Executor], calls: int) -> float:
    """Calls a second: all are submitted, then each result is waited for."""
    with create(2) as executor:
        for future in [executor.submit(tiny, number) for number in range(1000)]:
            future.result()
        begun = perf_counter()
        futures = [executor.submit(tiny, number) for number in range(calls)]
        results = [future.result() for future in futures]
        seconds = perf_counter() - begun
    assert results == list(range(calls))
    return calls / seconds


def one_by_one(create: Callable[[int], Executor], calls: int) -> float:
    """Calls a second: each is submitted when the one before has its result."""
    with create(2) as executor:
        for number in range(100):
            executor.submit(tiny, number).result()
        begun = perf_counter()
        for number in range(calls):
            assert executor.submit(tiny, number).result() == number
        return calls / (perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}; calls a second: median (least .. most) of {arguments.repeats}")
    for kind, pair in KINDS.items():
        for run, calls in ((burst, arguments.calls), (one_by_one, arguments.calls // 25)):
            speeds: tuple[list[float], list[float]] = ([], [])
            # Interleaved, so that a busy moment of the machine hits both alike.
            for _ in range(arguments.repeats):
                for create, measured in zip(pair, speeds, strict=True):
                    measured.append(run(create, calls))
            middles = [statistics.median(measured) for measured in speeds]
            cells = [
                f"{name} {middle:>8,.0f} ({min(measured):,.0f} .. {max(measured):,.0f})"
                for name, middle, measured in zip(("ours", "standard"), middles, speeds, strict=True)
            ]
            ratio = middles[0] / middles[1]
            goal = ""
            if kind == "process" and run is burst:
                goal = f"  goal {GOAL:g}: {'reached' if ratio >= GOAL else 'MISSED'}"
            print(f"{kind:8} {run.__name__:10} {calls:>7,} calls  {cells[0]}  {cells[1]}  {ratio:.1f} times{goal}")


if __name__ == "__main__":
    main()
