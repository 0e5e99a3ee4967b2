"""Pools have names, by which operators tell them apart: in errors, log lines, events, threads and records."""

import asyncio
import logging
import os
import threading

import pytest

from poolifier import (
    DynamicThreadPool,
    FixedProcessPool,
    FixedThreadPool,
    PoolEvent,
    PoolFailedError,
    TaskTimeoutError,
    WorkerCrashedError,
    WorkerStartError,
)


def log_and_name(_):
    logging.getLogger("task").warning("from a task")
    return threading.current_thread().name


def leave(code):
    os._exit(code)


async def sleep(seconds):
    await asyncio.sleep(seconds)


def test_errors_and_log_lines(run, logged):
    async def main():
        async with FixedProcessPool(
            1,
            {"leave": leave, "sleep": sleep, "log": log_and_name},
            name="images",
            restart_worker_on_error=False,
            abort_grace=60,
        ) as pool:
            with pytest.raises(TaskTimeoutError, match=r"pool 'images'"):
                await pool.execute(9, "sleep", timeout=0.05)
            await pool.execute(None, "log")
            [worker] = pool.worker_nodes
            pid = worker.pid
            with pytest.raises(WorkerCrashedError, match=rf"\(pool 'images', pid {pid}\)") as caught:
                await pool.execute(3, "leave")
            assert (caught.value.pid, caught.value.pool_name) == (pid, "images")
            with pytest.raises(PoolFailedError, match="'images'"):
                await pool.execute(3, "leave")
        assert worker.pid == pid, "what a handler has kept stays readable"

    run(main())
    [record] = [record for record in logged if record.name == "task"]
    assert record.pool_name == "images"
    told = [record.getMessage() for record in logged if record.name == "poolifier"]
    assert told
    assert all("'images'" in line for line in told), told


def test_a_start_that_fails(run):
    async def main():
        with pytest.raises(WorkerStartError, match="'images', pid") as caught:
            await FixedProcessPool(1, len, initializer=os._exit, initargs=(3,), name="images").start()
        assert caught.value.pid

    run(main())


def test_handlers_know_the_process(run):
    async def main():
        seen = []
        pool = FixedProcessPool(
            1,
            leave,
            restart_worker_on_error=False,
            online_handler=lambda worker: seen.append(("online", worker.pid)),
            error_handler=lambda worker, error: seen.append(("error", worker.pid, error.pid)),
            exit_handler=lambda worker, code: seen.append(("exit", worker.pid, code)),
        )
        async with pool:
            pid = pool.worker_nodes[0].pid
            with pytest.raises(WorkerCrashedError):
                await pool.execute(3)
        assert seen == [("online", pid), ("error", pid, pid), ("exit", pid, 3)]
        assert pid is not None

    run(main())


def test_handlers_know_a_process_that_leaves_as_asked(run):
    async def main():
        ended = []
        async with FixedProcessPool(2, len, exit_handler=lambda worker, code: ended.append((worker.pid, code))) as pool:
            pids = sorted(worker.pid for worker in pool.worker_nodes)
        assert sorted(ended) == [(pid, 0) for pid in pids]

    run(main())


def test_events_and_threads(run):
    async def main():
        heard = []
        async with DynamicThreadPool(1, 2, log_and_name, name="threads") as pool:
            pool.emitter.on(PoolEvent.DESTROY, heard.append)
            assert await pool.execute() == f"poolifier: threads worker {pool.worker_nodes[0].id}"
        await asyncio.sleep(0)
        assert [info.name for info in heard] == ["threads"]

    run(main())


def test_a_listener_that_raises_is_told_with_the_pool(run, logged):
    def fail(*_):
        raise LookupError("not today")

    async def main():
        async with FixedThreadPool(1, len, name="mails", online_handler=fail, enable_events=False):
            pass

    run(main())
    assert [record.getMessage() for record in logged if record.exc_info] == ["pool 'mails': not today"]
