"""Real work: what two workers on two CPUs make of it."""

from __future__ import annotations

import asyncio
import time

from benchmarks.versus.contestants import Open
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import spin


async def work(opens: Open, parameters: Parameters) -> dict[str, float]:
    tasks, turns = parameters["tasks"], parameters["turns"]
    async with opens(spin, parameters["workers"]) as pool:
        # Every worker has started.
        await asyncio.gather(*[pool.submit(10_000) for _ in range(2 * parameters["workers"])])
        started = time.perf_counter()
        await asyncio.gather(*[pool.submit(turns) for _ in range(tasks)])
        elapsed = time.perf_counter() - started
    return {"tasks_per_second": tasks / elapsed}


add(
    Scenario(
        key="cpu",
        title="{tasks} tasks of about 50 ms of pure Python, {workers} workers",
        run=work,
        metrics=(Metric("tasks_per_second", "tasks/s", more_is_better=True, digits=1),),
        goals=(Goal("50 ms of pure Python, inline", "tasks_per_second", 1.9, ("inline",)),),
        full={"tasks": 64, "turns": 1_500_000, "workers": 2},
        quick={"tasks": 16},
        samples=(3, 1),
        order=50,
    )
)
