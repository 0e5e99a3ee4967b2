"""Instances of a class that the main script defines, beside those of a class in a module."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from benchmarks.versus.contestants import Open, Opened
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import ModulePoint, echo


async def script(opens: Open, parameters: Parameters) -> dict[str, float]:
    """Both go there and back, in turns, for machines change their speed within seconds."""
    count, rounds = parameters["count"], parameters["rounds"]
    of_script: Any = sys.modules["__main__"].__dict__["ScriptPoint"]
    seconds = {of_script: 0.0, ModulePoint: 0.0}
    async with opens(echo, parameters["workers"]) as pool:
        for kind in seconds:
            await _round(pool, kind, count // 10)
        for _ in range(rounds):
            for kind in seconds:
                seconds[kind] += await _round(pool, kind, count)
    each = count * rounds
    return {
        "seconds": seconds[of_script] / each,
        "of_a_module": seconds[ModulePoint] / each,
        "by_module": seconds[of_script] / seconds[ModulePoint],
    }


async def _round(pool: Opened, kind: Any, count: int) -> float:
    points = [kind(number, number) for number in range(count)]
    started = time.perf_counter()
    results = await asyncio.gather(*[pool.submit(point) for point in points])
    elapsed = time.perf_counter() - started
    if results != points:
        raise AssertionError("other points came back")
    return elapsed


add(
    Scenario(
        key="script",
        title="{count:,} objects there and back, of a class of the main script, {workers} workers",
        run=script,
        metrics=(
            Metric("seconds", "µs per task", 1e6, digits=1),
            Metric("of_a_module", "µs, of a class of a module", 1e6, digits=1),
            Metric("by_module", "script by module", digits=2),
        ),
        goals=(
            Goal("an instance of a script's class, by one of a module's", "by_module", 1.5),
            Goal("the same, concurrent.futures", "seconds", 0.25, ("executor",)),
        ),
        full={"count": 3_000, "rounds": 5, "workers": 2},
        quick={"count": 1_000, "rounds": 2},
        samples=(5, 1),
        order=45,
    )
)
