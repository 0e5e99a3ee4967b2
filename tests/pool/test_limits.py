"""Aborts and time limits on real processes; the stress test is in tests/faults."""

import asyncio
import contextlib
import ctypes
import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

from poolifier import FixedProcessPool, TaskAborted, TaskFunction, TaskTimeoutError


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return seconds


def nap(seconds):
    time.sleep(seconds)
    return seconds


def block_in_c(path):
    Path(path).touch()
    # One call into C that takes minutes: Python runs no signal handler before it returns.
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 200_000_000)


def clean_up(path):
    try:
        Path(path + ".begun").touch()
        time.sleep(600)
    except TaskAborted:
        Path(path).write_text("aborted")
        raise
    finally:
        Path(path + ".finally").touch()


def refuse_to_stop(path):
    while True:
        with contextlib.suppress(TaskAborted):
            while True:
                Path(path).touch()
                time.sleep(600)


async def wait(seconds):
    await asyncio.sleep(seconds)
    return seconds


def pid(_):
    return os.getpid()


FUNCTIONS = {"spin": spin, "nap": nap, "block": block_in_c, "clean": clean_up, "refuse": refuse_to_stop, "pid": pid}


@pytest.mark.parametrize("name", ["spin", "nap"])
def test_a_running_function_is_stopped_and_its_worker_lives(run, until, name):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS, abort_grace=60) as pool:
            worker = await pool.execute(None, "pid")
            future = pool.execute(600, name)
            await until(lambda: pool.info.executing_tasks)
            future.cancel()
            assert await asyncio.wait_for(pool.execute(None, "pid"), 120) == worker
            assert pool.info.aborted_tasks == 1

    run(main())


def test_an_async_function_is_stopped_beside_others(run, until):
    async def main():
        functions = {"wait": wait, "pid": pid}
        async with FixedProcessPool(1, functions, tasks_queue_options={"concurrency": 4}, abort_grace=60) as pool:
            worker = await pool.execute(None, "pid")
            long, short = pool.execute(600, "wait"), pool.execute(0.1, "wait")
            await until(lambda: pool.info.executing_tasks == 2)
            long.cancel()
            assert await short == 0.1
            await until(lambda: pool.info.aborted_tasks == 1)
            assert await pool.execute(None, "pid") == worker

    run(main())


@pytest.mark.parametrize("name", ["block", "refuse"])
def test_what_ignores_everything_is_killed_after_the_grace_period(run, until, tmp_path, name):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS, abort_grace=0.2, restart_limit=(0, 10.0)) as pool:
            worker = await pool.execute(None, "pid")
            future = pool.execute(str(tmp_path / "begun"), name)
            neighbours = [pool.execute(n / 1000, "nap") for n in range(5)]
            await until((tmp_path / "begun").exists)
            future.cancel()
            # They had not started, so they run on the replacement, and the kill is no crash of the worker's own.
            assert await asyncio.wait_for(asyncio.gather(*neighbours), 120) == [n / 1000 for n in range(5)]
            assert await pool.execute(None, "pid") != worker
            info = pool.info
            assert (info.aborted_tasks, info.failed_tasks) == (1, 0)

    run(main())


def test_cleanup_runs(run, until, tmp_path):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS, abort_grace=60) as pool:
            future = pool.execute(str(tmp_path / "note"), "clean")
            await until((tmp_path / "note.begun").exists)
            future.cancel()
            await until(lambda: pool.info.aborted_tasks)

    run(main())
    assert (tmp_path / "note").read_text() == "aborted"
    assert (tmp_path / "note.finally").exists()


@pytest.mark.once
@pytest.mark.parametrize("name", ["spin", "nap"])
def test_a_time_limit_counts_running_time(run, name):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS, abort_grace=60) as pool:
            worker = await pool.execute(None, "pid")
            # These wait for longer than their limit, and do not run for as long.
            begun = time.monotonic()
            long = pool.execute(2.5, name)
            futures = [pool.execute(0.001, name, timeout=2.0) for _ in range(8)]
            await long
            assert time.monotonic() - begun > 2.0
            assert await asyncio.gather(*futures) == [0.001] * 8
            begun = time.monotonic()
            late = pool.execute(600, name, timeout=0.2)
            with pytest.raises(TaskTimeoutError, match=f"'{name}'.* ran longer than 0\\.2 s") as caught:
                await late
            assert isinstance(caught.value, TimeoutError)
            assert (caught.value.task_id, caught.value.task_name) == (late.task_id, name)
            assert 0.2 <= time.monotonic() - begun < 120
            assert await pool.execute(None, "pid") == worker
            assert pool.info.failed_tasks == 1

    run(main())


def test_a_time_limit_kills_what_does_not_stop(run, tmp_path):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS, abort_grace=0.1) as pool:
            worker = await pool.execute(None, "pid")
            with pytest.raises(TaskTimeoutError):
                await pool.execute(str(tmp_path / "begun"), "block", timeout=0.1)
            assert await asyncio.wait_for(pool.execute(None, "pid"), 120) != worker

    run(main())


