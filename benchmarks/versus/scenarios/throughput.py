"""Tiny tasks, many in flight: what a pool costs per task when everything can overlap."""

from __future__ import annotations

import asyncio
import time

from benchmarks.versus.contestants import Open, Submit
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import echo


async def throughput(opens: Open, parameters: Parameters) -> dict[str, float]:
    tasks, in_flight = parameters["tasks"], parameters["in_flight"]
    async with opens(echo, parameters["workers"]) as submit:
        await _drive(submit, in_flight, in_flight)
        started, cpu = time.perf_counter(), time.process_time()
        await _drive(submit, tasks, in_flight)
        elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"tasks_per_second": tasks / elapsed, "own_cpu": cpu / tasks}


async def _drive(submit: Submit, tasks: int, in_flight: int) -> None:
    """Submits as a server does that has so many clients, each waiting for its answer before it asks again."""
    numbers = iter(range(tasks))

    async def client() -> None:
        for number in numbers:
            result = await submit({"i": number})
            if result != {"i": number}:
                raise AssertionError(f"task {number} came back as {result!r}")

    await asyncio.gather(*(client() for _ in range(in_flight)))


add(
    Scenario(
        key="throughput",
        title='Throughput: {tasks:,} tasks {{"i": k}} -> {{"i": k}}, {workers} workers, {in_flight:,} in flight',
        run=throughput,
        metrics=(Metric("tasks_per_second", "tasks/s", more_is_better=True), Metric("own_cpu", "own CPU µs", 1e6)),
        goals=(Goal("tasks_per_second", "executor", 10.0),),
        full={"tasks": 50_000, "workers": 2, "in_flight": 1_000},
        quick={"tasks": 10_000},
        samples=(5, 3),
        order=1,
    )
)
