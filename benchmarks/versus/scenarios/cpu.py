"""Real work: what two workers on two CPUs make of it."""

from __future__ import annotations

import asyncio
import time

from benchmarks.versus.contestants import Open
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import spin


async def work(opens: Open, parameters: Parameters) -> dict[str, float]:
    """The job by the pool, between the halves of the same job in place: machines change their speed within seconds."""
    tasks, turns = parameters["tasks"], parameters["turns"]
    async with opens(spin, parameters["workers"]) as pool:
        # Every worker has started.
        await asyncio.gather(*[pool.submit(10_000) for _ in range(2 * parameters["workers"])])
        in_place = _in_place(tasks // 2, turns)
        started = time.perf_counter()
        await asyncio.gather(*[pool.submit(turns) for _ in range(tasks)])
        elapsed = time.perf_counter() - started
        in_place += _in_place(tasks - tasks // 2, turns)
    return {"tasks_per_second": tasks / elapsed, "by_in_place": in_place / elapsed}


def _in_place(tasks: int, turns: int) -> float:
    started = time.perf_counter()
    for _ in range(tasks):
        spin(turns)
    return time.perf_counter() - started


add(
    Scenario(
        key="cpu",
        title="{tasks} tasks of about 50 ms of pure Python, {workers} workers",
        run=work,
        metrics=(
            Metric("tasks_per_second", "tasks/s", more_is_better=True, digits=1),
            Metric("by_in_place", "by those called in place just before and after", more_is_better=True, digits=2),
        ),
        goals=(
            Goal("50 ms of pure Python, called in place", "tasks_per_second", 1.9, ("inline",)),
            # One process runs the same loop faster than another. This is the stricter of the two, and the noisier.
            Goal("the same, in place in the pool's own process", "by_in_place", 1.9),
        ),
        full={"tasks": 64, "turns": 1_500_000, "workers": 2},
        quick={"tasks": 16},
        samples=(7, 1),
        order=50,
    )
)
