"""However a task ends, its caller leaves: what he gave, and what he waits for, is kept no longer."""

import asyncio
import os
import threading
import time
from contextlib import aclosing, suppress

import pytest

from poolifier import (
    DynamicProcessPool,
    FixedProcessPool,
    FixedThreadPool,
    PoisonTaskError,
    PoolFailedError,
    PoolNotStartedError,
    SerializationError,
    TaskTimeoutError,
    UnknownTaskFunctionError,
    WorkerCrashedError,
)
from poolifier.futures import PoolExecutor


def same(data):
    return data


def fail(data):
    raise LookupError(data)


def wait_for_file(path):
    while not os.path.exists(path):  # noqa: PTH110
        time.sleep(0.001)


def slow_at_first(number):
    time.sleep(0.05 if number < 2 else 0.0)
    return number


def picky(number):
    if number % 100 == 77:
        raise LookupError(number)
    return number


def die(data):
    os._exit(3)


def die_at(number):
    if number == 150:
        os._exit(3)
    return number


def numbers(stop):
    yield from range(stop)


def fails_later(stop):
    yield from range(stop)
    raise LookupError(stop)


def locks(_):
    while True:
        yield threading.Lock()


def endless(_):
    while True:
        time.sleep(0.001)
        yield None


FUNCTIONS = {
    each.__name__: each
    for each in (
        same,
        fail,
        wait_for_file,
        slow_at_first,
        picky,
        die,
        die_at,
        numbers,
        fails_later,
        locks,
        endless,
    )
}


async def ended(*futures):
    return await asyncio.gather(*futures, return_exceptions=True)


async def check_all_left(pool, until):
    scheduler = pool._scheduler
    await until(lambda: scheduler.unfinished == 0)
    assert len(pool._driver.callers) == 0
    info = pool.info
    assert info.submitted_tasks == info.executed_tasks + info.failed_tasks + info.aborted_tasks


# ---- how tasks end ---------------------------------------------------------------------------------


async def done(pool, path):
    assert await ended(*(pool.execute(n, "same") for n in range(1_200))) == list(range(1_200))


async def failed(pool, path):
    assert {type(error) for error in await ended(*(pool.execute(n, "fail") for n in range(50)))} == {LookupError}


async def cancelled_wherever_they_are(pool, path):
    futures = [pool.execute(str(path), "wait_for_file") for _ in range(2)]
    tiny = [pool.execute(n, "same") for n in range(100)]
    for future in tiny[::3]:
        future.cancel()  # in the outbox, or queued
    await asyncio.sleep(0)
    for future in tiny[1::3]:
        future.cancel()  # sent, or queued
    futures[0].cancel()  # running
    await ended(futures[0])
    path.touch()
    await ended(*futures, *tiny)


async def given_up_by_those_who_waited(pool, path):
    async def wait():
        async with asyncio.timeout(0.01):
            await pool.execute(str(path), "wait_for_file")

    assert {type(error) for error in await ended(*(wait() for _ in range(5)))} == {TimeoutError}
    path.touch()


async def timed_out(pool, path):
    futures = [pool.execute(str(path), "wait_for_file", timeout=0.02) for _ in range(4)]
    assert {type(error) for error in await ended(*futures)} == {TaskTimeoutError}


async def cannot_be_sent(pool, path):
    futures = [pool.execute(data, "same", retries=1) for data in (threading.Lock(), 1, threading.Lock())]
    outcomes = await ended(*futures)
    assert outcomes[1] == 1
    if pool.kind == "process":
        assert [type(outcomes[at]) for at in (0, 2)] == [SerializationError] * 2


async def results_that_cannot_be_carried(pool, path):
    await pool.add_task_function("lock", lambda _: threading.Lock())
    await ended(*(pool.execute(None, "lock") for _ in range(3)))


async def of_a_function_that_is_replaced_and_removed(pool, path):
    await pool.add_task_function("late", lambda data: data)
    futures = [pool.execute(str(path), "wait_for_file") for _ in range(2)]
    futures += [pool.execute(n, "late") for n in range(20)]
    path.touch()
    await pool.add_task_function("late", lambda data: -data)
    futures += [pool.execute(n, "late") for n in range(20)]
    await pool.remove_task_function("late")
    assert (await ended(*futures))[2:] == [*range(20), *range(0, -20, -1)]


