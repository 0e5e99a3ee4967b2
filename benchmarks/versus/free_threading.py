"""Two threads, and tiny tasks, beside `concurrent.futures`: `python -m benchmarks.versus.free_threading`."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Final

from poolifier import FixedThreadPool, compiled

ROUNDS: Final = 7
TURNS: Final = 3_000_000
TASKS: Final = 10_000


def count(turns: int) -> int:
    """Computes in pure Python."""
    found = 0
    for number in range(turns):
        found += number
    return found


def same(number: int) -> int:
    """Does nothing."""
    return number


async def main() -> None:
    """Measures, and prints the medians."""
    loop = asyncio.get_running_loop()
    figures: dict[str, list[float]] = defaultdict(list)
    async with FixedThreadPool(2, {"count": count, "same": same}) as pool:
        with ThreadPoolExecutor(2) as executor:
            for _ in range(ROUNDS):
                times = [perf_counter()]
                for _ in range(2):
                    await pool.execute(TURNS, "count")
                times.append(perf_counter())
                await asyncio.gather(*(pool.execute(TURNS, "count") for _ in range(2)))
                times.append(perf_counter())
                for _ in range(2):
                    executor.submit(count, TURNS).result()
                times.append(perf_counter())
                list(executor.map(count, [TURNS] * 2))
                times.append(perf_counter())
                await pool.map_execute(range(TASKS), "same")
                times.append(perf_counter())
                list(executor.map(same, range(TASKS)))
                times.append(perf_counter())
                await asyncio.gather(*(pool.execute(number, "same") for number in range(TASKS)))
                times.append(perf_counter())
                await asyncio.gather(*(loop.run_in_executor(executor, same, number) for number in range(TASKS)))
                times.append(perf_counter())
                took = [after - before for before, after in pairwise(times)]
                figures["speed-up by a second thread"].append(took[0] / took[1])
                figures["ThreadPoolExecutor's"].append(took[2] / took[3])
                figures["tasks a second, map_execute"].append(TASKS / took[4])
                figures["ThreadPoolExecutor.map"].append(TASKS / took[5])
                figures["tasks a second, execute"].append(TASKS / took[6])
                figures["run_in_executor"].append(TASKS / took[7])
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Python {sys.version.split()[0]}, lock {'on' if enabled else 'off'}, compiled: {compiled}")
    for name, values in figures.items():
        print(f"{name:30} {median(values):12,.2f}")


if __name__ == "__main__":
    asyncio.run(main())
