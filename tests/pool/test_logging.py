"""What workers log, and their warnings, reach the logging of the pool's process."""

import asyncio
import logging
import os
import sys
import threading
import time
import warnings

import pytest

from poolifier import (
    FixedInterpreterPool,
    FixedProcessPool,
    FixedThreadPool,
    TaskLogFilter,
    Worker,
    current_task,
)
from poolifier.futures import ProcessPoolExecutor

KINDS = [(FixedProcessPool, {}), (FixedProcessPool, {"start_method": "spawn"}), (FixedProcessPool, {"preload": True})]
IDS = ["process", "spawn", "preload"]
if sys.version_info >= (3, 13):
    KINDS.append((FixedInterpreterPool, {}))
    IDS.append("interpreter")

every_kind = pytest.mark.parametrize(("pool_type", "options"), KINDS, ids=IDS)


def log_all(number):
    logger = logging.getLogger("app.part")
    logger.debug("not wanted")
    logger.info("hello %d of %s", number, "many", extra={"a": number, "b": {"c": [1]}, "d": threading.Lock()})
    logger.log(35, "between", stack_info=True)
    try:
        raise LookupError(number)
    except LookupError:
        logger.exception("it failed")
    logging.warning("at the root: 100%")  # noqa: LOG015
    return number


@every_kind
def test_records_arrive_as_they_were_logged(run, logged, pool_type, options, no_leaks):
    async def main():
        async with pool_type(1, log_all, **options) as pool:
            future = pool.execute(7)
            assert await future == 7
            worker = pool.worker_nodes[0].id
        first, second, third, fourth = logged
        assert [record.getMessage() for record in logged] == [
            "hello 7 of many",
            "between",
            "it failed",
            "at the root: 100%",
        ]
        assert [record.name for record in logged] == ["app.part"] * 3 + ["root"]
        assert [record.levelno for record in logged] == [logging.INFO, 35, logging.ERROR, logging.WARNING]
        assert (first.a, first.b) == (7, {"c": [1]})
        assert first.d.startswith("<unlocked _thread.lock")
        assert (first.levelname, first.funcName, first.filename, first.module) == (
            "INFO",
            "log_all",
            "test_logging.py",
            "test_logging",
        )
        assert first.lineno == log_all.__code__.co_firstlineno + 3
        assert abs(first.created - time.time()) < 60
        assert 0 <= first.msecs < 1000
        assert first.process == (os.getpid() if pool_type is FixedInterpreterPool else worker_pid(pool, first))
        assert third.exc_info is None
        assert third.exc_text.startswith("Traceback")
        assert third.exc_text.endswith("LookupError: 7")
        assert "LookupError: 7" in logging.Formatter().format(third)
        assert "log_all" in second.stack_info
        for record in logged:
            assert (record.worker_id, record.task_id, record.task_name) == (worker, future.task_id, "log_all")
        assert fourth.args == ()

    def worker_pid(pool, record):
        assert record.processName == f"poolifier-{record.worker_id}"
        assert record.process != os.getpid()
        return record.process

    run(main())


def warn(text):
    warnings.warn(text, stacklevel=1)


@every_kind
def test_warnings_arrive(run, logged, pool_type, options):
    async def main():
        async with pool_type(1, warn, **options) as pool:
            await pool.execute("careful")
        [record] = logged
        assert (record.name, record.levelno, record.task_name) == ("py.warnings", logging.WARNING, "warn")
        assert "test_logging.py" in record.getMessage()
        assert "UserWarning: careful" in record.getMessage()

    run(main())


def log_at_start():
    logging.getLogger("start").info("initializing")


MODULE = """
import logging
logging.basicConfig(level=logging.ERROR)
logging.getLogger("start").info("loading")
def task(data):
    logging.getLogger("start").info("running")
worker = {"task": task}
"""


@every_kind
def test_what_is_logged_before_a_worker_is_ready_arrives(run, logged, pool_type, options, tmp_path):
    path = tmp_path / "logging_worker.py"
    path.write_text(MODULE)

    async def main():
        async with pool_type(1, path, initializer=log_at_start, **options) as pool:
            await pool.execute(1)
        told = [(record.getMessage(), record.task_name) for record in logged if record.name == "start"]
        # What is preloaded is loaded in no worker.
        expected = [("loading", None), ("initializing", None), ("running", "task")]
        assert told == (expected[1:] if "preload" in options else expected)

    run(main())


def levels_here(_):
    names = ("", "quiet", "quiet.child", "chatty", "other")
    return [logging.getLogger(name).getEffectiveLevel() for name in names]


def log_at(level, name="chatty"):
    logging.getLogger(name).log(level, "at %d", level)


def lower_and_log(_):
    logging.getLogger("quiet").setLevel(logging.DEBUG)
    log_at(logging.DEBUG, "quiet")
    log_at(logging.ERROR, "quiet.child")


