"""Workers are replaced after so many tasks or bytes, and nobody notices. The decision is tested in tests/scheduler."""

import asyncio
import os
import time
from collections import Counter

import pytest

from poolifier import DynamicProcessPool, FixedProcessPool, TaskFunction, Worker
from tests.light_tasks import where

MB = 1 << 20


async def where_async(seconds):
    await asyncio.sleep(seconds)
    return os.getpid()


def leak(size, leaked=[]):  # noqa: B006 - that is the point
    leaked.append(os.urandom(1) * size)
    return os.getpid()


def check(info, size):
    assert info.ready
    assert info.worker_nodes == size
    assert info.submitted_tasks == info.executed_tasks
    assert info.executing_tasks == info.queued_tasks == 0


def test_a_worker_leaves_after_so_many_tasks(run):
    async def main():
        async with FixedProcessPool(2, where, max_tasks_per_worker=10) as pool:
            counts = Counter()
            while len(counts) < 8:
                counts.update(await asyncio.gather(*(pool.execute(0.001) for _ in range(20))))
            present = {node.pid for node in pool.worker_nodes}
            assert {count for pid, count in counts.items() if pid not in present} <= {9, 10}
            check(pool.info, 2)

    run(main())


def pid(_):
    return os.getpid()


async def pid_async(_):
    return os.getpid()


@pytest.mark.once
@pytest.mark.parametrize("function", [pid, pid_async])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_limit_holds_for_tiny_tasks(run, function, concurrency):
    async def main():
        options = {"max_tasks_per_worker": 300, "tasks_queue_options": {"concurrency": concurrency}}
        async with FixedProcessPool(2, function, **options) as pool:
            counts = Counter(await asyncio.gather(*(pool.execute(number) for number in range(3_000))))
            present = {node.pid for node in pool.worker_nodes}
            check(pool.info, 2)
        assert all(count <= 300 for count in counts.values())
        assert all(count >= 270 for pid, count in counts.items() if pid not in present)

    run(main())


@pytest.mark.once
@pytest.mark.parametrize("options", [{}, {"chunksize": 1_000}, {"retries": 1}], ids=str)
def test_the_limit_holds_for_the_items_of_a_map(run, options):
    async def main():
        async with FixedProcessPool(2, pid, max_tasks_per_worker=300) as pool:
            counts = Counter(await pool.map_execute(range(6_000), **options))
            present = {node.pid for node in pool.worker_nodes}
            check(pool.info, 2)
        assert sum(counts.values()) == 6_000
        assert all(count <= 330 for count in counts.values())
        assert all(count >= 270 for pid, count in counts.items() if pid not in present)

    run(main())


@pytest.mark.once
def test_the_limit_holds_without_tasks_queues(run):
    async def main():
        async with FixedProcessPool(2, pid, max_tasks_per_worker=50, enable_tasks_queue=False) as pool:
            counts = Counter(await asyncio.gather(*(pool.execute(number) for number in range(400))))
        assert all(count <= 50 for count in counts.values())

    run(main())


@pytest.mark.once
def test_one_task_each(run, until, tmp_path):
    """Tasks that take longer than a worker takes to start never share one."""

    def work(path):
        while not path.exists():
            time.sleep(0.001)
        return os.getpid()

    async def main():
        async with FixedProcessPool(2, work, max_tasks_per_worker=1) as pool:
            futures = [pool.execute(tmp_path / str(number)) for number in range(8)]
            for _ in range(4):
                await until(lambda: pool._scheduler.recycling.standing_by == 2)
                assert pool.info.ready
                assert pool.info.worker_nodes == pool.info.executing_tasks == 2
                running = [
                    int(pool._driver.callers.data(task).name)
                    for node in pool._driver._nodes.values()
                    for task in node.sent.values()
                ]
                assert len(running) == 2
                for each in running:
                    (tmp_path / str(each)).touch()
                await asyncio.gather(*(futures[each] for each in running))
            assert len(set(await asyncio.gather(*futures))) == 8

    run(main())


@pytest.mark.once
def test_no_more_tasks_run_at_once_than_workers(run, tmp_path):
    def work(number):
        mine = tmp_path / str(number)
        mine.touch()
        time.sleep(0.02)
        at_once = len(list(tmp_path.iterdir()))
        mine.unlink()
        return at_once

    async def main():
        async with FixedProcessPool(2, work, max_tasks_per_worker=2) as pool:
            assert max(await asyncio.gather(*(pool.execute(number) for number in range(60)))) == 2

    run(main())


def starting(pool):
    """How many replacements are on their way."""
    return len(pool._scheduler.sizing.spares) - pool._scheduler.recycling.standing_by


def test_a_replacement_is_ready_before(run, until):
    """No task waits for one to start, where that takes no longer than what its predecessor has left to do."""

    async def main():
        async with FixedProcessPool(1, where, max_tasks_per_worker=120) as pool:
            pids = {await pool.execute(0)}
            stood_by = False
            while len(pids) < 3:
                # However long that takes here.
                await until(lambda: not starting(pool))
                stood_by = stood_by or pool._scheduler.recycling.standing_by == 1
                pid = await pool.execute(0.005)
                if pid not in pids:
                    assert stood_by
                    pids.add(pid)
                    stood_by = False

    run(main())


