"""A map of tiny tasks over two Ray actors: Ray's own `ActorPool` beside `FixedRayPool`, in turns, in one run.

`make bench-ray`, `ARGS="--tasks 20000 --repeats 5"`. Prints tasks a second and their ratio: the medians of all turns.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Any

import ray
from ray.util import ActorPool

from poolifier import FixedRayPool

WORKERS = 2


def square(number: int) -> int:
    return number * number


class Squarer:
    def square(self, number: int) -> int:
        return number * number


def timed(run: Callable[[], list[int]], tasks: int) -> float:
    """Tasks a second."""
    begun = perf_counter()
    results = run()
    seconds = perf_counter() - begun
    assert results == [number * number for number in range(tasks)]
    return tasks / seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.ray_actors", description=__doc__)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    tasks: int = arguments.tasks

    ray.init("local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    actors = [ray.remote(Squarer).options(num_cpus=0).remote() for _ in range(WORKERS)]
    # Its annotations say less than it takes.
    theirs: Any = ActorPool(actors)

    def actor_pool() -> list[int]:
        return list(theirs.map(lambda actor, number: actor.square.remote(number), range(tasks)))

    with asyncio.Runner() as runner:
        pool: FixedRayPool[int, int] = FixedRayPool(WORKERS, square, ray_options={"num_cpus": 0})
        runner.run(pool.start())

        async def gathered() -> list[int]:
            return list(await asyncio.gather(*(pool.execute(number) for number in range(tasks))))

        ways: dict[str, Callable[[], list[int]]] = {
            "ray.util.ActorPool.map": actor_pool,
            "FixedRayPool.map_execute": lambda: runner.run(pool.map_execute(range(tasks))),
            "FixedRayPool.execute": lambda: runner.run(gathered()),
        }
        speeds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(arguments.repeats + 1):
            for name, run in ways.items():
                speed = timed(run, tasks)
                # The first turn warms up.
                if turn:
                    speeds[name].append(speed)
        runner.run(pool.destroy())
    ray.shutdown()

    base = statistics.median(speeds["ray.util.ActorPool.map"])
    for name, measured in speeds.items():
        median = statistics.median(measured)
        spread = f"({min(measured):,.0f} to {max(measured):,.0f})"
        print(f"{name:28} {median:10,.0f} tasks/s  x {median / base:6.1f}   {spread}")


if __name__ == "__main__":
    main()
