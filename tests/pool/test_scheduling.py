"""Scheduling as users see it, on real processes. The brain's own tests are in tests/scheduler."""

import asyncio
import os
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from statistics import quantiles
from threading import get_ident

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


NAP = 0.05
TIMES_THE_IDEAL = 1.15


def stamped_nap(_):
    """Who slept, from when, until when; the clock is the same in all processes."""
    begun = time.monotonic()
    time.sleep(NAP)
    return (os.getpid(), get_ident()), begun, time.monotonic()


async def twenty_on_bare_threads():
    """The ideal: two threads that have ten naps each, handed over one by one through this event loop."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as threads:

        async def ten():
            return [await loop.run_in_executor(threads, stamped_nap, None) for _ in range(10)]

        return [nap for naps in await asyncio.gather(ten(), ten()) for nap in naps]


def by_worker(naps):
    workers = defaultdict(list)
    for worker, begun, ended in naps:
        workers[worker].append((begun, ended))
    return list(workers.values())


def makespan(naps):
    """What the naps took, by their own clocks, without what the machine did meanwhile.

    The busiest worker's naps, each as long as it was meant to be, and as many hand-overs, each as long as the
    quickest quarter of all were at the most. A worker that idles while naps wait leaves more of them to the other.
    """
    workers = by_worker(naps)
    gaps = [later - ended for spans in workers for (_, ended), (later, _) in pairwise(sorted(spans))]
    return max(len(spans) for spans in workers) * (NAP + quantiles(gaps, n=4)[0])


def check_schedule(naps, ideal):
    """Both were measured at the same time on the same loop, so a busy machine slows down both."""
    assert len(naps) == len(ideal) == 20
    assert makespan(naps) <= TIMES_THE_IDEAL * makespan(ideal)


async def twenty_after_many_tiny_ones(strategy, **queue):
    functions = {"nothing": nothing, "nap": stamped_nap}
    async with FixedProcessPool(
        2, functions, worker_choice_strategy=strategy, tasks_queue_options=TasksQueueOptions(**queue)
    ) as pool:
        await asyncio.gather(*(pool.execute(n, "nothing") for n in range(2_000)))
        naps, ideal = await asyncio.gather(
            asyncio.gather(*(pool.execute(None, "nap") for _ in range(20))), twenty_on_bare_threads()
        )
        assert [node.usage.tasks.executing for node in pool.worker_nodes] == [0, 0]
        assert [node.usage.tasks.queued for node in pool.worker_nodes] == [0, 0]
        check_sums(pool.info)
        assert pool.info.executed_tasks == 2_020
        return naps, ideal


@pytest.mark.parametrize("strategy", list(WorkerChoiceStrategy))
def test_long_tasks_after_many_tiny_ones_use_all_workers(run, strategy):
    check_schedule(*run(twenty_after_many_tiny_ones(strategy)))


def test_the_check_of_the_schedule_notices_that_all_went_to_one_worker(run):
    """What Node's poolifier does with such tasks, for 1,010 ms: nothing is stolen from where all of them were put."""
    naps, ideal = run(twenty_after_many_tiny_ones(Last, task_stealing=False, tasks_stealing_on_back_pressure=False))
    assert makespan(naps) > 1.7 * makespan(ideal)
    with pytest.raises(AssertionError):
        check_schedule(naps, ideal)


def test_a_long_task_holds_up_nothing_behind_it(run):
    """Alternating tiny and long tasks of one function, so that the estimate is always wrong."""

    async def main():
        async with FixedProcessPool(2, nap) as pool:
            await asyncio.gather(*(pool.execute(0) for _ in range(2_000)))
            long = pool.execute(1.0)
            begun = time.monotonic()
            tiny = [pool.execute(0) for _ in range(200)]
            await asyncio.wait_for(asyncio.gather(*tiny), 0.9)
            assert time.monotonic() - begun < 0.5
            assert not long.done()
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

    time.sleep(0.002)
    return os.getpid()


def test_affinity(run):
    async def main():
        functions = {
            "anywhere": where,
            "first": TaskFunction(where, worker_nodes=[0]),
            "others": TaskFunction(where, worker_nodes=[1, 2]),
        }
        async with FixedProcessPool(3, functions) as pool:
            pids = [node.pid for node in pool.worker_nodes]
            assert {*await asyncio.gather(*(pool.execute(1, "first") for _ in range(30)))} == {pids[0]}
            assert {*await asyncio.gather(*(pool.execute(1, "others") for _ in range(60)))} == {pids[1], pids[2]}
            assert {*await asyncio.gather(*(pool.execute(1, "anywhere") for _ in range(90)))} == set(pids)

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


def test_async_functions_run_side_by_side(run):
    async def wait(seconds):
        await asyncio.sleep(seconds)
        return seconds

    async def main():
        async with FixedProcessPool(1, wait, tasks_queue_options={"concurrency": 10}) as pool:
            await pool.execute(0)
            begun = time.monotonic()
            assert await asyncio.gather(*(pool.execute(0.2) for _ in range(20))) == [0.2] * 20
            assert 0.4 <= time.monotonic() - begun < 1.5

    run(main())


def test_concurrency_can_be_changed(run):
    async def wait(seconds):
        await asyncio.sleep(seconds)

    async def main():
        async with FixedProcessPool(1, wait) as pool:
            await pool.execute(0)
            futures = [pool.execute(0.3) for _ in range(10)]
            assert pool.info.executing_tasks == 1
            begun = time.monotonic()
            pool.set_tasks_queue_options({"concurrency": 10})
            assert pool.info.executing_tasks == 10
            await asyncio.gather(*futures)
            assert time.monotonic() - begun < 1.5

    run(main())


def test_stealing_is_counted_where_the_task_ran(run):
    async def main():
        async with FixedProcessPool(2, nap, worker_choice_strategy=Last) as pool:
            await asyncio.gather(*(pool.execute(0.02) for _ in range(20)))
            thief, victim = (node.usage.tasks for node in pool.worker_nodes)
            # All were placed on the last worker; the first took its share, and that is all it did.
            assert 5 <= thief.stolen <= 15
            assert (thief.executed, victim.stolen) == (thief.stolen, 0)
            assert thief.executed + victim.executed == 20
            assert pool.info.stolen_tasks == thief.stolen

    run(main())


def test_without_queues_async_functions_run_side_by_side(run):
    async def wait(seconds):
        await asyncio.sleep(seconds)

    async def main():
        async with FixedProcessPool(1, wait, enable_tasks_queue=False) as pool:
            await pool.execute(0)
            begun = time.monotonic()
            await asyncio.gather(*(pool.execute(0.2, timeout=0.9) for _ in range(20)))
            assert time.monotonic() - begun < 1.5

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
