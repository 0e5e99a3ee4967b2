"""Leaving `async with`: what only one kind of worker shows, or a whole program."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poolifier import DynamicProcessPool, FixedProcessPool, FixedThreadPool, PoolFailedError, WorkerCrashedError
from poolifier.pool import leaving


def nap(seconds):
    time.sleep(seconds)
    return seconds


def count_up(most):
    yield from range(most)


def die_once(path):
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return "again"
    os._exit(1)


@pytest.mark.usefixtures("no_leaks")
def test_workers_that_die_meanwhile(run, tmp_path):
    async def main():
        async with FixedProcessPool(1, {"die": die_once, "nap": nap, "exit": os._exit}) as pool:
            waiting = pool.execute(0.2, "nap")
            retried = pool.execute(str(tmp_path / "died"), "die", retries=1)
            crashed = pool.execute(3, "exit")
            last = pool.execute(0.01, "nap")
        assert (waiting.result(), retried.result(), last.result()) == (0.2, "again", 0.01)
        assert isinstance(crashed.exception(), WorkerCrashedError)

    run(main())


def test_a_pool_that_has_no_worker_left(run):
    """Nothing waits for what nobody will run."""

    async def main():
        async with FixedProcessPool(1, {"exit": os._exit, "nap": nap}, restart_worker_on_error=False) as pool:
            futures = [pool.execute(3, "exit"), *(pool.execute(0, "nap") for _ in range(3))]
        assert isinstance(futures[0].exception(), WorkerCrashedError)
        assert {type(future.exception()) for future in futures[1:]} == {PoolFailedError}

    run(main())


def test_a_pool_that_grows_meanwhile(run):
    async def main():
        async with DynamicProcessPool(0, 2, nap) as pool:
            futures = [pool.execute(0.05) for _ in range(20)]
        assert [future.result() for future in futures] == [0.05] * 20
        async with FixedProcessPool(1, nap, start_workers=False):
            pass

    run(main())


def test_a_line_says_what_is_waited_for(run, logged, monkeypatch):
    monkeypatch.setattr(leaving, "_TELL_AFTER", 0.1)

    async def main():
        for exit_timeout in (None, 30):
            async with FixedThreadPool(1, nap, name="slow", exit_timeout=exit_timeout) as pool:
                for _ in range(2):
                    pool.execute(0.3)

    run(main())
    first, second = [record.getMessage() for record in logged if "has waited" in record.getMessage()]
    assert "'slow'" in first
    assert "2 are left" in first
    assert "exit_timeout is None" in first
    assert "exit_timeout, 30 seconds" in second


def test_a_reader_that_stays_away_does_not_hold_it(run, logged):
    def count(stop):
        yield from range(stop)

    async def main():
        async def read():
            async for _ in pool.stream(10**6, "count"):
                await gone.wait()

        gone = asyncio.Event()
        async with FixedThreadPool(1, {"count": count}) as pool:
            reading = asyncio.create_task(read())
            while not pool.info.executing_tasks:  # noqa: ASYNC110
                await asyncio.sleep(0)
            begun = time.monotonic()
        assert time.monotonic() - begun < 240
        gone.set()
        with pytest.raises(asyncio.CancelledError):
            await reading

    run(main())
    assert [record.getMessage() for record in logged if "the stream of 'count'" in record.getMessage()]


def test_a_map_whose_input_never_comes_ends_with_the_pool(run):
    async def nothing():
        await asyncio.Event().wait()
        yield 1

    async def main():
        async with FixedThreadPool(1, nap, exit_timeout=0.1) as pool:
            mapping = asyncio.create_task(pool.map_execute(nothing()))
            await asyncio.sleep(0)
        with pytest.raises(Exception, match="has been destroyed before the map"):
            await mapping

    run(main())


PROGRAM = """
import asyncio, sys, time
from poolifier import FixedProcessPool

async def main():
    async with FixedProcessPool(2, time.sleep, name="long") as pool:
        for _ in range(4):
            pool.execute(600)
        asyncio.get_running_loop().call_later(0.2, lambda: print("leaving", flush=True))

asyncio.run(main())
"""


def test_ctrl_c_while_it_is_left():
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout.readline() == "leaving\n"
        begun = time.monotonic()
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=300)
    assert time.monotonic() - begun < 240
    assert errors.count("its end cancelled 4 tasks") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_what_the_end_of_a_pool_closes_is_named_up_to_a_few(run, logged):
    def count(stop):
        yield from range(stop)

    async def main():
        async with FixedThreadPool(8, {"count": count}) as pool:
            streams = [pool.stream(10**6, "count") for _ in range(8)]
            await asyncio.gather(*(anext(stream) for stream in streams))

    run(main())
    [told] = [record.getMessage() for record in logged if record.levelno == logging.WARNING]
    assert "its end cancelled 8 tasks; closed " in told
    assert told.endswith("and 3 more")


@pytest.mark.parametrize("read", ["map_ordered", "map_unordered", "stream"])
def test_what_was_left_by_break_is_nothing_to_be_warned_of(run, logged, read):
    async def main():
        async with FixedThreadPool(2, {"count": count_up, "negate": abs}) as pool:
            results = pool.stream(10**9, "count") if read == "stream" else getattr(pool, read)(range(10**9), "negate")
            async for result in results:
                if result == 100:
                    break
            del results

    run(main())
    assert logged == []
