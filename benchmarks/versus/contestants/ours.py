"""poolifier itself, in each of its kinds that this version has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import INTERPRETERS, Opened, Unavailable, contestant


def kind(name: str) -> Any:
    """A public name of poolifier."""
    import poolifier

    if not hasattr(poolifier, name):
        raise Unavailable(f"this version of poolifier has no {name}")
    return getattr(poolifier, name)


@asynccontextmanager
async def _fixed(name: str, function: Callable[[Any], Any], workers: int, **options: Any) -> AsyncIterator[Opened]:
    async with kind(name)(workers, function, **options) as pool:
        yield Opened(pool.execute, map=pool.map_execute, put=pool.execute)


@contestant(
    "poolifier",
    "poolifier, processes",
    needs="poolifier",
    scenarios={
        *("throughput", "burst", "latency", "latency_uvloop", "map", "echo", "array", "cpu"),
        *("start_up", "memory", "queued", "turns"),
    },
)
@asynccontextmanager
async def processes(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with _fixed("FixedProcessPool", function, workers) as opened:
        yield opened


@contestant("poolifier-dynamic", "poolifier, 1 to n processes", needs="poolifier", scenarios={"grow"})
@asynccontextmanager
async def dynamic_processes(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with kind("DynamicProcessPool")(1, workers, function) as pool:
        yield Opened(pool.execute)


@contestant("poolifier-threads", "poolifier, threads", needs="poolifier", scenarios={"threads"})
@asynccontextmanager
async def threads(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with _fixed("FixedThreadPool", function, workers) as opened:
        yield opened


@contestant(
    "poolifier-interpreters",
    "poolifier, interpreters",
    needs="poolifier",
    scenarios={"interpreters"},
    python=INTERPRETERS,
)
@asynccontextmanager
async def interpreters(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with _fixed("FixedInterpreterPool", function, workers) as opened:
        yield opened


@contestant("poolifier-ray", "poolifier, Ray actors", needs="poolifier", scenarios={"ray"}, slow=True)
@asynccontextmanager
async def ray_actors(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    FixedRayPool = kind("FixedRayPool")  # noqa: N806 - a class
    from benchmarks.versus.contestants.ray import cluster

    with cluster(workers):
        async with FixedRayPool(workers, function) as pool:
            yield Opened(pool.execute, map=pool.map_execute)


@contestant("poolifier-give", "poolifier, SharedBuffer", needs="poolifier", scenarios={"give"})
@asynccontextmanager
async def shared_buffers(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    SharedBuffer = kind("SharedBuffer")  # noqa: N806 - a class
    async with kind("FixedProcessPool")(workers, function) as pool:
        kept: dict[int, Any] = {}

        async def give(size: int) -> int:
            buffer = kept.pop(size, None)
            if buffer is None:
                buffer = SharedBuffer(size)
                buffer.buffer[:] = bytes(size)  # the memory is there before anything is timed
            kept[size] = back = await pool.execute(buffer, transfer=[buffer])
            length: int = back.buffer.nbytes
            return length

        yield Opened(pool.execute, give=give)
