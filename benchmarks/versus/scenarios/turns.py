"""How long the event loop is away from everybody else's work while a thousand tasks are in flight."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.versus.contestants import Open
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.scenarios.throughput import clients
from benchmarks.versus.tasks import echo


@contextmanager
def noted(clock: Callable[[], float] = time.perf_counter) -> Iterator[list[float]]:
    """Gives the length of every turn of the loop, in seconds: from where it has looked for events until it looks again.

    By the usual clock a turn in which the machine let another process run is longer for it. By
    `time.thread_time` it is what the loop's thread itself did.
    """
    selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    select = selector.select
    turns: list[float] = []
    began = clock()

    def timed(timeout: float | None = None) -> Any:
        nonlocal began
        turns.append(clock() - began)
        events = select(timeout)
        began = clock()
        return events

    selector.select = timed
    try:
        yield turns
    finally:
        selector.select = select


async def turns(opens: Open, parameters: Parameters) -> dict[str, float]:
    async with opens(echo, parameters["workers"]) as pool:
        await clients(pool.submit, parameters["seconds"] / 5, parameters["in_flight"])
        with noted() as seconds, noted(time.thread_time) as own:
            await clients(pool.submit, parameters["seconds"], parameters["in_flight"])
    # The first and the last turn make and gather the clients.
    return {"longest": max(seconds[2:-1]), "own": max(own[2:-1]), "median": statistics.median(seconds[2:-1])}


add(
    Scenario(
        key="turns",
        title="The event loop's turns with {in_flight:,} tiny tasks in flight, {workers} workers",
        run=turns,
        metrics=(
            Metric("longest", "longest ms", 1e3, digits=1),
            Metric("own", "longest, own CPU ms", 1e3, digits=1),
            Metric("median", "median ms", 1e3, digits=1),
        ),
        goals=(Goal("longest turn of the loop, ms", "longest", 0.005),),
        full={"seconds": 1.5, "workers": 2, "in_flight": 1_000},
        quick={"seconds": 0.5},
        samples=(3, 1),
        order=90,
    )
)
