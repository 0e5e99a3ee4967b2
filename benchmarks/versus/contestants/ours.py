"""poolifier itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import Submit, contestant


@contestant("poolifier", "poolifier FixedProcessPool", needs="poolifier")
@asynccontextmanager
async def fixed_process_pool(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Submit]:
    from poolifier import FixedProcessPool

    async with FixedProcessPool[Any, Any](workers, function) as pool:
        yield pool.execute
