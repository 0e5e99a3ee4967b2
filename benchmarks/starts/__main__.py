"""`python -m benchmarks.starts`: how long a pool with much data takes to start, preloaded or not, and its memory."""

from __future__ import annotations

import argparse
import asyncio
import statistics
from time import perf_counter

import psutil

from poolifier import FixedProcessPool

MIB = 1 << 20

table = b""


def keep(value: bytes) -> None:
    global table
    table = value


def own_memory(_: object) -> int:
    """Bytes that this worker shares with nobody."""
    own: int = psutil.Process().memory_full_info().uss
    return own


async def sample(size: int, *, preload: bool) -> tuple[float, int]:
    begun = perf_counter()
    async with FixedProcessPool(2, own_memory, initializer=keep, initargs=(bytes(size),), preload=preload) as pool:
        return perf_counter() - begun, await pool.execute(None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=200)
    arguments = parser.parse_args()
    samples: dict[bool, list[tuple[float, int]]] = {False: [], True: []}
    # In turns, so that a busy moment of the machine hits both alike.
    for _ in range(arguments.repeats):
        for preload, taken in samples.items():
            taken.append(asyncio.run(sample(arguments.megabytes * MIB, preload=preload)))
    medians = {}
    for preload, taken in samples.items():
        medians[preload] = statistics.median(seconds for seconds, _ in taken)
        memory = statistics.median(own for _, own in taken) / MIB
        told = f"{medians[preload] * 1e3:6.0f} ms until 2 workers are ready, {memory:4.0f} MiB of a worker's own"
        print(f"{preload=!s:6} {told}")
    print(f"preloaded {medians[True] / medians[False]:.2f} times as long (goal: at most 1.5)")


main()
