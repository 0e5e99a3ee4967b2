"""What type checkers infer for a pool from the task function that it is given. They read this file; nothing runs it."""

from __future__ import annotations

import asyncio
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
        pool.execute("one")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
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
    other: Pool[str, str] = FixedProcessPool(2, plain)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    print(other)


async def functions_in_calls(pool: Pool[Any, Any], narrow: Pool[bytes, bytes]) -> None:
    """A call that gives the function itself takes and returns what that does, whatever its pool's own types are."""
    assert_type(pool.execute(1, plain), TaskFuture[str])
    assert_type(await pool.execute(1, plain, timeout=1, retries=2, priority=3, transfer=[]), str)
    assert_type(await pool.execute(1, coroutine), str)
    assert_type(await pool.execute(data=1, name=coroutine), str)
    assert_type(await pool.execute(1, optional), str)
    assert_type(await pool.execute(name=optional), str)
    assert_type(await pool.execute(True, Callback()), str)
    assert_type(await pool.execute(1, Callback().__call__), str)
    assert_type(await pool.execute(1, Job), Job)
    assert_type(await pool.execute("text", len), int)
    assert_type(await pool.execute(1, TaskFunction(plain, priority=3)), str)
    assert_type(await pool.execute(1, TaskFunction(coroutine)), str)
    assert_type(await pool.submit(1, plain), TaskFuture[str])
    assert_type(await (await pool.submit(1, coroutine)), str)
    assert_type(await narrow.execute(1, plain), str)
    assert_type(await (await narrow.submit(1, TaskFunction(coroutine))), str)
    assert_type(await asyncio.gather(pool.execute(1, plain), pool.execute("text", len)), tuple[str, int])


async def functions_in_streams_and_maps(pool: Pool[Any, Any], narrow: Pool[bytes, bytes]) -> None:
    assert_type(pool.stream(1, generator), TaskStream[str])
    assert_type(pool.stream(1, iterator, buffer=3), TaskStream[str])
    assert_type(narrow.stream(1, async_generator), TaskStream[str])
    assert_type(pool.stream(data=1, name=async_iterator), TaskStream[str])
    assert_type(narrow.stream(1, TaskFunction(generator)), TaskStream[str])

    async def numbers() -> AsyncIterator[int]:
        yield 1

    assert_type(await pool.map_execute([1, 2], plain), list[str])
    assert_type(await narrow.map_execute(numbers(), name=coroutine, limit=3), list[str])
    assert_type(await pool.map_execute({1, 2}, TaskFunction(plain)), list[str])
    assert_type(pool.map_ordered(range(3), plain, chunksize=2), AsyncGenerator[str, None])
    assert_type(narrow.map_ordered(numbers(), coroutine), AsyncGenerator[str, None])
    assert_type(pool.map_unordered(["text"], len, progress=True), AsyncGenerator[int, None])
    assert_type(narrow.map_unordered([1], TaskFunction(coroutine)), AsyncGenerator[str, None])
    assert_type([text async for text in pool.map_unordered(numbers(), plain)], list[str])


async def functions_without_data(pool: Pool[Any, Any], narrow: Pool[bytes, bytes]) -> None:
    def now() -> float:
        return time.time()

    async def later() -> float:
        return time.time()

    def ticks() -> Iterator[float]:
        yield time.time()

    def perhaps(data: int | None) -> float:
        return float(data or 0)

    assert_type(await pool.execute(name=now), float)
    assert_type(await narrow.execute(None, now, timeout=1), float)
    assert_type(await pool.execute(name=later), float)
    assert_type(await narrow.execute(None, later), float)
    assert_type(await pool.execute(name=perhaps), float)
    assert_type(await pool.execute(name=TaskFunction(now)), float)
    assert_type(await (await pool.submit(name=now)), float)
    assert_type(await (await narrow.submit(None, later)), float)
    assert_type(pool.stream(name=ticks), TaskStream[float])
    assert_type(narrow.stream(None, ticks), TaskStream[float])


async def names_in_calls(pool: Pool[Any, Any], narrow: Pool[int, bytes], name: str | None, anything: Any) -> None:
    """A string says nothing about the function, so the pool's own types hold."""
    assert_type(await pool.execute("text", "plain"), Any)
    assert_type(await narrow.execute(1, "plain"), bytes)
    assert_type(await narrow.execute(1, name), bytes)
    assert_type(await narrow.execute(), bytes)
    assert_type(await (await narrow.submit(1, name="plain")), bytes)
    assert_type(narrow.stream(1, "plain"), TaskStream[bytes])
    assert_type(await narrow.map_execute([1], "plain"), list[bytes])
    assert_type(narrow.map_ordered([1], name), AsyncGenerator[bytes, None])
    assert_type(narrow.map_unordered([1], "plain"), AsyncGenerator[bytes, None])
    await pool.execute("text", anything)
    await pool.map_execute(["text"], anything)
    await pool.execute(1, lambda data: data + 1)


async def wrong_functions_in_calls(pool: Pool[Any, Any]) -> None:
    def now() -> float:
        return time.time()

    def two(first: int, second: int) -> int:
        return first + second

    declared = TaskFunction(plain)
    pool.execute("one", plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.execute("one", coroutine)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.execute("one", declared)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.execute(1, now)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.execute(1, two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.execute(1, 2)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.execute(1, plain, limit=2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    pool.execute(name=plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await pool.submit("one", plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.stream("one", generator)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.stream(1, plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await pool.map_execute(["one"], plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.map_ordered(["one"], coroutine)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pool.map_unordered(["one"], declared)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
