"""Ray, on this machine alone."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any

from benchmarks.versus.contestants import Opened, contestant, library


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """A cluster of one node, with as many CPUs as there are workers, whatever the machine has."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = library("ray")
    ray.init(
        "local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=1 << 30,
    )
    try:
        yield ray
    finally:
        ray.shutdown()


def _actors(ray: Any, function: Callable[[Any], Any], workers: int) -> list[Any]:
    class Actor:
        def call(self, data: Any) -> Any:
            return function(data)

        def call_numbered(self, numbered: tuple[int, Any]) -> tuple[int, Any]:
            number, data = numbered
            return number, function(data)

    remote = ray.remote(num_cpus=1)(Actor)
    return [remote.remote() for _ in range(workers)]


@contestant("ray", "Ray, awaited actors", needs="ray", scenarios={"ray", "echo", "array"}, slow=True)
@asynccontextmanager
async def awaited(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    """What Ray's documentation shows for asyncio: references are awaited; here the actors take turns."""
    with cluster(workers) as ray:
        actors = _actors(ray, function, workers)
        turn = 0

        def submit(data: Any) -> Awaitable[Any]:
            nonlocal turn
            turn = (turn + 1) % workers
            reference: Awaitable[Any] = actors[turn].call.remote(data)
            return reference

        yield Opened(submit)


@contestant("ray-actor-pool", "Ray's ActorPool", needs="ray", scenarios={"ray"}, slow=True)
@asynccontextmanager
async def actor_pool(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    """It blocks, so a thread feeds it with what has been submitted and hands back what is done."""
    loop = asyncio.get_running_loop()
    with cluster(workers) as ray:
        pool = library("ray.util").ActorPool(_actors(ray, function, workers))
        waiting: dict[int, asyncio.Future[Any]] = {}
        submitted: deque[tuple[int, Any]] = deque()
        numbers = count()
        some = asyncio.Event()

        def submit(data: Any) -> Awaitable[Any]:
            number = next(numbers)
            waiting[number] = future = loop.create_future()
            submitted.append((number, data))
            some.set()
            return future

        def resolve(number: int, result: Any) -> None:
            waiting.pop(number).set_result(result)

        def work() -> None:
            while submitted or pool.has_next():
                while submitted:
                    pool.submit(lambda actor, numbered: actor.call_numbered.remote(numbered), submitted.popleft())
                loop.call_soon_threadsafe(resolve, *pool.get_next_unordered())

        async def feed() -> None:
            while True:
                await some.wait()
                some.clear()
                await asyncio.to_thread(work)

        feeder = loop.create_task(feed())
        try:
            yield Opened(submit)
        finally:
            feeder.cancel()