def test_limits_of_function_and_pool(run):
    async def main():
        functions = {"pool": nap, "function": TaskFunction(nap, timeout=0.1)}
        async with FixedProcessPool(1, functions, timeout=0.4) as pool:
            for name, call, limit in (("pool", None, 0.4), ("function", None, 0.1), ("function", 0.2, 0.2)):
                with pytest.raises(TaskTimeoutError, match=f"longer than {limit:g} s"):
                    await pool.execute(600, name, timeout=call)
            assert await pool.execute(0.2, "function", timeout=60) == 0.2

    run(main())


def test_a_retry_has_a_limit_of_its_own(run, tmp_path):
    def end_then_nap(path):
        time.sleep(1.2)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return "alive"
        os._exit(1)

    async def main():
        async with FixedProcessPool(1, end_then_nap) as pool:
            assert await pool.execute(str(tmp_path / "once"), retries=1, timeout=2.0) == "alive"

    run(main())


@pytest.mark.parametrize("concurrency", [1, 3])
def test_limits_of_async_functions(run, concurrency):
    async def main():
        async with FixedProcessPool(1, wait, tasks_queue_options={"concurrency": concurrency}) as pool:
            # Those that come to their end wait, at the end of the queue, for longer than their limit.
            futures = [pool.execute(2.5) for _ in range(concurrency)]
            futures += [pool.execute(0.01, timeout=2.0) for _ in range(6)] + [pool.execute(600, timeout=0.3)]
            results = await asyncio.gather(*futures, return_exceptions=True)
            results = results[concurrency:]
            assert results[:6] == [0.01] * 6
            assert isinstance(results[6], TaskTimeoutError)
            assert await pool.execute(0.01) == 0.01

    run(main())


def test_submit_waits_for_room_first_come_first_served(run, until):
    async def main():
        async with FixedProcessPool(1, nap, max_queued=2) as pool:
            futures = [await pool.submit(0.02) for _ in range(3)]
            order = []

            async def submit(number):
                future = await pool.submit(0.001)
                order.append(number)
                return await future

            waiting = [asyncio.create_task(submit(number)) for number in range(10)]
            await asyncio.sleep(0)
            assert pool.info.queued_tasks == 2
            assert order == []
            waiting[4].cancel()
            await asyncio.gather(*futures)
            await asyncio.gather(*waiting, return_exceptions=True)
            assert order == [0, 1, 2, 3, 5, 6, 7, 8, 9]
            assert pool.info.submitted_tasks == 12

    run(main())


def test_submit_does_not_hang_when_the_pool_ends(run):
    async def main():
        async with FixedProcessPool(1, nap, max_queued=1, exit_timeout=0.05) as pool:
            for _ in range(2):
                await pool.submit(600)
            waiting = asyncio.create_task(pool.submit(1))
            await asyncio.sleep(0)
        with pytest.raises(Exception, match="destroyed"):
            await waiting

    run(main())


def test_a_worker_that_cannot_say_where_a_task_stood_does_not_hold_up_its_limit(run):
    async def main():
        async with FixedProcessPool(1, nap, abort_grace=0.1) as pool:
            future = pool.execute(600, timeout=0.3)
            while not pool.info.executing_tasks:  # noqa: ASYNC110
                await asyncio.sleep(0)
            os.kill(pool.worker_nodes[0].pid, signal.SIGSTOP)
            with pytest.raises(TaskTimeoutError) as caught:
                await future
        assert caught.value.stack == ""
        assert not hasattr(caught.value, "__notes__")

    run(main())


def stuck_in_c(_):
    """Waits for a lock that nobody releases, and lets nobody interrupt that."""
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    library.pthread_mutex_init(mutex, None)
    for _ in range(2):
        library.pthread_mutex_lock(mutex)


def tiny_or_stuck(data):
    return stuck_in_c(data) if data == "stuck" else data


@pytest.mark.parametrize("before", [1, 2, 5])
def test_what_has_ended_is_answered_though_the_next_one_is_stuck_in_c(run, before):
    async def main():
        async with FixedProcessPool(1, tiny_or_stuck, abort_grace=0.1) as pool:
            # So that more than one is sent, and answers are held back while others follow.
            await pool.map_execute(range(2_000))
            for _ in range(5):
                await asyncio.gather(*map(pool.execute, range(200)))
                ended = [pool.execute(number, timeout=60) for number in range(before)]
                stuck = pool.execute("stuck", timeout=0.5)
                behind = [pool.execute(number, timeout=60) for number in range(before)]
                assert await asyncio.wait_for(asyncio.gather(*ended), 30) == list(range(before))
                assert not stuck.done()
                # Its limit counts from its own beginning, and costs the others nothing.
                with pytest.raises(TaskTimeoutError):
                    await asyncio.wait_for(stuck, 30)
                assert await asyncio.wait_for(asyncio.gather(*behind), 30) == list(range(before))
            info = pool.info
            assert info.failed_tasks == 5
            assert info.executed_tasks == 2_000 + 5 * (200 + 2 * before)

    run(main())