# ---- streams ---------------------------------------------------------------------------------------


async def streams_to_their_ends(pool, path):
    assert [item async for item in pool.stream(100, "numbers")] == list(range(100))
    with pytest.raises(LookupError):
        async for _ in pool.stream(10, "fails_later"):
            pass


async def streams_that_are_left(pool, path):
    async with aclosing(pool.stream(None, "endless")) as items:
        async for _ in items:
            break
    dropped = pool.stream(None, "endless")
    await anext(dropped)
    del dropped
    unread = pool.stream(None, "endless")
    await unread.aclose()
    await unread.aclose()


async def streams_that_run_too_long(pool, path):
    with pytest.raises(TaskTimeoutError):
        async for _ in pool.stream(None, "endless", timeout=0.05):
            pass


async def streams_of_what_cannot_be_carried(pool, path):
    with suppress(SerializationError):
        async for _ in pool.stream(None, "locks"):
            break


# ---- maps ------------------------------------------------------------------------------------------


async def maps_to_their_ends(pool, path):
    assert await pool.map_execute(range(3_000), "same") == list(range(3_000))
    assert await pool.map_execute(range(100), "same", retries=1) == list(range(100))


async def maps_whose_chunks_come_back(pool, path):
    assert await pool.map_execute(range(200), "slow_at_first", chunksize=20) == list(range(200))


async def maps_that_fail(pool, path):
    with pytest.raises(LookupError):
        await pool.map_execute(range(500), "picky", chunksize=20)
    outcomes = await pool.map_execute(range(500), "picky", chunksize=20, return_exceptions=True)
    assert sum(isinstance(outcome, LookupError) for outcome in outcomes) == 5


async def maps_that_are_left(pool, path):
    for results in (pool.map_unordered, pool.map_ordered):
        async with aclosing(results(range(10**6), "same")) as some:
            async for result in some:
                if result > 700:
                    break
    mapping = asyncio.ensure_future(pool.map_execute([str(path)] * 20, "wait_for_file"))
    await asyncio.sleep(0.01)
    mapping.cancel()
    await ended(mapping)
    path.touch()


WAYS = (
    done,
    failed,
    cancelled_wherever_they_are,
    given_up_by_those_who_waited,
    timed_out,
    cannot_be_sent,
    results_that_cannot_be_carried,
    of_a_function_that_is_replaced_and_removed,
    streams_to_their_ends,
    streams_that_are_left,
    streams_that_run_too_long,
    streams_of_what_cannot_be_carried,
    maps_to_their_ends,
    maps_whose_chunks_come_back,
    maps_that_fail,
    maps_that_are_left,
)


@pytest.mark.once
@pytest.mark.parametrize("kind", [FixedThreadPool, FixedProcessPool])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_callers_leave(run, until, tmp_path, kind, way):
    async def main():
        async with kind(2, FUNCTIONS) as pool:
            await way(pool, tmp_path / "go")
            await check_all_left(pool, until)

    run(main())


# ---- workers that die ------------------------------------------------------------------------------


def test_callers_whose_workers_die_leave(run, until):
    async def main():
        async with FixedProcessPool(2, FUNCTIONS, restart_limit=(100, 10.0)) as pool:
            futures = [pool.execute(None, "die"), *(pool.execute(n, "same") for n in range(50))]
            outcomes = await ended(*futures)
            assert isinstance(outcomes[0], WorkerCrashedError)
            assert outcomes[1:] == list(range(50))
            await check_all_left(pool, until)
            assert isinstance((await ended(pool.execute(None, "die", retries=1)))[0], PoisonTaskError)
            await check_all_left(pool, until)
            outcomes = await pool.map_execute(range(300), "die_at", chunksize=50, return_exceptions=True)
            assert [at for at, outcome in enumerate(outcomes) if outcome != at] == [150]
            await check_all_left(pool, until)
            with pytest.raises(WorkerCrashedError):
                await pool.map_execute(range(300), "die_at", chunksize=50)
            await check_all_left(pool, until)

    run(main())


