"""What type checkers make of the public names. They read this file; nothing runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing
from pathlib import Path
from typing import Any, assert_type

from poolifier import (
    CurrentTask,
    DynamicInterpreterPool,
    DynamicProcessPool,
    DynamicRayPool,
    DynamicThreadPool,
    FixedInterpreterPool,
    FixedProcessPool,
    FixedRayPool,
    FixedThreadPool,
    KillBehavior,
    Measurement,
    MeasurementOptions,
    PoisonTaskError,
    Pool,
    PoolEmitter,
    PoolEvent,
    PoolFailedError,
    PoolInfo,
    Strategy,
    StrategyPolicy,
    TaskFunction,
    TaskFunctionProperties,
    TaskFuture,
    TasksQueueOptions,
    TaskStream,
    TaskTimeoutError,
    TimeSummary,
    UnknownTaskFunctionError,
    Worker,
    WorkerCandidate,
    WorkerChoiceStrategy,
    WorkerChoiceStrategyOptions,
    WorkerCrashedError,
    WorkerNode,
    WorkerUsage,
    current_task,
    send_message,
)
from poolifier.futures import (
    BrokenWorkerError,
    InterpreterPoolExecutor,
    PoolExecutor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)

worker = Worker(max_inactive_time=10, kill_behavior=KillBehavior.HARD)


@worker.task
def length(text: str) -> int:
    return len(text)


@worker.task(name="other", priority=5, worker_nodes=[0], timeout=1.5)
async def doubled(number: int) -> int:
    return number * 2


# Decorated functions stay what they were.
assert_type(length("text"), int)


async def inputs() -> AsyncGenerator[str, None]:
    yield "text"


async def plain_pools() -> None:
    # A pool that was given several functions takes anything and returns anything; see inference.py for the others.
    async with FixedProcessPool(2, {"length": length, "doubled": doubled}) as pool:
        assert_type(pool, FixedProcessPool[Any, Any])
        assert_type(await pool.execute("text"), Any)
        assert_type(await pool.map_execute([1, "two"]), list[Any])
        number: int = await pool.execute(5)
        print(number)
    async with DynamicProcessPool(0, 2, worker) as dynamic:
        assert_type(dynamic, DynamicProcessPool[Any, Any])
        assert_type(dynamic.stream(), TaskStream[Any])


async def pools_with_types() -> None:
    async with FixedProcessPool[str, int](2, length, restart_limit=(3, 1.0)) as pool:
        assert_type(pool, FixedProcessPool[str, int])
        future = pool.execute("text", retries=1, priority=-5, timeout=2)
        assert_type(future, TaskFuture[int])
        assert_type(future.task_id, int)
        assert_type(await future, int)
        assert_type(await asyncio.gather(pool.execute("a"), pool.execute("b")), tuple[int, int])
        assert_type(await pool.submit("text", "other"), TaskFuture[int])
        assert_type(await (await pool.submit("text")), int)
        pool.execute(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
        await pool.submit(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]

    # Every way to say what the workers do.
    DynamicProcessPool[str, int](0, 2, worker)
    DynamicProcessPool[str, int](0, 2, "workers.py")
    DynamicProcessPool[str, int](0, 2, Path("workers.py"))
    DynamicProcessPool[str, int](0, 2, {"length": length, "first": TaskFunction(length, priority=1)})
    DynamicProcessPool[str, int](0, 2, {"length": length, "doubled": doubled})
    FixedProcessPool[str, int](2, 5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def any_kind_of_pool(pool: Pool[str, int]) -> int:
    return await pool.execute("text")


async def pools_as_arguments() -> None:
    await any_kind_of_pool(FixedProcessPool[str, int](2, length))
    await any_kind_of_pool(DynamicProcessPool[str, int](0, 2, length))
    await any_kind_of_pool(FixedProcessPool(2, length))
    await any_kind_of_pool(FixedProcessPool(2, {"length": length}))
    other = FixedProcessPool[int, int](2, "workers.py")
    await any_kind_of_pool(other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def maps(pool: Pool[str, int]) -> None:
    assert_type(await pool.map_execute(["a", "b"]), list[int])
    assert_type(await pool.map_execute(inputs(), limit=10, chunksize=5, progress=True), list[int])
    assert_type(pool.map_ordered(["a"]), AsyncGenerator[int, None])
    assert_type(pool.map_unordered(inputs(), timeout=1.0, retries=2), AsyncGenerator[int, None])
    async for result in pool.map_ordered(["a"]):
        assert_type(result, int)
    assert_type([result async for result in pool.map_unordered(inputs())], list[int])
    async with aclosing(pool.map_ordered(["a"])) as results:
        assert_type(await anext(results), int)
    await pool.map_execute([1, 2])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def streams(pool: Pool[str, int]) -> None:
    assert_type(pool.stream("text", timeout=5, buffer=4), TaskStream[int])
    async for item in pool.stream("text"):
        assert_type(item, int)
    async with aclosing(pool.stream("text")) as stream:
        assert_type(await anext(stream), int)
        assert_type(stream.task_id, int)
    iterator: AsyncIterator[int] = pool.stream("text")
    wider: TaskStream[float] = pool.stream("text")
    print(iterator, wider)


async def task_functions(pool: Pool[str, int]) -> None:
    await pool.add_task_function("length", length)
    await pool.add_task_function("length", TaskFunction(length, strategy="round_robin"))
    await pool.set_default_task_function("length")
    await pool.remove_task_function("other")
    assert_type(pool.has_task_function("length"), bool)
    assert_type(pool.list_task_functions_properties(), list[TaskFunctionProperties])
    assert_type(worker.list_task_functions_properties(), list[TaskFunctionProperties])


def inside_a_task() -> None:
    task = current_task()
    assert_type(task, CurrentTask | None)
    if task is not None:
        assert_type(task.id, int)
        assert_type(task.name, str)
        assert_type(task.attempt, int)
        assert_type(task.deadline, float | None)
        assert_type(task.abort_requested, bool)
    send_message({"any": "thing"})


def events(pool: Pool[str, int]) -> None:
    emitter = pool.emitter
    assert_type(emitter, PoolEmitter | None)
    assert emitter is not None

    @emitter.on(PoolEvent.READY)
    def ready(info: PoolInfo) -> None:
        assert_type(info.ready, bool)
        assert_type(info.run_time, TimeSummary)
        assert_type(info.run_time.p99, float)
        assert_type(info.elu.utilization, float)

    @emitter.on("busy")
    async def busy(info: PoolInfo) -> None:
        assert_type(info.executing_tasks, int)

    emitter.on(PoolEvent.TASK_ERROR, lambda error: print(error))
    emitter.once(PoolEvent.DESTROY, ready)
    emitter.remove_listener("busy", busy)


def numbers(pool: Pool[str, int]) -> None:
    assert_type(pool.info, PoolInfo)
    assert_type(pool.worker_nodes, tuple[WorkerNode, ...])
    node = pool.worker_nodes[0]
    assert_type(node.pid, int | None)
    assert_type(node.memory, int | None)
    assert_type(node.usage, WorkerUsage)
    assert_type(node.usage.tasks.executed, int)
    assert_type(node.usage_by_task_function["length"].wait_time.median, float)
    pool.info.executing_tasks = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


class Idlest(Strategy):
    """A strategy of one's own needs nothing but `choose`."""

    policy = StrategyPolicy(dynamic_worker_usage=True)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        assert_type(options.measurement, Measurement | None)
        self._workers: dict[int, WorkerCandidate] = {}

    def worker_added(self, worker: WorkerCandidate) -> None:
        self._workers[worker.id] = worker

    def worker_removed(self, worker: WorkerCandidate) -> None:
        del self._workers[worker.id]

    def choose(self, now: float) -> WorkerCandidate | None:
        worker = min(self._workers.values(), key=lambda worker: worker.load, default=None)
        if worker is not None:
            assert_type(worker.slot, int)
            assert_type(worker.active, float)
        return worker


