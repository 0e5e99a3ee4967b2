"""A list of tiny items through a pool's own map, and what that does to the event loop."""

from __future__ import annotations

import time

from benchmarks.versus.contestants import Open, Unavailable
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.scenarios.turns import noted
from benchmarks.versus.tasks import echo


async def run_map(opens: Open, parameters: Parameters) -> dict[str, float]:
    integers = list(range(parameters["items"]))
    sample = {}
    async with opens(echo, parameters["workers"]) as pool:
        if pool.map is None:
            raise Unavailable("it has no map")
        await pool.map(integers[: len(integers) // 10])
        for metric, items in (("items_per_second", [{"i": number} for number in integers]), ("integers", integers)):
            with noted() as turns:
                started = time.perf_counter()
                results = await pool.map(items)
                sample[metric] = len(items) / (time.perf_counter() - started)
            if results != items:
                raise AssertionError("results that differ from the items")
            sample["longest"] = max(*turns, sample.get("longest", 0.0))
    return sample


add(
    Scenario(
        key="map",
        title="Map over {items:,} tiny items {{i: k}}, or integers, {workers} workers (peers: chunks of 1,000)",
        run=run_map,
        metrics=(
            Metric("items_per_second", "items/s", more_is_better=True),
            Metric("integers", "integers/s", more_is_better=True),
            Metric("longest", "longest turn ms", 1e3, digits=1),
        ),
        goals=(
            Goal("map_execute, multiprocessing.Pool.map", "items_per_second", 1.0, ("multiprocessing",)),
            Goal("the loop's longest turn meanwhile, ms", "longest", 0.020),
        ),
        full={"items": 200_000, "workers": 2},
        quick={},
        samples=(3, 1),
        order=30,
    )
)
