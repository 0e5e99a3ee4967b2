"""Events are edges: one when a state begins, one when it ends. Listeners break nothing."""

import asyncio
import logging
import os
import time
from contextvars import ContextVar

import pytest

from poolifier import DynamicProcessPool, FixedProcessPool, PoolEvent, PoolInfo, Worker, WorkerCrashedError
from tests.contract import odd_errors

request = ContextVar("request", default="none")


def nap(seconds):
    time.sleep(seconds)


def record(pool):
    heard = []
    for event in PoolEvent:
        pool.emitter.on(event.value, lambda detail, name=event.value: heard.append((name, detail)))
    return heard


def names(heard, *wanted):
    return [name for name, _ in heard if not wanted or name in wanted]


def test_filling_and_draining_a_fixed_pool(run):
    async def main():
        pool = FixedProcessPool(2, nap, tasks_queue_options={"size": 3})
        heard = record(pool)
        async with pool:
            await asyncio.gather(*(pool.execute(0.005) for _ in range(40)))
        return heard

    heard = run(main())
    assert names(heard) == [
        "worker_online",
        "worker_online",
        "ready",
        "busy",
        "back_pressure",
        "back_pressure_end",
        "busy_end",
        "worker_exit",
        "worker_exit",
        "destroy",
    ] or sorted(names(heard)) == sorted(
        ["worker_online"] * 2
        + ["ready", "busy", "back_pressure", "back_pressure_end", "busy_end"]
        + ["worker_exit"] * 2
        + ["destroy"]
    )
    assert names(heard, "busy", "busy_end") == ["busy", "busy_end"]
    assert names(heard, "back_pressure", "back_pressure_end") == ["back_pressure", "back_pressure_end"]
    assert all(isinstance(detail, PoolInfo) for _, detail in heard)
    full = next(detail for name, detail in heard if name == "back_pressure")
    assert full.back_pressure
    assert full.back_pressure_worker_nodes == 2


def test_filling_and_draining_a_dynamic_pool(run, until):
    async def main():
        pool = DynamicProcessPool(0, 2, Worker(nap, max_inactive_time=0.2))
        heard = record(pool)
        async with pool:
            await asyncio.gather(*(pool.execute(0.05) for _ in range(8)))
            await until(lambda: "empty" in names(heard))
            assert names(heard, "full", "full_end") == ["full", "full_end"]
            assert names(heard, "busy", "busy_end") == ["busy", "busy_end"]
            assert names(heard, "empty") == ["empty"]
        return heard

    run(main())


def test_errors_reach_their_listeners(run):
    async def main():
        pool = FixedProcessPool(1, {"exit": os._exit, "fail": int})
        heard = record(pool)
        async with pool:
            with pytest.raises(ValueError, match="invalid literal"):
                await pool.execute("x", "fail")
            with pytest.raises(Exception, match="code 3"):
                await pool.execute(3, "exit")
        return heard

    heard = run(main())
    assert [type(detail).__name__ for name, detail in heard if name == "task_error"] == [
        "ValueError",
        "WorkerCrashedError",
    ]
    assert [type(detail).__name__ for name, detail in heard if name == "error"] == ["WorkerCrashedError"]


def test_a_listener_that_raises_breaks_nothing(run, until, caplog):
    errors = []

    async def main():
        pool = FixedProcessPool(1, len)

        def refuse(info):
            raise LookupError("plain")

        async def refuse_later(info):
            await asyncio.sleep(0)
            raise LookupError("async")

        pool.emitter.on("busy", refuse)
        pool.emitter.on("busy", refuse_later)
        async with pool:
            assert await pool.execute("four") == 4
            assert "plain" in caplog.text
            await until(lambda: len(caplog.records) == 2)
            pool.emitter.on("error", lambda error: errors.append(str(error)))
            assert await pool.execute("four") == 4
            await until(lambda: len(errors) == 2)

    with caplog.at_level(logging.ERROR, "poolifier"):
        run(main())
    assert sorted(errors) == ["async", "plain"]