def test_callers_of_a_pool_that_fails_leave(run, until):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS, restart_worker_on_error=False) as pool:
            stream = pool.stream(None, "endless")
            mapping = asyncio.ensure_future(pool.map_execute(range(100), "same"))
            futures = [pool.execute(None, "die"), *(pool.execute(n, "same") for n in range(50))]
            await stream.aclose()
            outcomes = await ended(*futures, mapping)
            assert {type(outcome) for outcome in outcomes[1:50]} <= {PoolFailedError, int}
            assert len(pool._driver.callers) == 0

    run(main())


def test_callers_of_what_turns_out_to_be_unknown_leave(run, until, tmp_path):
    module = tmp_path / "workers.py"
    module.write_text("def worker(data):\n    return data\n")

    async def main():
        async with DynamicProcessPool(0, 2, str(module)) as pool:
            known, unknown = pool.execute(1), pool.execute(2, "unknown")
            streamed = pool.stream(3, "unknown")
            assert await known == 1
            with pytest.raises(UnknownTaskFunctionError):
                await unknown
            with pytest.raises(UnknownTaskFunctionError):
                await anext(streamed)
            await check_all_left(pool, until)

    run(main())


@pytest.mark.parametrize("kind", [FixedThreadPool, FixedProcessPool])
def test_callers_of_a_pool_that_is_destroyed_leave(run, tmp_path, kind):
    path = tmp_path / "go"

    async def main():
        pool = kind(2, FUNCTIONS, tasks_queue_options={"tasks_finished_timeout": 0.0})
        await pool.start()
        futures = [pool.execute(str(path), "wait_for_file") for _ in range(5)]
        stream = pool.stream(None, "endless")
        mapping = asyncio.ensure_future(pool.map_execute(range(100), "same"))
        await asyncio.sleep(0)
        await pool.destroy()
        assert {type(outcome) for outcome in await ended(*futures, mapping)} == {asyncio.CancelledError}
        with pytest.raises(asyncio.CancelledError):
            await anext(stream)
        assert len(pool._driver.callers) == 0

    run(main())


async def instantly(count):
    for number in range(count):
        yield number


@pytest.mark.parametrize("kind", [FixedThreadPool, FixedProcessPool])
@pytest.mark.parametrize("items", [range, instantly])
def test_a_map_that_returns_errors_ends_with_its_pool(run, kind, items):
    async def main():
        async def read():
            async for outcome in pool.map_unordered(items(10**6), "same", return_exceptions=True):
                begun.set()
                outcomes.append(outcome)

        begun, outcomes = asyncio.Event(), []
        pool = kind(2, FUNCTIONS, tasks_queue_options={"tasks_finished_timeout": 0.0})
        await pool.start()
        reading = asyncio.ensure_future(read())
        await begun.wait()
        await pool.destroy()
        with pytest.raises(PoolNotStartedError, match="has been destroyed"):
            await reading
        assert {type(outcome) for outcome in outcomes} <= {int, asyncio.CancelledError}
        assert len(pool._driver.callers) == 0

    run(main())


# ---- executors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FixedThreadPool, FixedProcessPool])
def test_callers_of_executors_leave(tmp_path, kind):
    path = tmp_path / "go"
    pool = kind(2, same)
    with PoolExecutor(pool) as executor:
        blocked = [executor.submit(wait_for_file, str(path)) for _ in range(4)]
        futures = [executor.submit(abs, -n) for n in range(1_000)]
        for future in futures[::2]:
            future.cancel()
        blocked[0].cancel()
        failing = executor.submit(fail, 1)
        unsendable = executor.submit(abs, threading.Lock())
        path.touch()
        assert isinstance(failing.exception(120), LookupError)
        assert isinstance(unsendable.exception(120), Exception)
        assert [future.result(120) for future in futures[1::2]] == list(range(1, 1_000, 2))
    assert len(pool._driver.callers) == 0
