"""From nothing to the first result: the first pool of a program, one that follows it, and one more worker."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.versus.contestants import Open
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import echo, hold


async def start_up(opens: Open, parameters: Parameters) -> dict[str, float]:
    sample = {}
    for metric in ("first", "next"):
        started = time.perf_counter()
        async with opens(echo, parameters["workers"]) as pool:
            await pool.submit({"i": 0})
            sample[metric] = time.perf_counter() - started
    return sample


async def grow(opens: Open, parameters: Parameters) -> dict[str, float]:
    """Keeps every worker there is busy, and times the first result of one more."""
    times = []
    async with opens(hold, parameters["most"]) as pool:
        await pool.submit(0)
        with fifo() as held:
            holding = []
            for _ in range(parameters["most"] - 1):
                holding.append(pool.submit(held))
                started = time.perf_counter()
                await pool.submit(0)
                times.append(time.perf_counter() - started)
        for each in holding:
            await each
    return {"one_more": statistics.median(times), "slowest": max(times)}


@contextmanager
def fifo() -> Iterator[str]:
    """Gives a path that readers wait at until the end of the block."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "held"
        os.mkfifo(path)
        writer = os.open(path, os.O_RDWR)
        try:
            yield str(path)
        finally:
            os.close(writer)


add(
    Scenario(
        key="start_up",
        title="Start-up: first result of a new pool of {workers} workers",
        run=start_up,
        metrics=(Metric("first", "1st pool ms", 1e3), Metric("next", "2nd pool ms", 1e3)),
        goals=(Goal("first result, forkserver executor", "first", 0.75, ("executor-forkserver",)),),
        full={"workers": 2},
        quick={},
        samples=(7, 1),
        order=60,
    )
)
add(
    Scenario(
        key="grow",
        title="One more worker in a running pool: the time until its first result, while all others are busy",
        run=grow,
        metrics=(
            Metric("one_more", "median ms", 1e3, digits=1),
            Metric("slowest", "slowest ms", 1e3, digits=1),
        ),
        goals=(Goal("one more worker, ms", "one_more", 0.010, ours="poolifier-dynamic"),),
        full={"workers": 1, "most": 9},
        quick={"most": 5},
        samples=(3, 1),
        order=61,
    )
)
