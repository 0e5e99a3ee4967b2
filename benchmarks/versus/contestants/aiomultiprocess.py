"""aiomultiprocess: coroutines in worker processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import Opened, contestant, library
from benchmarks.versus.tasks import echo_async


@contestant(
    "aiomultiprocess",
    "aiomultiprocess",
    needs="aiomultiprocess",
    scenarios={"throughput", "latency", "echo"},
)
@asynccontextmanager
async def aiomultiprocess(_function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    # It runs coroutine functions only: the scenarios it takes part in are those that echo.
    async with library("aiomultiprocess").Pool(processes=workers) as pool:
        yield Opened(lambda data: pool.apply(echo_async, (data,)))
        pool.terminate()
