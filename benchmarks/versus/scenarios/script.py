"""Instances of a class that the main script defines, beside those of a class in a module."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

from benchmarks.versus.contestants import Open, Opened
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import ModulePoint, echo


async def script(opens: Open, parameters: Parameters) -> dict[str, float]:
    """Both go there and back, as calls and as items of a map, in turns: machines change their speed within seconds."""
    count, rounds = parameters["count"], parameters["rounds"]
    of_script: Any = sys.modules["__main__"].__dict__["ScriptPoint"]
    kinds = (of_script, ModulePoint)
    seconds: dict[tuple[Any, Any], float] = dict.fromkeys(product((_calls, _items), kinds), 0.0)
    async with opens(echo, parameters["workers"]) as pool:
        for kind in kinds:
            for way in (_calls, _items):
                await _round(pool, way, kind, count // 10)
        for _ in range(rounds):
            for way in (_calls, _items):
                for kind in kinds:
                    seconds[way, kind] += await _round(pool, way, kind, count)
    each = count * rounds
    return {
        "seconds": seconds[_calls, of_script] / each,
        "of_a_module": seconds[_calls, ModulePoint] / each,
        "by_module": seconds[_calls, of_script] / seconds[_calls, ModulePoint],
        "item": seconds[_items, of_script] / each,
        "item_of_a_module": seconds[_items, ModulePoint] / each,
        "item_by_module": seconds[_items, of_script] / seconds[_items, ModulePoint],
    }


async def _calls(pool: Opened, points: list[Any]) -> list[Any]:
    return await asyncio.gather(*[pool.submit(point) for point in points])


async def _items(pool: Opened, points: list[Any]) -> list[Any]:
    assert pool.map is not None
    return await pool.map(points)


async def _round(
    pool: Opened, way: Callable[[Opened, list[Any]], Awaitable[list[Any]]], kind: Any, count: int
) -> float:
    points = [kind(number, number) for number in range(count)]
    started = time.perf_counter()
    results = await way(pool, points)
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
            Metric("item", "µs per item of a map", 1e6, digits=1),
            Metric("item_of_a_module", "µs per item, of a class of a module", 1e6, digits=1),
            Metric("item_by_module", "script by module, in a map", digits=2),
        ),
        goals=(
            Goal("an instance of a script's class, by one of a module's", "by_module", 1.5),
            Goal("the same, as items of a map", "item_by_module", 1.5),
            Goal("an instance of a script's class, concurrent.futures", "seconds", 0.25, ("executor",)),
        ),
        full={"count": 3_000, "rounds": 5, "workers": 2},
        quick={"count": 1_000, "rounds": 2},
        samples=(5, 1),
        order=45,
    )
)
