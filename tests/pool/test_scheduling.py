"""Scheduling as users see it, on real processes. The brain's own tests are in tests/scheduler."""

import asyncio
import os
import time
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from poolifier import (
    DynamicProcessPool,
    FixedProcessPool,
    Strategy,
    TaskFunction,
    TasksQueueOptions,
    Worker,
    WorkerChoiceStrategy,
)


def nothing(_):
    return None


def nap(seconds):
    time.sleep(seconds)
    return seconds


def check_sums(info):
    ended = info.executed_tasks + info.failed_tasks + info.aborted_tasks
    assert info.submitted_tasks == ended + info.executing_tasks + info.queued_tasks


def meet(task):
    """Waits for another that runs at the same time: the second for the first, the fourth for the third, and so on.

    Returns where it ran, or None where nobody has come.
    """
    directory, patience = task
    for number in count():
        try:
            Path(directory, str(number)).touch(exist_ok=False)
            break
        except FileExistsError:
            pass
    end = time.monotonic() + patience
    while not Path(directory, str(number ^ 1)).exists():
        if time.monotonic() > end:
            return None
        time.sleep(0.001)
    return os.getpid()


async def meet_after_many_tiny_ones(strategy, tasks, **queue):
    """A worker that idles while tasks wait leaves the other one waiting for good: each task needs one beside it."""
    functions = {"nothing": nothing, "meet": meet}
    async with FixedProcessPool(
        2, functions, worker_choice_strategy=strategy, tasks_queue_options=TasksQueueOptions(**queue)
    ) as pool:
        await asyncio.gather(*(pool.execute(n, "nothing") for n in range(2_000)))
        met = Counter(await asyncio.gather(*(pool.execute(task, "meet") for task in tasks)))
        assert [node.usage.tasks.executing for node in pool.worker_nodes] == [0, 0]
        assert [node.usage.tasks.queued for node in pool.worker_nodes] == [0, 0]
        check_sums(pool.info)
        assert pool.info.executed_tasks == 2_000 + len(tasks)
        return met, [node.pid for node in pool.worker_nodes]


@pytest.mark.once
@pytest.mark.parametrize("strategy", list(WorkerChoiceStrategy))
def test_long_tasks_after_many_tiny_ones_use_all_workers(run, tmp_path, strategy):
    met, workers = run(meet_after_many_tiny_ones(strategy, [(str(tmp_path), 120.0)] * 20))
    assert met == dict.fromkeys(workers, 10)


def test_it_is_noticed_where_all_went_to_one_worker(run, tmp_path):
    """What Node's poolifier does with such tasks: nothing is stolen from where all of them were put."""
    tasks = [(str(tmp_path), 0.1)] * 4
    met, _ = run(meet_after_many_tiny_ones(Last, tasks, task_stealing=False, tasks_stealing_on_back_pressure=False))
    assert None in met


def hold_or_not(path):
    while path is not None and not Path(path).exists():
        time.sleep(0.001)


def test_a_long_task_holds_up_nothing_behind_it(run, tmp_path):
    """Tiny and long tasks of one function, so that the estimate is wrong."""

    async def main():
        async with FixedProcessPool(2, hold_or_not) as pool:
            await asyncio.gather(*(pool.execute(None) for _ in range(2_000)))
            long = pool.execute(str(tmp_path / "end"))
            tiny = [pool.execute(None) for _ in range(200)]
            await asyncio.wait_for(asyncio.gather(*tiny), 120)
            assert not long.done()
            (tmp_path / "end").touch()
            await long

    run(main())


def test_priorities_go_first(run):
    order = []

    async def main():
        functions = {"nap": nap, "low": TaskFunction(nothing, priority=19), "high": TaskFunction(nothing, priority=-20)}
        async with FixedProcessPool(1, functions) as pool:
            futures = [pool.execute(0.1, "nap")]
            for name, priority in (("low", None), ("high", None), ("low", -19), ("high", 18)):
                future = pool.execute(1, name, priority=priority)
                future.add_done_callback(lambda _, key=(name, priority): order.append(key))
                futures.append(future)
            # Its callbacks were added later than those above, so all of them have been called by then.
            await asyncio.gather(*futures)

    run(main())
    assert order == [("high", None), ("low", -19), ("high", 18), ("low", None)]


def where(_):
    import os

    return os.getpid()


def where_all_meet(task):
    directory, parties = task
    Path(directory).mkdir(exist_ok=True)
    Path(directory, str(os.getpid())).touch()
    while len(os.listdir(directory)) < parties:  # noqa: PTH208 - names are all that is needed
        time.sleep(0.001)
    return os.getpid()


def test_affinity(run, tmp_path):
    async def main():
        functions = {
            "anywhere": where_all_meet,
            "first": TaskFunction(where_all_meet, worker_nodes=[0]),
            "others": TaskFunction(where_all_meet, worker_nodes=[1, 2]),
        }
        async with FixedProcessPool(3, functions) as pool:
            pids = [node.pid for node in pool.worker_nodes]
            for name, slots in (("anywhere", pids), ("first", pids[:1]), ("others", pids[1:])):
                for number in range(20):
                    task = str(tmp_path / f"{name} {number}"), len(slots)
                    met = await asyncio.gather(*(pool.execute(task, name) for _ in slots))
                    assert sorted(met) == sorted(slots)
            # Though the other two have nothing to do.
            task = str(tmp_path / "first"), 1
            assert {*await asyncio.gather(*(pool.execute(task, "first") for _ in range(30)))} == {pids[0]}

    run(main())


