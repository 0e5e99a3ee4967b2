"""poolifier itself, in each of its kinds that this version has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import INTERPRETERS, Opened, contestant, library


@asynccontextmanager
async def _fixed(pool_type: str, function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with library(pool_type)(workers, function) as pool:
        yield Opened(pool.execute, map=pool.map_execute, put=pool.execute)


@contestant(
    "poolifier",
    "poolifier, processes",
    needs="poolifier:FixedProcessPool",
    scenarios={
        *("throughput", "burst", "latency", "latency_uvloop", "map", "echo", "array", "cpu"),
        *("start_up", "memory", "queued", "turns", "script"),
    },
)
@asynccontextmanager
async def processes(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with _fixed("poolifier:FixedProcessPool", function, workers) as opened:
        yield opened


@contestant(
    "poolifier-dynamic", "poolifier, 1 to n processes", needs="poolifier:DynamicProcessPool", scenarios={"grow"}
)
@asynccontextmanager
async def dynamic_processes(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with library("poolifier:DynamicProcessPool")(1, workers, function) as pool:
        yield Opened(pool.execute)


@contestant("poolifier-threads", "poolifier, threads", needs="poolifier:FixedThreadPool", scenarios={"threads"})
@asynccontextmanager
async def threads(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with _fixed("poolifier:FixedThreadPool", function, workers) as opened:
        yield opened


@contestant(
    "poolifier-interpreters",
    "poolifier, interpreters",
    needs="poolifier:FixedInterpreterPool",
    scenarios={"interpreters"},
    python=INTERPRETERS,
)
@asynccontextmanager
async def interpreters(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with _fixed("poolifier:FixedInterpreterPool", function, workers) as opened:
        yield opened


@contestant(
    "poolifier-interpreters-beside",
    "poolifier, interpreters / processes",
    needs="poolifier:FixedInterpreterPool",
    scenarios={"interpreters_data"},
    python=INTERPRETERS,
)
@asynccontextmanager
async def interpreters_beside_processes(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with (
        _fixed("poolifier:FixedInterpreterPool", function, workers) as ours,
        _fixed("poolifier:FixedProcessPool", function, workers) as processes,
    ):
        yield Opened(ours.submit, beside=processes.submit)


@contestant("poolifier-ray", "poolifier, Ray actors", needs="poolifier:FixedRayPool", scenarios={"ray"}, slow=True)
@asynccontextmanager
async def ray_actors(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    FixedRayPool = library("poolifier:FixedRayPool")  # noqa: N806 - a class
    from benchmarks.versus.contestants.ray import cluster

    with cluster(workers):
        async with FixedRayPool(workers, function) as pool:
            yield Opened(pool.execute, map=pool.map_execute)


@contestant("poolifier-give", "poolifier, SharedBuffer", needs="poolifier:SharedBuffer", scenarios={"give"})
@asynccontextmanager
async def shared_buffers(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    SharedBuffer = library("poolifier:SharedBuffer")  # noqa: N806 - a class
    async with library("poolifier:FixedProcessPool")(workers, function) as pool:
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
