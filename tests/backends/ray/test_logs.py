"""What tasks on actors log, and their warnings, reach the logging of the pool's process."""

import asyncio
import logging
import os
import threading
import time
import warnings

import pytest

from poolifier import FixedRayPool, current_task
from tests.logs import handler, levels, logged

__all__ = ["handler", "levels", "logged"]

pytestmark = pytest.mark.usefixtures("ray")

SMALL = {"ray_options": {"num_cpus": 0.1}}


def log_all(number):
    logger = logging.getLogger("app.part")
    logger.debug("not wanted")
    logger.info("hello %d of %s", number, "many", extra={"a": number, "b": {"c": [1]}, "d": threading.Lock()})
    try:
        raise LookupError(number)
    except LookupError:
        logger.exception("it failed")
    return os.getpid()


async def log_in_a_loop(number):
    await asyncio.sleep(0)
    log_all(number)
    return current_task().id


def log_at_start():
    logging.getLogger("start").info("initializing")


def test_records_arrive_as_they_were_logged(run, logged):
    async def main():
        async with FixedRayPool(1, log_all, initializer=log_at_start, **SMALL) as pool:
            future = pool.execute(7)
            pid = await future
            worker = pool.worker_nodes[0].id
        start, first, second = logged
        assert [record.getMessage() for record in logged] == ["initializing", "hello 7 of many", "it failed"]
        assert [record.name for record in logged] == ["start", "app.part", "app.part"]
        assert (first.a, first.b) == (7, {"c": [1]})
        assert first.d.startswith("<unlocked _thread.lock")
        assert (first.funcName, first.filename) == ("log_all", "test_logs.py")
        assert (first.process, first.processName) == (pid, f"poolifier-{worker}")
        assert second.exc_text.endswith("LookupError: 7")
        assert (start.worker_id, start.task_id, start.task_name) == (worker, None, None)
        for record in (first, second):
            assert (record.worker_id, record.task_id, record.task_name) == (worker, future.task_id, "log_all")

    run(main())


def test_each_names_its_worker_and_its_task(run, logged):
    async def main():
        options = {"tasks_queue_options": {"concurrency": 3}}
        async with FixedRayPool(2, log_in_a_loop, **options, **SMALL) as pool:
            ids = await asyncio.gather(*(pool.execute(number) for number in range(30)))
            workers = {node.id for node in pool.worker_nodes}
        told = {(record.task_id, record.a) for record in logged if hasattr(record, "a")}
        assert told == set(zip(ids, range(30), strict=True))
        assert {record.worker_id for record in logged} == workers

    run(main())


def warn(text):
    warnings.warn(text, stacklevel=1)


def test_warnings_arrive(run, logged):
    async def main():
        async with FixedRayPool(1, warn, **SMALL) as pool:
            await pool.execute("careful")
        [record] = logged
        assert (record.name, record.levelno, record.task_name) == ("py.warnings", logging.WARNING, "warn")
        assert "UserWarning: careful" in record.getMessage()

    run(main())


def log_at(level, name="chatty"):
    logging.getLogger(name).log(level, "at %d", level)


def levels_here(_):
    return [logging.getLogger(name).getEffectiveLevel() for name in ("", "quiet", "chatty")]


def test_the_levels_are_those_of_the_pools_process(run, logged, levels):
    levels("quiet", logging.ERROR)
    levels("chatty", logging.DEBUG)

    async def main():
        async with FixedRayPool(1, {"levels": levels_here, "log": log_at}, **SMALL) as pool:
            assert await pool.execute(name="levels") == [20, 40, 10]
            await pool.map_execute([logging.DEBUG, logging.WARNING], "log")
            levels("chatty", logging.WARNING)
            await pool.map_execute([logging.INFO, logging.WARNING], "log")
        assert [record.levelno for record in logged] == [10, 30, 30]

    run(main())


def log_for_ever(_):
    while True:
        logging.getLogger("endless").info("and on")


def test_a_task_that_logs_without_end_waits_for_the_pool_and_can_be_aborted(run, until, logged):
    async def main():
        functions = {"endless": log_for_ever, "number": int}
        async with FixedRayPool(1, functions, abort_grace=30, **SMALL) as pool:
            worker = pool.worker_nodes[0].id
            for _ in range(5):
                logged.clear()
                future = pool.execute(name="endless")
                await until(lambda: len(logged) > 1000)
                # While this loop does not read, the task does not go on for long.
                time.sleep(0.3)  # noqa: ASYNC251
                before, turns, loop = len(logged), [], asyncio.get_running_loop()
                while len(logged) < before + 2000:
                    began = loop.time()
                    await asyncio.sleep(0)
                    turns.append(loop.time() - began)
                assert sorted(turns)[len(turns) * 99 // 100] < 0.1
                future.cancel()
                await asyncio.wait([future])
            assert await pool.execute("1", "number") == 1
            assert pool.worker_nodes[0].id == worker

    run(main())


def log_many(count):
    def work(name):
        for number in range(count):
            logging.getLogger("thread").info("%d %d", name, number)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    work(3)
    for thread in threads:
        thread.join()
    return list(range(1000))


def test_threads_of_a_task_lose_nothing_and_come_before_its_result(run, logged):
    async def main():
        async with FixedRayPool(1, log_many, **SMALL) as pool:
            assert await pool.execute(1000) == list(range(1000))
            lines = [record.getMessage().split() for record in logged if record.name == "thread"]
            for name in range(4):
                assert [int(line[1]) for line in lines if int(line[0]) == name] == list(range(1000))

    run(main())


def log_unreadably(_):
    from poolifier.wire import messages
    from poolifier.worker import relay

    relay.target().tell(messages.message(messages.LOG, "no record"))
    time.sleep(600)


def test_a_record_that_makes_no_sense_ends_the_worker_that_sent_it(run, logged):
    from poolifier import WorkerCrashedError

    async def main():
        async with FixedRayPool(1, {"wrong": log_unreadably, "log": log_at}, **SMALL) as pool:
            with pytest.raises(WorkerCrashedError, match="expected a log record"):
                await pool.execute(name="wrong")
            await pool.execute(logging.ERROR, "log")
        assert [record.getMessage() for record in logged if record.name == "chatty"] == ["at 40"]

    run(main())
