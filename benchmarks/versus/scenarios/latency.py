"""One task at a time: what a caller waits for when nothing overlaps."""

from __future__ import annotations

import statistics
import time

from benchmarks.versus.contestants import Open
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import echo


async def latency(opens: Open, parameters: Parameters) -> dict[str, float]:
    clock = time.perf_counter
    times: list[float] = []
    async with opens(echo, parameters["workers"]) as pool:
        submit = pool.submit
        begin = clock() + parameters["seconds"] / 5  # until then the pool warms up
        end = begin + parameters["seconds"]
        number, started = 0, clock()
        # On a busy machine the window may be over before it has seen the two tasks that quantiles take.
        while started < end or len(times) < 2:
            await submit({"i": number})
            finished = clock()
            if started >= begin:
                times.append(finished - started)
            number, started = number + 1, finished
    return {"median": statistics.median(times), "p99": statistics.quantiles(times, n=100)[98]}


for number, loop in enumerate(("asyncio", "uvloop")):
    add(
        Scenario(
            key="latency" if loop == "asyncio" else f"latency_{loop}",
            title="Latency: tasks one after another, {workers} workers, {loop}",
            run=latency,
            metrics=(Metric("median", "median µs", 1e6), Metric("p99", "p99 µs", 1e6)),
            goals=(Goal(f"one at a time, by a bare ping-pong, {loop}", "median", 1.5, ("socketpair",)),),
            full={"seconds": 0.8, "workers": 2, "loop": loop},
            quick={"seconds": 0.3} if loop == "asyncio" else None,
            samples=(5, 1),
            order=20 + number,
        )
    )
