"""`PoolExecutor` over pools that its user has made."""

import asyncio
import os
import signal
import threading

import pytest

from poolifier import (
    DynamicInterpreterPool,
    DynamicProcessPool,
    DynamicThreadPool,
    FixedProcessPool,
    FixedThreadPool,
    PoolNotStartedError,
    Strategy,
)
from poolifier.futures import BrokenPoolError, PoolExecutor
from tests.conftest import Footprint
from tests.futures import calls
from tests.futures.conftest import needs_interpreters

POOLS = [
    pytest.param(lambda: FixedProcessPool(2, calls.double), id="process"),
    pytest.param(lambda: DynamicProcessPool(0, 2, calls.double), id="dynamic_process"),
    pytest.param(lambda: FixedThreadPool(2, calls.double), id="thread"),
    pytest.param(lambda: DynamicThreadPool(0, 2, calls.double), id="dynamic_thread"),
    pytest.param(
        # An interpreter that is starting cannot be stopped: past this the end of the pool goes on without it.
        lambda: DynamicInterpreterPool(0, 2, calls.double, abort_grace=120.0, destroy_timeout=120.0),
        id="interpreter",
        marks=needs_interpreters,
    ),
]


@pytest.mark.parametrize("new_pool", POOLS)
def test_a_pool_that_is_not_started_is_started_and_destroyed(new_pool):
    def use():
        pool = new_pool()
        with PoolExecutor(pool) as executor:
            assert executor.submit(pow, 2, 8).result() == 256
            assert list(executor.map(abs, range(-20, 0))) == list(range(20, 0, -1))
            assert pool.info.started
        assert not pool.info.started

    use()
    before = Footprint()
    use()
    before.comes_back()
    assert Footprint().descriptors == before.descriptors


@pytest.mark.parametrize("new_pool", POOLS)
def test_a_pool_that_is_started_is_used_where_it_is(new_pool, run):
    async def main():
        async with new_pool() as pool:
            loop = asyncio.get_running_loop()
            before = pool.list_task_functions_properties()
            with PoolExecutor(pool) as executor:
                assert await loop.run_in_executor(executor, pow, 2, 8) == 256
                assert await asyncio.to_thread(lambda: executor.submit(abs, -3).result()) == 3
                assert await asyncio.gather(pool.execute(4), loop.run_in_executor(executor, abs, -5)) == [8, 5]
            with PoolExecutor(pool) as another:
                future = another.submit(abs, -6)
                await asyncio.to_thread(another.shutdown)
                assert future.result() == 6
            assert await pool.execute(21) == 42
            await asyncio.sleep(0)
            if before:
                assert pool.list_task_functions_properties() == before

    run(main())


def test_what_runs_is_cancelled_when_the_pool_is_destroyed(run, tmp_path, until):
    async def main():
        async with FixedThreadPool(1, calls.double, exit_timeout=0.0) as pool:
            executor = PoolExecutor(pool)
            running = executor.submit(calls.sleep_with_mark, str(tmp_path / "begun"))
            waiting = executor.submit(abs, 1)
            await until((tmp_path / "begun").exists)
        assert running.cancelled()
        assert waiting.cancelled()
        late = executor.submit(abs, 1)
        await asyncio.to_thread(late.exception)
        assert isinstance(late.exception(), PoolNotStartedError)

    run(main())


def test_a_pool_whose_loop_is_gone_fails_its_calls():
    pool = FixedThreadPool(1, calls.double)

    async def main():
        await pool.start()
        executor = PoolExecutor(pool)
        assert await asyncio.get_running_loop().run_in_executor(executor, abs, -1) == 1
        await pool.destroy()
        return executor

    executor = asyncio.run(main())
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(abs, 1)
    executor.shutdown()


def test_calls_are_those_of_any_pool_with_its_limits(run):
    with PoolExecutor(FixedThreadPool(1, calls.double, timeout=2.0)) as executor:
        with pytest.raises(TimeoutError):
            executor.submit(calls.sleep_with_mark, "/dev/null").result()
        assert executor.submit(abs, -1).result() == 1


