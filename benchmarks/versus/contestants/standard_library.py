"""What comes with Python, each driven from asyncio in its best way."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.pool
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import INTERPRETERS, Opened, contestant, library


@asynccontextmanager
async def drive(executor: Executor, function: Callable[[Any], Any]) -> AsyncIterator[Opened]:
    """Any executor of `concurrent.futures`, as asyncio's documentation shows it."""
    loop = asyncio.get_running_loop()

    async def run_map(items: Iterable[Any]) -> list[Any]:
        return await asyncio.to_thread(lambda: list(executor.map(function, items, chunksize=1_000)))

    try:
        yield Opened(
            lambda data: loop.run_in_executor(executor, function, data),
            run_map,
            lambda data: executor.submit(function, data),
        )
    finally:
        executor.shutdown()


@contestant(
    "executor",
    "ProcessPoolExecutor",
    scenarios={"throughput", "latency", "latency_uvloop", "map", "echo", "array", "cpu", "memory", "turns", "script"},
)
@asynccontextmanager
async def process_pool_executor(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with drive(ProcessPoolExecutor(workers), function) as opened:
        yield opened


@contestant("executor-forkserver", "ProcessPoolExecutor, forkserver", scenarios={"start_up", "memory", "grow"})
@asynccontextmanager
async def forkserver_executor(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    context = multiprocessing.get_context("forkserver")
    async with drive(ProcessPoolExecutor(workers, mp_context=context), function) as opened:
        yield opened


@contestant("executor-spawn", "ProcessPoolExecutor, spawn", scenarios={"start_up", "memory", "grow"})
@asynccontextmanager
async def spawn_executor(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    context = multiprocessing.get_context("spawn")
    async with drive(ProcessPoolExecutor(workers, mp_context=context), function) as opened:
        yield opened


@contestant("thread-executor", "ThreadPoolExecutor", scenarios={"threads", "queued"})
@asynccontextmanager
async def thread_pool_executor(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    async with drive(ThreadPoolExecutor(workers), function) as opened:
        yield opened


@contestant("interpreter-executor", "InterpreterPoolExecutor", scenarios={"interpreters"}, python=INTERPRETERS)
@asynccontextmanager
async def interpreter_pool_executor(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    import concurrent.futures

    executor: Any = getattr(concurrent.futures, "InterpreterPoolExecutor", None)
    if executor is None:  # before 3.14
        executor = library("interpreters_backport.concurrent.futures.interpreter").InterpreterPoolExecutor
    async with drive(executor(workers), function) as opened:
        yield opened


@contestant(
    "multiprocessing",
    "multiprocessing.Pool",
    scenarios={"throughput", "latency", "latency_uvloop", "map", "echo"},
)
@asynccontextmanager
async def multiprocessing_pool(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
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

    async def run_map(items: Iterable[Any]) -> list[Any]:
        return await asyncio.to_thread(pool.map, function, items, 1_000)

    with multiprocessing.pool.Pool(workers) as pool:
        yield Opened(submit, run_map)
