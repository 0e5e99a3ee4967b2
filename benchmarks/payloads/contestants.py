"""Each contestant is an async context manager that yields a function: a value in, the same value from a worker out."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias

Echo: TypeAlias = Callable[[Any], Awaitable[Any]]

WORKERS: Final = 2


def echo(value: Any) -> Any:
    return value


def missing(*names: str) -> bool:
    """Whether one of these modules is not installed."""
    return any(importlib.util.find_spec(name) is None for name in names)


def library(name: str) -> Any:
    """A peer, imported by name for type checkers that run where no peer is installed."""
    return importlib.import_module(name)


@asynccontextmanager
async def poolifier() -> AsyncIterator[Echo]:
    from poolifier import FixedProcessPool

    async with FixedProcessPool[Any, Any](WORKERS, echo) as pool:
        yield pool.execute


@asynccontextmanager
async def poolifier_transfer() -> AsyncIterator[Echo]:
    from poolifier import FixedProcessPool

    async with FixedProcessPool[Any, Any](WORKERS, echo) as pool:
        yield lambda shared: pool.execute(shared, transfer=[shared])


@asynccontextmanager
async def _executor(executor: Executor) -> AsyncIterator[Echo]:
    loop = asyncio.get_running_loop()
    with executor:
        yield lambda value: loop.run_in_executor(executor, echo, value)


def process_pool_executor() -> AbstractAsyncContextManager[Echo]:
    from concurrent.futures import ProcessPoolExecutor

    return _executor(ProcessPoolExecutor(WORKERS))


def loky() -> AbstractAsyncContextManager[Echo]:
    return _executor(library("loky").ProcessPoolExecutor(WORKERS))


@asynccontextmanager
async def multiprocessing_pool() -> AsyncIterator[Echo]:
    from multiprocessing import Pool

    loop = asyncio.get_running_loop()

    def submit(value: Any) -> asyncio.Future[Any]:
        future = loop.create_future()
        pool.apply_async(
            echo,
            (value,),
            callback=lambda result: loop.call_soon_threadsafe(future.set_result, result),
            error_callback=lambda error: loop.call_soon_threadsafe(future.set_exception, error),
        )
        return future

    with Pool(WORKERS) as pool:
        yield submit


@asynccontextmanager
async def pebble() -> AsyncIterator[Echo]:
    with library("pebble").ProcessPool(max_workers=WORKERS) as pool:
        yield lambda value: asyncio.wrap_future(pool.schedule(echo, (value,)))


@asynccontextmanager
async def mpire() -> AsyncIterator[Echo]:
    loop = asyncio.get_running_loop()

    def submit(value: Any) -> asyncio.Future[Any]:
        future = loop.create_future()
        pool.apply_async(
            echo,
            (value,),
            callback=lambda result: loop.call_soon_threadsafe(future.set_result, result),
            error_callback=lambda error: loop.call_soon_threadsafe(future.set_exception, error),
        )
        return future

    with library("mpire").WorkerPool(WORKERS) as pool:
        yield submit


@asynccontextmanager
async def ray() -> AsyncIterator[Echo]:
    ray = library("ray")
    ray.init(num_cpus=WORKERS, log_to_driver=False, logging_level="error", include_dashboard=False)
    remote = ray.remote(echo)
    try:

        async def submit(value: Any) -> Any:
            return await remote.remote(value)

        yield submit
    finally:
        ray.shutdown()


CONTESTANTS: Final[dict[str, tuple[Callable[[], AbstractAsyncContextManager[Echo]], tuple[str, ...]]]] = {
    "poolifier": (poolifier, ()),
    "poolifier, transfer": (poolifier_transfer, ()),
    "ProcessPoolExecutor": (process_pool_executor, ()),
    "multiprocessing.Pool": (multiprocessing_pool, ()),
    "loky": (loky, ("loky",)),
    "pebble": (pebble, ("pebble",)),
    "mpire": (mpire, ("mpire",)),
    "ray": (ray, ("ray",)),
}
"""Name -> (the contestant, the modules that it needs)."""
