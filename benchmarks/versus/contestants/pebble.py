"""Pebble, whose pool can stop tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import Opened, contestant, library


@contestant("pebble", "Pebble", needs="pebble", scenarios={"throughput", "latency", "echo"})
@asynccontextmanager
async def pebble(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    with library("pebble").ProcessPool(max_workers=workers) as pool:

        def submit(data: Any) -> Awaitable[Any]:
            return asyncio.wrap_future(pool.schedule(function, args=[data]))

        try:
            yield Opened(submit)
        finally:
            pool.stop()
