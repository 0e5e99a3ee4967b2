"""From nothing to the first result: the first pool of a program, then one that follows it."""

from __future__ import annotations

import time

from benchmarks.versus.contestants import Open
from benchmarks.versus.scenarios import Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import echo


async def start_up(opens: Open, parameters: Parameters) -> dict[str, float]:
    sample = {}
    for metric in ("first", "next"):
        started = time.perf_counter()
        async with opens(echo, parameters["workers"]) as submit:
            await submit({"i": 0})
            sample[metric] = time.perf_counter() - started
    return sample


add(
    Scenario(
        key="start_up",
        title="Start-up: first result of a new pool of {workers} workers",
        run=start_up,
        metrics=(Metric("first", "1st pool ms", 1e3), Metric("next", "2nd pool ms", 1e3)),
        goals=(),
        full={"workers": 2},
        quick={},
        samples=(9, 5),
        order=3,
    )
)
