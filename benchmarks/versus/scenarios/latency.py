"""One task at a time: what a caller waits for when nothing overlaps."""

from __future__ import annotations

import statistics
import time

from benchmarks.versus.contestants import Open
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import echo


async def latency(opens: Open, parameters: Parameters) -> dict[str, float]:
    clock = time.perf_counter
    times = []
    async with opens(echo, parameters["workers"]) as pool:
        submit = pool.submit
        for number in range(-parameters["tasks"] // 10, parameters["tasks"]):
            started = clock()
            await submit({"i": number})
            elapsed = clock() - started
            if number >= 0:  # those before warm the pool up
                times.append(elapsed)
    return {"median": statistics.median(times), "p99": statistics.quantiles(times, n=100)[98]}


for number, loop in enumerate(("asyncio", "uvloop")):
    add(
        Scenario(
            key="latency" if loop == "asyncio" else f"latency_{loop}",
            title="Latency: {tasks:,} tasks one after another, {workers} workers, {loop}",
            run=latency,
            metrics=(Metric("median", "median µs", 1e6), Metric("p99", "p99 µs", 1e6)),
            goals=(Goal(f"one at a time, by a bare ping-pong, {loop}", "median", 1.5, ("socketpair",)),),
            full={"tasks": 3_000, "workers": 2, "loop": loop},
            quick={"tasks": 1_000},
            samples=(5, 1),
            order=20 + number,
        )
    )
