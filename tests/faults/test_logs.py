"""Logs under faults: workers that die, that log without end, that log in the middle of anything."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, WorkerCrashedError
from tests.logs import Kept

KINDS = [FixedProcessPool, FixedInterpreterPool] if sys.version_info >= (3, 13) else [FixedProcessPool]


def log_at(level, name="chatty"):
    logging.getLogger(name).log(level, "at %d", level)


def number_of(text):
    return int(text)


async def until(condition):
    """Lets the event loop turn until it holds."""
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def log_and_die(count):
    for number in range(count):
        logging.getLogger("dying").info("line %d", number)
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_last_line_before_the_end_of_a_worker_arrives(run, logged):
    async def main():
        async with FixedProcessPool(1, log_and_die) as pool:
            # Up to one that the channel holds alone, and more than it can hold.
            for count in (1, 3000):
                logged.clear()
                with pytest.raises(WorkerCrashedError):
                    await pool.execute(count)
                lines = [record.getMessage() for record in logged if record.name == "dying"]
                assert lines == [f"line {number}" for number in range(count)]

    run(main())


class Cycle:
    """Logs when the collector finds it: in the middle of anything."""

    def __init__(self):
        self.me = self

    def __del__(self):
        logging.getLogger("finalizer").info("gone")


def log_everywhere(count):
    gc.set_threshold(20)

    def work(name):
        for number in range(count):
            Cycle()
            logging.getLogger("thread").info("%d %d %s", name, number, "x" * (number % 7) * 10_000)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    work(3)
    for thread in threads:
        thread.join()
    gc.collect()
    gc.set_threshold(700)
    return list(range(1000))


@pytest.mark.parametrize("pool_type", KINDS)
def test_threads_finalizers_and_pokes_do_not_disturb_each_other(run, logged, pool_type):
    async def main():
        async with pool_type(1, log_everywhere) as pool:
            [channel] = pool._driver.channels.values()
            for _ in range(3):
                logged.clear()
                future = pool.execute(100)
                while not future.done():
                    # Pokes in between, which are served wherever the worker is, and answered.
                    channel.reclaim()
                    await asyncio.sleep(0.0005)
                assert await future == list(range(1000))
                lines = [record.getMessage().split() for record in logged if record.name == "thread"]
                for name in range(4):
                    assert [int(line[1]) for line in lines if int(line[0]) == name] == list(range(100))
                assert sum(record.name == "finalizer" for record in logged) == 400

    run(main())


def log_for_ever(_):
    while True:
        logging.getLogger("endless").info("and on")


@pytest.mark.parametrize("pool_type", KINDS)
def test_a_task_that_logs_can_be_aborted(run, logged, pool_type):
    async def main():
        async with pool_type(1, {"endless": log_for_ever, "number": number_of}) as pool:
            worker = pool.worker_nodes[0].id
            for _ in range(30):
                logged.clear()
                future = pool.execute(name="endless")
                await until(lambda: logged)
                future.cancel()
                await asyncio.wait([future])
            logged.clear()
            assert await pool.execute("1", "number") == 1
            assert pool.worker_nodes[0].id == worker

    run(main())


@pytest.mark.once
def test_a_flood_holds_up_nobody_and_fills_no_memory(run, logged, levels):
    import psutil  # which interpreters cannot import

    levels("endless", logging.INFO)
    seen = []

    class Count(logging.Handler):
        def emit(self, record):
            seen.append(record.levelno)

    logger = logging.getLogger("endless")
    counting = Count()
    logger.addHandler(counting)
    logger.propagate = False

    async def main():
        async with FixedProcessPool(2, {"flood": log_for_ever, "number": int}) as pool:
            flood = pool.execute(name="flood")
            await until(lambda: len(seen) >= 20_000)
            before = psutil.Process().memory_info().rss
            turns, loop = [], asyncio.get_running_loop()
            # As long as this loop does not read, the worker has to stop.
            time.sleep(0.5)  # noqa: ASYNC251
            while len(seen) < 60_000:
                began = loop.time()
                await asyncio.sleep(0)
                turns.append(loop.time() - began)
            assert psutil.Process().memory_info().rss - before < 4 << 20
            # Others take their turns between portions of it; the machine may be busy with something else at times.
            assert sorted(turns)[len(turns) * 99 // 100] < 0.05
            assert await pool.execute("5", "number") == 5
            flood.cancel()
            await asyncio.wait([flood])

    try:
        run(main())
    finally:
        logger.removeHandler(counting)
        logger.propagate = True


def test_a_filter_that_raises_harms_no_worker(run, logged):
    def check(record):
        raise ZeroDivisionError(record.getMessage())

    async def main():
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        logger = logging.getLogger("chatty")
        logger.addFilter(check)
        try:
            async with FixedProcessPool(1, log_at) as pool:
                await pool.execute(logging.ERROR)
                assert pool.info.executed_tasks == 1
        finally:
            logger.removeFilter(check)
        assert [str(error) for error in told] == ["at 40"]

    run(main())


def log_under_many_names(count):
    for number in range(count):
        logging.getLogger(f"chatty.of.{number}").error("here")


def test_names_that_only_a_worker_knows_make_no_loggers_here(run, logged, levels):
    levels("chatty", logging.INFO)
    heard = Kept()
    logging.getLogger("chatty").addHandler(heard)

    async def main():
        async with FixedProcessPool(1, log_under_many_names) as pool:
            before = len(logging.root.manager.loggerDict)
            await pool.execute(100)
            assert len(logging.root.manager.loggerDict) == before
        assert [record.name for record in logged] == [f"chatty.of.{number}" for number in range(100)]
        assert len(heard.records) == 100

    try:
        run(main())
    finally:
        logging.getLogger("chatty").removeHandler(heard)


def fork_and_log(_):
    pid = os.fork()
    if pid == 0:
        logging.getLogger("child").error("from the child")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_of_a_task_writes_to_standard_error(run, logged, capfd):
    async def main():
        async with FixedProcessPool(1, fork_and_log) as pool:
            assert await pool.execute() == 0
        assert logged == []

    run(main())
    assert "from the child" in capfd.readouterr().err


def log_wrongly(number):
    logging.getLogger("wrong").info("%d", "no number")
    return number


def test_a_record_that_cannot_be_rendered_is_reported_by_the_worker(run, logged, capfd):
    async def main():
        async with FixedProcessPool(1, log_wrongly) as pool:
            assert await pool.execute(3) == 3
        assert logged == []

    run(main())
    assert "--- Logging error ---" in capfd.readouterr().err
