"""Aborts at random moments of tasks that enter and leave `with` statements: none leaves anything held, none is lost."""

import asyncio
import random
import sys

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool
from tests.faults import managers

POOLS = [FixedProcessPool, FixedThreadPool]
if sys.version_info >= (3, 13):
    POOLS.append(FixedInterpreterPool)

# An exception for a thread is set from another one, which has to find it at a moment when it can be. A task that does
# nothing but enter and leave what is written in Python hardly ever is there.
RARE = {"with_semaphore", "stacked", "asynchronous"}


# An abort may be raised where a file has just been opened, before the `with` statement begins with it. Python closes it
# at once, as nobody has it, and warns. One that a `with` had begun with and did not close is told by `managers.held`.
UNCLOSED = r"Exception ignored (in|while finalizing file).*<(_io\.FileIO|File) name"
OPENED = f"ignore:{UNCLOSED}:pytest.PytestUnraisableExceptionWarning"


async def abort_often(until, pool_class, aborts, ways=None):
    chance = random.Random(37)
    functions = {"work": managers.work, "held": managers.held}
    ways = ways or [way for way in managers.WAYS if pool_class is FixedProcessPool or way not in RARE]
    # Long, for an abort that has to wait until it can be raised is not lost.
    async with pool_class(1, functions, abort_grace=60) as pool:
        workers = {(node.id, node.pid) for node in pool.worker_nodes}
        for number in range(aborts):
            way = ways[number % len(ways)]
            future = pool.execute(way, "work")
            await until(lambda: pool.info.executing_tasks)
            await asyncio.wait([future], timeout=chance.random() / 200)
            assert future.cancel(), way
            assert await pool.execute(None, "held") == [], way
        assert pool.info.aborted_tasks == aborts
        assert pool.info.failed_tasks == 0
        assert {(node.id, node.pid) for node in pool.worker_nodes} == workers, "an abort ended a worker"


@pytest.mark.parametrize("pool_class", POOLS)
@pytest.mark.usefixtures("no_leaks")
@pytest.mark.filterwarnings(OPENED)
@pytest.mark.filterwarnings("ignore:coroutine '_asynchronous' was never awaited")
def test_nothing_is_left_held(run, until, pool_class):
    run(abort_often(until, pool_class, 200))


@pytest.mark.long
@pytest.mark.parametrize("pool_class", POOLS)
@pytest.mark.filterwarnings(OPENED)
@pytest.mark.filterwarnings("ignore:coroutine '_asynchronous' was never awaited")
def test_nothing_is_left_held_by_ten_thousand(run, until, pool_class):
    run(abort_often(until, pool_class, 10_000), deadline=1800)


@pytest.fixture
def short_turns():
    """Lets threads run on at every call and turn of a loop of others, as happens once in a long while otherwise."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("no_leaks", "short_turns")
def test_nothing_is_left_held_where_a_thread_gets_on_while_it_is_looked_at(run, until):
    run(abort_often(until, FixedThreadPool, 400, ["raising"]))


WAITS = {
    "lock": managers.lock,
    "condition": managers.condition,
    "semaphore": managers.semaphore,
    "generated": managers.generated_lock,
}


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.usefixtures("no_leaks")
def test_who_waits_for_a_lock_in_a_with_is_aborted_at_once(run, until, name):
    async def main():
        async with FixedProcessPool(1, {"wait": managers.wait, "held": managers.held}, abort_grace=60) as pool:
            future = pool.execute(name, "wait")
            await until(lambda: pool.info.executing_tasks)
            # Whether it waits already makes no difference to what is right.
            await asyncio.wait([future], timeout=0.05)
            assert future.cancel()
            # Ends although what it waits for is held by a thread of the worker until then.
            assert await pool.execute(None, "held") == []
            assert pool.info.aborted_tasks == 1

    run(main())