def test_a_pool_on_another_loop_serves_threads():
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    pools = []

    async def start():
        pool = FixedThreadPool(2, calls.double)
        await pool.start()
        pools.append(pool)
        ready.set()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(start(), loop)
    assert ready.wait(120)
    with PoolExecutor(pools[0]) as executor:
        assert list(executor.map(abs, range(-10, 0))) == list(range(10, 0, -1))
    asyncio.run_coroutine_threadsafe(pools[0].destroy(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Undecided(Strategy):
    def choose(self, now):
        raise LookupError("cannot decide")


def test_a_strategy_that_raises_fails_the_call():
    with PoolExecutor(FixedThreadPool(1, calls.double, worker_choice_strategy=Undecided)) as executor:
        assert isinstance(executor.submit(abs, 1).exception(120), LookupError)


def test_only_pools_will_do():
    with pytest.raises(TypeError, match="pool must be a pool of poolifier, not 4"):
        PoolExecutor(4)


def test_ray_actors_run_calls(ray_cluster):
    from poolifier import FixedRayPool

    with PoolExecutor(FixedRayPool(1, calls.double)) as executor:
        assert executor.submit(pow, 2, 8).result() == 256
        assert executor.submit(calls.with_keywords, [1], a=2).result() == ([1], (), {"a": 2})


@pytest.mark.parametrize("pool_type", [FixedThreadPool, FixedProcessPool])
def test_leaving_the_block_of_a_pool_waits_for_its_executors(run, pool_type):
    """For all calls that were made before, in whatever thread; later ones are told."""

    async def main():
        async with pool_type(2, abs) as pool:
            executor, fresh = PoolExecutor(pool), PoolExecutor(pool)
            assert await asyncio.wrap_future(executor.submit(abs, -1)) == 1
            calls = [each.submit(abs, -number) for number in range(1500) for each in (executor, fresh)]
        assert [call.result(0) for call in calls] == [number for number in range(1500) for _ in range(2)]
        for each in (executor, fresh, PoolExecutor(pool)):
            with pytest.raises(Exception, match="destroyed"):
                await asyncio.wrap_future(each.submit(abs, 1))

    run(main())


@pytest.mark.parametrize("late", [False, True], ids=["failing before", "failing meanwhile"])
def test_a_pool_that_is_failing_refuses_calls_of_its_executors_until_it_recovers(run, until, tmp_path, caplog, late):
    path = tmp_path / "refuse"

    async def main():
        options = {"initializer": calls.refuse, "initargs": (str(path),), "restart_limit": (1, 10.0)}
        async with FixedProcessPool(1, calls.double, **options) as pool:

            async def fail():
                path.touch()
                os.kill(pool.worker_nodes[0].pid, signal.SIGKILL)
                await until(lambda: pool.info.state == "failing")

            executor = PoolExecutor(pool)
            if late:
                assert await asyncio.wrap_future(executor.submit(abs, -1)) == 1
                await fail()
            else:
                await fail()
                with pytest.raises(BrokenPoolError, match="not now"):
                    await asyncio.wrap_future(executor.submit(abs, -1))
            with pytest.raises(BrokenPoolError, match="not now"):
                executor.submit(abs, -1)
            path.unlink()
            await until(lambda: executor._broken is None)
            assert await asyncio.wrap_future(executor.submit(abs, -2)) == 2
            assert await pool.execute(4) == 8
            await asyncio.to_thread(executor.shutdown)
            assert pool._driver.watchers == []

    run(main())
    assert any("has recovered" in record.getMessage() for record in caplog.records)


def test_an_executor_of_a_pool_that_is_destroyed_while_it_is_failing_says_so_and_lets_go_of_it(run, until, tmp_path):
    path = tmp_path / "refuse"

    async def main():
        options = {"initializer": calls.refuse, "initargs": (str(path),), "restart_limit": (1, 10.0)}
        pool = FixedProcessPool(1, calls.double, **options)
        await pool.start()
        path.touch()
        os.kill(pool.worker_nodes[0].pid, signal.SIGKILL)
        await until(lambda: pool.info.state == "failing")
        executor, closed = PoolExecutor(pool), PoolExecutor(pool)
        for each in (executor, closed):
            with pytest.raises(BrokenPoolError, match="not now"):
                await asyncio.wrap_future(each.submit(abs, -1))
        await asyncio.to_thread(closed.shutdown)
        assert len(pool._driver.consumers) == len(pool._driver.watchers) == 1
        await pool.destroy()
        await until(lambda: executor._broken is None)
        with pytest.raises(PoolNotStartedError, match="destroyed"):
            await asyncio.wrap_future(executor.submit(abs, -1))
        await asyncio.to_thread(executor.shutdown)
        assert not pool._driver.consumers
        assert pool._driver.watchers == []

    run(main())
