"""`python -m benchmarks.maps`: items per second, the event loop's longest turn, and memory, over ten million items."""

from __future__ import annotations

import argparse
import asyncio
import gc
from itertools import islice
from time import perf_counter

import psutil

from poolifier import FixedProcessPool


def same(number: int) -> int:
    return number


class Turns:
    """Notes how long the event loop takes from one turn to the next."""

    def __init__(self) -> None:
        self.longest: list[float] = []
        self._task = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while True:
            begun = perf_counter()
            await asyncio.sleep(0)
            self.longest = sorted([*self.longest, perf_counter() - begun])[-10:]

    def stop(self) -> None:
        self._task.cancel()


async def measure(items: int) -> None:
    process = psutil.Process()
    async with FixedProcessPool[int, int](2, same) as pool:
        async for _ in pool.map_unordered(range(100_000)):
            pass
        for name, run in (("map_unordered", pool.map_unordered), ("map_ordered", pool.map_ordered)):
            gc.collect()
            before = process.memory_info().rss
            most = before
            turns = Turns()
            begun = perf_counter()
            count = 0
            async for _ in run(islice(iter(int, 1), items)):
                count += 1
                if count % 100_000 == 0:
                    most = max(most, process.memory_info().rss)
            seconds = perf_counter() - begun
            turns.stop()
            assert count == items
            print(
                f"{name}: {items:,} items, {items / seconds:,.0f} a second, "
                f"{(most - before) / 2**20:.1f} MiB more at the most; "
                f"the longest turns of the loop: {', '.join(f'{turn * 1e3:.1f}' for turn in turns.longest[-3:])} ms "
                "(goal: at most 20)"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000_000)
    asyncio.run(measure(parser.parse_args().items))


main()