def test_affinity_creates_the_slots_it_needs(run):
    async def main():
        functions = {"anywhere": where, "third": TaskFunction(where, worker_nodes=[2])}
        async with DynamicProcessPool(0, 4, Worker(functions, max_inactive_time=30)) as pool:
            pid = await pool.execute(1, "third")
            assert [(node.slot, node.pid) for node in pool.worker_nodes] == [(2, pid)]
            assert {*await asyncio.gather(*(pool.execute(1, "third") for _ in range(10)))} == {pid}

    run(main())


class Last(Strategy):
    """Always the worker of the highest slot."""

    def __init__(self, options):
        self.workers = {}

    def worker_added(self, worker):
        self.workers[worker.slot] = worker

    def worker_removed(self, worker):
        del self.workers[worker.slot]

    def choose(self, now):
        return self.workers[max(self.workers)] if self.workers else None


def test_a_strategy_of_ones_own(run):
    async def main():
        queue = TasksQueueOptions(task_stealing=False, tasks_stealing_on_back_pressure=False)
        async with FixedProcessPool(3, where, worker_choice_strategy=Last, tasks_queue_options=queue) as pool:
            assert pool.info.default_strategy == "Last"
            assert {*await asyncio.gather(*(pool.execute(1) for _ in range(20)))} == {pool.worker_nodes[2].pid}
            pool.set_worker_choice_strategy("round_robin")
            pids = await asyncio.gather(*(pool.execute(1) for _ in range(6)))
            assert pids == [node.pid for node in pool.worker_nodes] * 2
            assert pool.info.default_strategy == "round_robin"

    run(main())


def test_the_queues_can_be_switched_off_and_on(run):
    async def main():
        async with FixedProcessPool(2, nap) as pool:
            futures = [pool.execute(0.01) for _ in range(20)]
            assert pool.info.queued_tasks == 18
            pool.enable_tasks_queue(False)
            assert pool.info.queued_tasks == 0
            assert pool.info.executing_tasks == 20
            pool.enable_tasks_queue(True, {"concurrency": 2, "size": 3})
            futures += [pool.execute(0.01) for _ in range(20)]
            await asyncio.gather(*futures)
            check_sums(pool.info)
            assert pool.info.executed_tasks == 40

    run(main())


running = most = 0


async def all_at_once(parties):
    """Waits until so many run in this worker at the same time, and returns how many did at the most."""
    global running, most
    running += 1
    most = max(most, running)
    while most < parties:  # noqa: ASYNC110 - Event belongs to one loop
        await asyncio.sleep(0.001)
    running -= 1
    return most


def test_async_functions_run_side_by_side(run):
    async def main():
        async with FixedProcessPool(1, all_at_once, tasks_queue_options={"concurrency": 10}) as pool:
            assert await asyncio.gather(*(pool.execute(10) for _ in range(20))) == [10] * 20

    run(main())


def test_concurrency_can_be_changed(run):
    async def main():
        async with FixedProcessPool(1, all_at_once) as pool:
            futures = [pool.execute(10) for _ in range(10)]
            assert pool.info.executing_tasks == 1
            pool.set_tasks_queue_options({"concurrency": 10})
            assert pool.info.executing_tasks == 10
            assert await asyncio.gather(*futures) == [10] * 10

    run(main())


def test_stealing_is_counted_where_the_task_ran(run, tmp_path):
    async def main():
        async with FixedProcessPool(2, meet, worker_choice_strategy=Last) as pool:
            await asyncio.gather(*(pool.execute((str(tmp_path), 120.0)) for _ in range(20)))
            thief, victim = (node.usage.tasks for node in pool.worker_nodes)
            # All were placed on the last worker; the first took its share, and that is all it did.
            assert (thief.executed, thief.stolen) == (10, 10)
            assert (victim.executed, victim.stolen) == (10, 0)
            assert pool.info.stolen_tasks == 10

    run(main())


def test_without_queues_async_functions_run_side_by_side(run):
    async def main():
        async with FixedProcessPool(1, all_at_once, enable_tasks_queue=False) as pool:
            assert await asyncio.gather(*(pool.execute(20) for _ in range(20))) == [20] * 20

    run(main())


def test_weights_come_from_the_cpu_where_none_are_given(run):
    async def main():
        for strategy in ("weighted_round_robin", "interleaved_weighted_round_robin"):
            async with FixedProcessPool(2, nothing, worker_choice_strategy=strategy) as pool:
                await asyncio.gather(*(pool.execute(n) for n in range(50)))
                weights = pool._scheduler.choosers.options.weights
                assert set(weights) == {0, 1}
                assert weights[0] == weights[1] > 0

    run(main())