def executors(pool: Pool[bytes, int], broken: BrokenWorkerError) -> None:
    with ProcessPoolExecutor(2, initializer=print, initargs=("ready",), max_tasks_per_child=10) as executor:
        assert_type(executor.submit(length, "data"), Future[int])
        executor.submit(length, b"data")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        executor.terminate_workers()
    with ThreadPoolExecutor(thread_name_prefix="mine") as threads:
        assert_type(list(threads.map(length, ["data"], timeout=1.0, buffersize=3)), list[int])
    any_: Executor = PoolExecutor(pool)
    interpreters: Executor = InterpreterPoolExecutor(2)
    error: BrokenProcessPool = broken
    print(any_, interpreters, error)


def options() -> None:
    """Options are known by name and type, those of each kind."""
    FixedProcessPool(2, length, timeout=1, env={"A": "1", "B": None}, start_method="spawn", cpu_affinity=[[0], [1]])
    DynamicRayPool(0, 2, length, ray_options={"num_cpus": 1}, initializer=print, initargs=["ready"])
    FixedThreadPool(2, length, tasks_queue_options={"size": 3}, worker_choice_strategy="round_robin")
    anything: dict[str, Any] = {"timeout": 1}
    FixedInterpreterPool(2, length, **anything)
    FixedProcessPool(2, length, size=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    FixedProcessPool(2, length, timeout="1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    FixedProcessPool(2, length, start_method="fork")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    FixedProcessPool(2, length, ray_options={})  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    DynamicThreadPool(1, 2, length, nice=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    DynamicInterpreterPool(1, 2, length, env={})  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    FixedRayPool(2, length, preload=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def strategies() -> None:
    FixedProcessPool(2, length, worker_choice_strategy=Idlest)
    pool = FixedProcessPool(2, length, worker_choice_strategy=WorkerChoiceStrategy.FAIR_SHARE)
    pool.set_worker_choice_strategy(Idlest)
    pool.set_worker_choice_strategy("least_busy", {"run_time": {"median": True}})
    options = WorkerChoiceStrategyOptions(
        measurement=Measurement.ELU, elu=MeasurementOptions(median=True), weights={0: 100.0, 1: 200.0}
    )
    pool.set_worker_choice_strategy_options(options)
    pool.set_tasks_queue_options(TasksQueueOptions(size=10, concurrency=4))
    pool.enable_tasks_queue(True, {"aging_factor": 0.5})
    pool.set_worker_choice_strategy(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def errors(
    crash: WorkerCrashedError, poison: PoisonTaskError, late: TaskTimeoutError, unknown: UnknownTaskFunctionError
) -> None:
    assert_type(crash.exit_code, int | None)
    assert_type(crash.signal, str | None)
    assert_type(crash.stderr, str)
    assert_type(crash.task_id, int | None)
    assert_type(crash.task_name, str | None)
    assert_type(poison.history, tuple[WorkerCrashedError, ...])
    assert_type(unknown.known, tuple[str, ...])
    # What they can be caught as.
    late_: TimeoutError = late
    poison_: WorkerCrashedError = poison
    unknown_: LookupError = unknown
    print(late_, poison_, unknown_, PoolFailedError)
