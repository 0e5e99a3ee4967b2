"""What comes with Python, each driven from asyncio in its best way."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.pool
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import Submit, contestant


@contestant("executor", "run_in_executor(ProcessPoolExecutor)", scenarios={"throughput", "latency"})
@asynccontextmanager
async def process_pool_executor(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Submit]:
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(workers) as executor:
        yield lambda data: loop.run_in_executor(executor, function, data)


@contestant("executor-forkserver", "ProcessPoolExecutor, forkserver", scenarios={"start_up"})
@asynccontextmanager
async def forkserver_executor(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Submit]:
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("forkserver")) as executor:
        yield lambda data: loop.run_in_executor(executor, function, data)


@contestant("multiprocessing", "multiprocessing.Pool", scenarios={"throughput", "latency"})
@asynccontextmanager
async def multiprocessing_pool(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Submit]:
    loop = asyncio.get_running_loop()

    def submit(data: Any) -> Awaitable[Any]:
        future: asyncio.Future[Any] = loop.create_future()
        pool.apply_async(
            function,
            (data,),
            # These run in the pool's result thread.
            callback=lambda result: loop.call_soon_threadsafe(future.set_result, result),
            error_callback=lambda error: loop.call_soon_threadsafe(future.set_exception, error),
        )
        return future

    with multiprocessing.pool.Pool(workers) as pool:
        yield submit
