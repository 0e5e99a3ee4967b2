"""What type checkers infer for a pool from the task function that it is given. They read this file; nothing runs it."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sized
from typing import Any, assert_type

from poolifier import (
    DynamicInterpreterPool,
    DynamicProcessPool,
    DynamicRayPool,
    DynamicThreadPool,
    FixedInterpreterPool,
    FixedProcessPool,
    FixedRayPool,
    FixedThreadPool,
    Pool,
    TaskFunction,
    TaskFuture,
    TaskStream,
    Worker,
)


def plain(data: int) -> str:
    return str(data)


async def coroutine(data: int) -> str:
    return str(data)


def generator(data: int) -> Generator[str, None, None]:
    yield str(data)


def iterator(data: int) -> Iterator[str]:
    yield str(data)


async def async_generator(data: int) -> AsyncGenerator[str, None]:
    yield str(data)


async def async_iterator(data: int) -> AsyncIterator[str]:
    yield str(data)


def optional(data: int = 0) -> str:
    return str(data)


class Callback:
    def __call__(self, data: int) -> str:
        return str(data)


class Job:
    def __init__(self, data: int) -> None: ...


def kinds_of_functions() -> None:
    assert_type(FixedProcessPool(2, plain), FixedProcessPool[int, str])
    assert_type(FixedProcessPool(2, coroutine), FixedProcessPool[int, str])
    assert_type(FixedProcessPool(2, generator), FixedProcessPool[int, str])
    assert_type(FixedProcessPool(2, iterator), FixedProcessPool[int, str])
    assert_type(FixedProcessPool(2, async_generator), FixedProcessPool[int, str])
    assert_type(FixedProcessPool(2, async_iterator), FixedProcessPool[int, str])
    assert_type(FixedProcessPool(2, optional), FixedProcessPool[int, str])
    assert_type(FixedProcessPool(2, Callback()), FixedProcessPool[int, str])
    assert_type(FixedProcessPool(2, Job), FixedProcessPool[int, Job])
    assert_type(FixedProcessPool(2, len), FixedProcessPool[Sized, int])


def kinds_of_pools() -> None:
    assert_type(DynamicProcessPool(0, 2, plain), DynamicProcessPool[int, str])
    assert_type(FixedThreadPool(2, coroutine), FixedThreadPool[int, str])
    assert_type(DynamicThreadPool(0, 2, generator, timeout=1), DynamicThreadPool[int, str])
    assert_type(FixedInterpreterPool(2, plain), FixedInterpreterPool[int, str])
    assert_type(DynamicInterpreterPool(0, 2, async_generator), DynamicInterpreterPool[int, str])
    assert_type(FixedRayPool(2, plain, ray_options={}), FixedRayPool[int, str])
    assert_type(DynamicRayPool(0, 2, coroutine), DynamicRayPool[int, str])


def declared_functions() -> None:
    assert_type(TaskFunction(plain, priority=3), TaskFunction[int, str])
    assert_type(TaskFunction(coroutine), TaskFunction[int, str])
    assert_type(Worker(plain), Worker[int, str])
    assert_type(Worker(async_iterator, max_inactive_time=3), Worker[int, str])
    assert_type(Worker(TaskFunction(coroutine)), Worker[int, str])
    assert_type(FixedProcessPool(2, TaskFunction(iterator, priority=3)), FixedProcessPool[int, str])
    assert_type(FixedThreadPool(2, Worker(coroutine)), FixedThreadPool[int, str])
    # Explicit types are for those that are filled later, and for several functions.
    assert_type(Worker(), Worker[Any, Any])
    assert_type(Worker({"plain": plain, "other": TaskFunction(coroutine)}), Worker[Any, Any])
    assert_type(Worker[int, str]({"plain": plain}), Worker[int, str])
    assert_type(FixedProcessPool(2, Worker[int, str]()), FixedProcessPool[int, str])


def without_data() -> None:
    def now() -> float:
        return time.time()

    async def later() -> float:
        return time.time()

    def ticks() -> Iterator[float]:
        yield time.time()

    assert_type(FixedProcessPool(2, now), FixedProcessPool[Any, float])
    assert_type(FixedProcessPool(2, later), FixedProcessPool[Any, float])
    assert_type(FixedProcessPool(2, ticks), FixedProcessPool[Any, float])
    assert_type(Worker(later), Worker[Any, float])
    assert_type(TaskFunction(now), TaskFunction[Any, float])


def what_nobody_can_tell(anything: Any, function: Callable[..., Any]) -> None:
    assert_type(FixedProcessPool(2, "workers.py"), FixedProcessPool[Any, Any])
    assert_type(FixedProcessPool(2, {"plain": plain}), FixedProcessPool[Any, Any])
    assert_type(FixedProcessPool(2, function), FixedProcessPool[Any, Any])
    assert_type(FixedProcessPool(2, anything), FixedProcessPool[Any, Any])
    # A lambda may do what it wants with its argument.
    FixedProcessPool(2, lambda data: data + 1).execute(1)
    FixedProcessPool(2, functools.partial(pow, 2)).execute(3)


async def what_calls_take_and_return() -> None:
    async with FixedProcessPool(2, coroutine) as pool:
        assert_type(pool.execute(1), TaskFuture[str])
        assert_type(await pool.execute(1), str)
        assert_type(await pool.map_execute([1, 2]), list[str])
        pool.execute("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await pool.map_execute(["one"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    async with FixedProcessPool(2, iterator) as pool_of_generators:
        assert_type(pool_of_generators.stream(1), TaskStream[str])
        assert_type([item async for item in pool_of_generators.stream(1)], list[str])


def wrong_functions() -> None:
    def two(first: int, second: int) -> int:
        return first + second

    FixedProcessPool(2, two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    FixedProcessPool[str, str](2, plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


def generic_functions() -> None:
    unknown = FixedProcessPool(2, sorted)  # type: ignore[var-annotated]
    said = FixedProcessPool[list[int], list[int]](2, sorted)
    print(unknown, said)


def variance() -> None:
    """A pool that takes more, and returns something more special, can stand for another."""
    sizes: Pool[str, float] = FixedProcessPool(2, len)
    fixed: FixedProcessPool[bool, object] = FixedProcessPool(2, plain)
    print(sizes, fixed)
    other: Pool[str, str] = FixedProcessPool(2, plain)  # type: ignore[arg-type]
    print(other)
