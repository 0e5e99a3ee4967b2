"""loky, the process pool under joblib, and joblib itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import Opened, contestant, library
from benchmarks.versus.contestants.standard_library import drive

MOST = 1_000  # calls that go to joblib at a time


@contestant("loky", "loky", needs="loky", scenarios={"throughput", "latency", "echo", "start_up", "memory"})
@asynccontextmanager
async def loky(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with drive(library("loky").ProcessPoolExecutor(workers), function) as opened:
        yield opened


@contestant("joblib", "joblib, tasks collected into batches", needs="joblib", scenarios={"throughput", "map", "echo"})
@asynccontextmanager
async def joblib(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    """joblib takes lists of calls, so whatever is submitted while one list runs makes up the next."""
    package = library("joblib")
    loop = asyncio.get_running_loop()
    submitted: list[tuple[asyncio.Future[Any], Any]] = []
    driver: asyncio.Task[None] | None = None
    call = package.delayed(function)

    async def run_submitted() -> None:
        while submitted:
            batch = submitted[:MOST]
            del submitted[:MOST]
            results = await asyncio.to_thread(parallel, [call(data) for _, data in batch])
            for (future, _), result in zip(batch, results, strict=True):
                future.set_result(result)
            await asyncio.sleep(0)  # those who have got theirs ask again

    def submit(data: Any) -> Awaitable[Any]:
        nonlocal driver
        future: asyncio.Future[Any] = loop.create_future()
        submitted.append((future, data))
        if driver is None or driver.done():
            driver = loop.create_task(run_submitted())
        return future

    async def run_map(items: Iterable[Any]) -> list[Any]:
        results: list[Any] = await asyncio.to_thread(parallel, [call(item) for item in items])
        return results

    with package.Parallel(n_jobs=workers) as parallel:
        yield Opened(submit, run_map)
