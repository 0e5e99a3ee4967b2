"""MPIRE: maps with progress bars over worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import Opened, contestant, library


@contestant("mpire", "MPIRE", needs="mpire", scenarios={"throughput", "latency", "map", "echo"})
@asynccontextmanager
async def mpire(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    loop = asyncio.get_running_loop()

    def submit(data: Any) -> Awaitable[Any]:
        future: asyncio.Future[Any] = loop.create_future()
        pool.apply_async(
            function,
            # A tuple or a mapping by itself would be taken apart into arguments.
            (data,),
            callback=lambda result: loop.call_soon_threadsafe(future.set_result, result),
            error_callback=lambda error: loop.call_soon_threadsafe(future.set_exception, error),
        )
        return future

    async def run_map(items: Iterable[Any]) -> list[Any]:
        results: list[Any] = await asyncio.to_thread(pool.map, function, [(item,) for item in items], chunk_size=1_000)
        return results

    with library("mpire").WorkerPool(n_jobs=workers) as pool:
        yield Opened(submit, run_map)