def test_tasks_that_wait_for_a_slot_move_on(run):
    async def main():
        functions = {"bound": TaskFunction(where, worker_nodes=[1])}
        async with FixedProcessPool(2, functions, max_tasks_per_worker=5) as pool:
            pids = set()
            while len(pids) < 4:
                pids.update(await asyncio.gather(*(pool.execute(0.005) for _ in range(10))))
            # The other worker had nothing to do.
            assert {node.slot for node in pool.worker_nodes} == {0, 1}
            assert pool.worker_nodes[0].id == 1

    run(main())


def test_async_workers(run):
    async def main():
        async with FixedProcessPool(
            1, where_async, max_tasks_per_worker=20, tasks_queue_options={"concurrency": 10}
        ) as pool:
            # One that takes its time keeps the slot from nobody.
            slow = pool.execute(60.0)
            pids = set()
            while len(pids) < 4:
                pids.update(await asyncio.gather(*(pool.execute(0.02) for _ in range(20))))
            assert not slow.done()
            slow.cancel()

    run(main())


def test_dynamic_workers(run):
    async def main():
        worker = Worker(where, max_inactive_time=0.5)
        async with DynamicProcessPool(0, 3, worker, max_tasks_per_worker=5) as pool:
            gone = asyncio.Event()
            pool.emitter.on("empty", lambda _: gone.set())
            pids = set()
            while len(pids) < 6:
                pids.update(await asyncio.gather(*(pool.execute(0.01) for _ in range(10))))
            await asyncio.wait_for(gone.wait(), 120)
            assert pool.info.worker_nodes == 0
            assert await pool.execute(0) not in pids

    run(main())


@pytest.mark.once
def test_a_leak_is_bounded(run, until):
    async def main():
        limit = 150 * MB
        async with FixedProcessPool(2, leak, max_memory_per_worker=limit) as pool:
            pids = set()
            most = 0
            while len(pids) < 6:
                pids.update(await asyncio.gather(*(pool.execute(2 * MB) for _ in range(2))))
                most = max([most, *(node.memory or 0 for node in pool.worker_nodes)])
                # Slow enough for a replacement to start in time, however long that takes here.
                await asyncio.sleep(0.02)
                await until(lambda: not starting(pool))
            # What is leaked between two looks, and while the replacement starts.
            assert most < limit + 150 * MB
            check(pool.info, 2)

    run(main())


def test_workers_that_stay_small_stay(run):
    async def main():
        async with FixedProcessPool(2, where, max_memory_per_worker=4000 * MB, max_tasks_per_worker=10_000) as pool:
            before = {node.pid for node in pool.worker_nodes}
            assert set(await asyncio.gather(*(pool.execute(0.001) for _ in range(500)))) <= before
            assert {node.pid for node in pool.worker_nodes} == before

    run(main())


@pytest.mark.once
def test_workers_die_while_they_are_replaced(run):
    async def main():
        pool = FixedProcessPool(2, where, max_tasks_per_worker=4, restart_limit=None, error_handler=lambda *_: None)
        async with pool:
            futures = [pool.execute(0.005, retries=100) for _ in range(300)]
            for _ in range(30):
                await asyncio.wait(futures, return_when="FIRST_COMPLETED", timeout=0.01)
                for channel in list(pool._driver.channels.values())[:1]:
                    channel.kill()
            await asyncio.gather(*futures)
            assert pool.info.executed_tasks == 300
            assert pool.info.worker_nodes == 2

    run(main())


def test_functions_added_at_run_time_reach_replacements(run):
    async def main():
        async with FixedProcessPool(2, where, max_tasks_per_worker=5) as pool:
            for version in range(4):
                await pool.add_task_function("added", lambda _, version=version: (os.getpid(), version))
                answers = await asyncio.gather(*(pool.execute(0, "added") for _ in range(16)))
                assert {answer for _, answer in answers} == {version}
                # Two had the function from the beginning.
                assert len({pid for pid, _ in answers}) > 2
            check(pool.info, 2)

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_nothing_is_left_behind(run):
    async def main():
        async with FixedProcessPool(2, where, max_tasks_per_worker=1, max_memory_per_worker=1) as pool:
            await asyncio.gather(*(pool.execute(0.001) for _ in range(30)))
            pool.execute(0)

    run(main())


@pytest.mark.parametrize("option", ["max_tasks_per_worker", "max_memory_per_worker"])
def test_the_options_are_checked(option):
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"{option} must be at least 1"):
            FixedProcessPool(1, where, **{option: wrong})
    for wrong in (True, 1.5, "10"):
        with pytest.raises(TypeError, match=f"{option} must be an integer"):
            FixedProcessPool(1, where, **{option: wrong})