@pytest.mark.parametrize("odd", ["frozen", "falsy", "bool_raises", "getattribute_raises", "str_raises", "cause_raises"])
def test_an_odd_error_of_a_listener_is_told(run, until, caplog, odd):
    told = []

    async def main():
        pool = FixedProcessPool(1, len)

        def refuse(info):
            odd_errors.raise_odd(odd)

        async def refuse_later(info):
            await odd_errors.raise_odd_async(odd)

        pool.emitter.on("busy", refuse)
        pool.emitter.on("busy", refuse_later)
        async with pool:
            # Logged, and then given to those who listen to errors.
            assert await pool.execute("four") == 4
            await until(lambda: len(caplog.records) == 2)
            pool.emitter.on("error", lambda error: told.append(type(error)))
            assert await pool.execute("four") == 4
            await until(lambda: len(told) == 2)

    with caplog.at_level(logging.ERROR, "poolifier"):
        run(main())
    assert set(told) == {type(odd_errors.ODD[odd]())}


def test_a_listener_that_raises_a_cancellation_breaks_nothing(run, caplog):
    def refuse(*_):
        raise asyncio.CancelledError

    async def main():
        pool = FixedProcessPool(1, int, online_handler=refuse)
        for event in ("busy", "task_error", "error"):
            pool.emitter.on(event, refuse)
        async with pool:
            futures = [pool.execute(data) for data in ("x", "1", "2")]
            results = await asyncio.gather(*futures, return_exceptions=True)
        assert results[1:] == [1, 2]
        assert isinstance(results[0], ValueError)

    with caplog.at_level(logging.CRITICAL, "poolifier"):
        run(main())


def test_a_listener_that_submits_hears_of_each_event_once(run, until):
    async def main():
        again = []
        pool = FixedProcessPool(
            2, {"len": len, "exit": os._exit}, error_handler=lambda *_: again.append(pool.execute("four"))
        )
        online = []
        pool.emitter.on("worker_online", lambda info: online.append(info.worker_nodes))
        async with pool:
            with pytest.raises(WorkerCrashedError):
                await pool.execute(3, "exit")
            await until(lambda: len(online) == 3)
            assert await asyncio.gather(*again) == [4]
            assert pool.info.submitted_tasks == 2

    run(main())


def test_listeners_run_in_the_context_they_were_registered_in(run, until):
    heard = []

    async def main():
        pool = FixedProcessPool(1, len)
        request.set("mine")
        pool.emitter.on("busy", lambda _: heard.append(request.get()))

        async def listener(info):
            await asyncio.sleep(0)
            heard.append(request.get())

        pool.emitter.on("busy", listener)
        request.set("other")
        async with pool:
            await pool.execute("data")
            await until(lambda: len(heard) == 2)

    run(main())
    assert heard == ["mine", "mine"]


def test_events_can_be_turned_off(run):
    async def main():
        async with FixedProcessPool(1, len, enable_events=False) as pool:
            assert pool.emitter is None
            assert await pool.execute("four") == 4

    run(main())


def test_info_is_a_snapshot_whose_numbers_add_up(run):
    async def main():
        async with FixedProcessPool(2, {"nap": nap, "fail": int}) as pool:
            futures = [pool.execute(0.001, "nap") for _ in range(100)] + [pool.execute("x", "fail") for _ in range(10)]
            futures[50].cancel()
            pending = set(futures)
            while pending:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                info = pool.info
                ended = info.executed_tasks + info.failed_tasks + info.aborted_tasks
                assert info.submitted_tasks == 110 == ended + info.executing_tasks + info.queued_tasks
            kinds = [None if future.cancelled() else type(future.exception()) for future in futures]
            assert kinds == [type(None)] * 50 + [None] + [type(None)] * 49 + [ValueError] * 10
            info = pool.info
            assert (info.executed_tasks, info.failed_tasks, info.aborted_tasks) == (99, 10, 1)
            assert info.type == "fixed"
            assert info.worker == "process"
            assert info.run_time.minimum <= info.run_time.median <= info.run_time.p95 <= info.run_time.p99
            assert info.run_time.p99 <= info.run_time.maximum
            assert info.run_time.count == 109
            assert 0 < info.elu.utilization < 1
            assert info.utilization > 0
            with pytest.raises(AttributeError):
                info.executed_tasks = 3
            node = pool.worker_nodes[0]
            usage = node.usage_by_task_function
            # Which worker got one of the failing tasks is not for a test to say.
            assert {"nap"} <= set(usage) <= {"nap", "fail"}
            assert sum(part.tasks.executed for part in usage.values()) == node.usage.tasks.executed
            assert sum(part.tasks.failed for part in usage.values()) == node.usage.tasks.failed
            assert node.memory > 1_000_000

    run(main())