@every_kind
def test_the_levels_are_those_of_the_parent(run, logged, levels, pool_type, options):
    levels("quiet", logging.ERROR)
    levels("chatty", logging.DEBUG)
    functions = {"levels": levels_here, "log": log_at, "lower": lower_and_log}

    async def main():
        async with pool_type(1, functions, **options) as pool:
            assert await pool.execute(name="levels") == [20, 40, 40, 10, 20]
            await pool.execute(logging.DEBUG, "log")
            assert [(record.name, record.levelno) for record in logged] == [("chatty", 10)]
            # What is changed later is applied to what arrives.
            levels("chatty", logging.WARNING)
            await pool.execute(logging.INFO, "log")
            await pool.execute(logging.WARNING, "log")
            assert [record.levelno for record in logged] == [10, 30]
            # A worker that lowers a level is not heard for that.
            logged.clear()
            await pool.execute(name="lower")
            assert [(record.name, record.levelno) for record in logged] == [("quiet.child", 40)]

    run(main())


def test_what_is_disabled_in_the_parent_is_not_logged(run, logged):
    async def main():
        logging.disable(logging.WARNING)
        try:
            async with FixedProcessPool(
                1, {"log": log_at, "enabled": lambda level: logging.root.isEnabledFor(level)}
            ) as pool:
                assert await pool.map_execute([logging.WARNING, logging.ERROR], "enabled") == [False, True]
                await pool.map_execute([logging.WARNING, logging.ERROR], "log")
        finally:
            logging.disable(logging.NOTSET)
        assert [record.levelno for record in logged] == [logging.ERROR]

    run(main())


def to_stderr():
    logging.basicConfig(format="mine: %(message)s", level=logging.INFO, force=True)
    logging.captureWarnings(capture=False)


@every_kind
def test_a_worker_can_keep_its_logs_to_itself(run, logged, pool_type, options, capfd):
    async def main():
        async with pool_type(1, {"log": log_all, "warn": warn}, initializer=to_stderr, **options) as pool:
            await pool.execute(1, "log")
            await pool.execute("to stderr", "warn")
        assert logged == []

    run(main())
    said = capfd.readouterr().err
    assert "mine: hello 1 of many" in said
    assert "UserWarning: to stderr" in said


async def log_interleaved(number):
    task = current_task()
    for step in range(5):
        await asyncio.sleep(0)
        logging.getLogger("async").info("%d %d", task.id, step)
    await asyncio.to_thread(logging.getLogger("async").info, "%d %d", task.id, 5)
    return number


@pytest.mark.parametrize("pool_type", [kind for kind, options in KINDS if not options])
def test_tasks_that_interleave_are_told_apart(run, logged, pool_type):
    async def main():
        async with pool_type(1, log_interleaved, tasks_queue_options={"concurrency": 10}) as pool:
            assert await pool.map_execute(range(20)) == list(range(20))
        records = [record for record in logged if record.name == "async"]
        assert len(records) == 120
        # A map sends several items in a task, so its number is what the task itself says.
        assert all(record.getMessage().startswith(f"{record.task_id} ") for record in records)
        assert len({record.task_id for record in records}) > 1

    run(main())


def test_executors(logged):
    with ProcessPoolExecutor(1) as executor:
        assert executor.submit(log_all, 5).result() == 5
    assert logged[0].getMessage() == "hello 5 of many"


async def log_in_a_loop(number):
    await asyncio.sleep(0)
    log_all(number)
    return current_task().id


def log_plainly(number):
    log_all(number)
    return current_task().id


@pytest.mark.parametrize("function", [log_plainly, log_in_a_loop])
def test_a_filter_tells_the_task_of_what_threads_log(run, handler, function):
    handler.addFilter(TaskLogFilter())

    async def main():
        async with FixedThreadPool(2, Worker({"log": function})) as pool:
            ids = await asyncio.gather(*[pool.execute(number) for number in range(20)])
            workers = {node.id for node in pool.worker_nodes}
        logging.getLogger("app").info("outside")
        *inside, outside = handler.records
        assert len(inside) == 80
        assert {record.task_id for record in inside} == set(ids)
        assert {record.task_name for record in inside} == {"log"}
        assert {record.worker_id for record in inside} <= workers
        assert {record.pool_name for record in inside} == {pool.info.name}
        assert (outside.worker_id, outside.task_id, outside.task_name, outside.pool_name) == (None, None, None, None)

    run(main())


def test_the_filter_leaves_what_workers_have_sent(run, handler):
    handler.addFilter(TaskLogFilter())

    async def main():
        async with FixedProcessPool(1, log_all) as pool:
            future = pool.execute(1)
            await future
            worker = pool.worker_nodes[0].id
        [seen] = {(record.task_id, record.worker_id, record.pool_name) for record in handler.records}
        assert seen == (future.task_id, worker, pool.info.name)

    run(main())
