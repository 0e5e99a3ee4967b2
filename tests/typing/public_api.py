"""What type checkers make of the public names. They read this file; nothing runs it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import assert_type

from poolifier import (
    DynamicProcessPool,
    FixedProcessPool,
    PoolInfo,
    TaskFunction,
    TaskFuture,
    TaskStream,
    Worker,
    WorkerCrashedError,
    WorkerNode,
)

worker = Worker()


@worker.task
def length(text: str) -> int:
    return len(text)


@worker.task(name="other", priority=5)
async def doubled(number: int) -> int:
    return number * 2


# Decorated functions stay what they were.
assert_type(length("text"), int)


async def pools() -> None:
    async with FixedProcessPool[str, int](2, length, restart_limit=(3, 1.0)) as pool:
        assert_type(pool, FixedProcessPool[str, int])
        future = pool.execute("text", retries=1, priority=-5)
        assert_type(future, TaskFuture[int])
        assert_type(await future, int)
        assert_type(await asyncio.gather(pool.execute("a"), pool.execute("b")), tuple[int, int])
        assert_type(pool.stream("text", buffer=4), TaskStream[int])
        async for item in pool.stream("text"):
            assert_type(item, int)
        async with aclosing(pool.stream("text")) as stream:
            assert_type(await anext(stream), int)
        assert_type(pool.info, PoolInfo)
        assert_type(pool.worker_nodes, tuple[WorkerNode, ...])
        pool.execute(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    # Every way to say what the workers do.
    DynamicProcessPool[str, int](0, 2, worker)
    DynamicProcessPool[str, int](0, 2, "workers.py")
    DynamicProcessPool[str, int](0, 2, Path("workers.py"))
    DynamicProcessPool[str, int](0, 2, {"length": length, "first": TaskFunction(length, priority=1)})
    FixedProcessPool[str, int](2, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def crashes(error: WorkerCrashedError) -> None:
    assert_type(error.exit_code, int | None)
    assert_type(error.signal, str | None)
    assert_type(error.stderr, str)
