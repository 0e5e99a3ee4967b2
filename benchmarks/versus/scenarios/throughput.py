"""Tiny tasks, many in flight: what a pool costs per task when everything can overlap."""

from __future__ import annotations

import asyncio
import statistics
import time

from benchmarks.versus.contestants import Open, Submit
from benchmarks.versus.scenarios import PROCESS_POOLS, Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import echo

METRICS = (Metric("tasks_per_second", "tasks/s", more_is_better=True), Metric("own_cpu", "own CPU µs", 1e6))
NODE_POOLS = ("node-poolifier", "node-poolifier-cluster")
FULL = {"seconds": 1.2, "workers": 2, "in_flight": 1_000}
QUICK = {"seconds": 0.4}


async def throughput(opens: Open, parameters: Parameters) -> dict[str, float]:
    seconds, in_flight = parameters["seconds"], parameters["in_flight"]
    async with opens(echo, parameters["workers"]) as pool:
        await clients(pool.submit, seconds / 5, in_flight)
        started, cpu = time.perf_counter(), time.process_time()
        done = await clients(pool.submit, seconds, in_flight)
        elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"tasks_per_second": done / elapsed, "own_cpu": cpu / done}


async def clients(submit: Submit, seconds: float, in_flight: int) -> int:
    """Submits as a server does that has so many clients, each waiting for its answer before it asks again."""
    clock, end = time.perf_counter, time.perf_counter() + seconds
    done = 0

    async def client() -> None:
        nonlocal done
        while clock() < end:
            number = done
            done += 1
            result = await submit({"i": number})
            if result != {"i": number}:
                raise AssertionError(f"task {number} came back as {result!r}")

    await asyncio.gather(*(client() for _ in range(in_flight)))
    return done


async def burst(opens: Open, parameters: Parameters) -> dict[str, float]:
    """All at once, and then all awaited. The first round warms the pool up."""
    tasks = parameters["tasks"]
    rates = []
    async with opens(echo, parameters["workers"]) as pool:
        for _ in range(4):
            started = time.perf_counter()
            results = await asyncio.gather(*[pool.submit({"i": number}) for number in range(tasks)])
            rates.append(tasks / (time.perf_counter() - started))
            if any(result != {"i": number} for number, result in enumerate(results)):
                raise AssertionError("results in the wrong order")
    return {"tasks_per_second": statistics.median(rates[1:])}


add(
    Scenario(
        key="throughput",
        title="Tiny tasks: {{i: k}} -> {{i: k}}, {workers} workers, {in_flight:,} clients, each waiting for its answer",
        run=throughput,
        metrics=METRICS,
        goals=(
            Goal("tiny tasks, best process pool", "tasks_per_second", 10.0, PROCESS_POOLS),
            Goal("tiny tasks, joblib fed with batches", "tasks_per_second", 1.0, ("joblib",)),
            Goal("tiny tasks, Node's poolifier", "tasks_per_second", 1.5, (*NODE_POOLS, "node-poolifier-queue")),
            Goal("tiny tasks, the same, queue on", "tasks_per_second", 3.0, ("node-poolifier-queue",)),
        ),
        full=FULL,
        quick=QUICK,
        samples=(5, 1),
        order=10,
    )
)
add(
    Scenario(
        key="burst",
        title="Tiny tasks: {tasks:,} submitted at once, {workers} workers",
        run=burst,
        metrics=METRICS[:1],
        goals=(Goal("all at once, Node's poolifier", "tasks_per_second", 1.3, (*NODE_POOLS, "node-poolifier-queue")),),
        full={"tasks": 20_000, "workers": 2},
        quick={"tasks": 5_000},
        samples=(5, 1),
        order=11,
    )
)
for key, title, number, goal in (
    ("threads", "threads", 12, Goal("tiny tasks on threads", "tasks_per_second", 4.0, ("thread-executor",))),
    (
        "interpreters",
        "interpreters",
        13,
        Goal("tiny tasks on interpreters", "tasks_per_second", 10.0, ("interpreter-executor",)),
    ),
    ("ray", "Ray actors", 14, Goal("tiny tasks on Ray", "tasks_per_second", 30.0, ("ray-actor-pool",))),
):
    add(
        Scenario(
            key=key,
            title=f"The same on {title}",
            run=throughput,
            metrics=METRICS,
            goals=(Goal(goal.what, goal.metric, goal.limit, goal.against, f"poolifier-{key}"),),
            full=FULL,
            quick=None if key == "ray" else QUICK,
            samples=(3, 1),
            order=number,
        )
    )
