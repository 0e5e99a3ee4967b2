"""Workers that have done enough: who decides, when, and what becomes of the slot."""

from itertools import pairwise

import pytest

from poolifier.errors import PoolFailedError
from poolifier.exchange import WorkerExit
from poolifier.scheduler import effects as effect
from poolifier.scheduler.info import pool_info
from poolifier.scheduler.node import READY, RETIRING
from poolifier.scheduler.recycling import JITTER, MEASURE_EVERY
from tests.scheduler.support import Pool


def finish(pool, node, run_time=0.1):
    """The worker answers its oldest task."""
    pool.scheduler.task_done(node, next(iter(node.sent)), run_time, run_time, pool.now)
    pool.pump()


def say_ready(pool, node):
    pool.scheduler.worker_ready(node.id, pool.says, pool.now)
    pool.pump()


def lose(pool, node, **how):
    pool.scheduler.worker_lost(node.id, WorkerExit(**how), pool.now)
    pool.pump()


def spares(pool):
    return list(pool.scheduler.sizing.spares.values())


def info(pool):
    return pool_info(pool.scheduler, version="", worker="", started=True, lifetime=1.0)


def asked(pool, kind):
    return [wanted.node for wanted in pool.effects if isinstance(wanted, kind)]


def test_without_limits_nobody_watches():
    pool = Pool(1)
    assert pool.scheduler.recycling.measure_at == float("inf")
    assert not pool.scheduler.choosers.end_watchers


def test_the_successor_starts_with_the_last_task_and_takes_over_after_it():
    pool = Pool(1, max_tasks_per_worker=1)
    [worker] = pool.nodes
    pool.submit()
    [successor] = spares(pool)
    assert asked(pool, effect.StartWorker) == [worker, successor]
    pool.submit()  # waits for the worker as if nothing were the matter
    assert worker.queue.length == 1
    say_ready(pool, successor)
    assert worker.state == RETIRING
    assert asked(pool, effect.StopWorker) == [worker]
    # It runs its task, and has the slot until that is done; nothing else starts.
    assert (info(pool).executing_tasks, info(pool).queued_tasks, info(pool).worker_nodes) == (1, 1, 1)
    assert info(pool).ready
    assert pool.scheduler.sizing.by_slot == {0: worker}
    finish(pool, worker)
    assert pool.scheduler.sizing.by_slot == {0: successor}
    assert successor.state == READY
    assert successor.executing == 1
    assert info(pool).worker_nodes == 1
    lose(pool, worker, exit_code=0)
    assert pool.scheduler.sizing.nodes == {successor.id: successor}
    assert info(pool).executed_tasks == 1


def test_an_idle_worker_hands_over_at_once():
    pool = Pool(1, max_tasks_per_worker=1)
    [worker] = pool.nodes
    pool.submit()
    finish(pool, worker)
    assert worker.state == READY, "it stays until its successor is ready"
    [successor] = spares(pool)
    say_ready(pool, successor)
    assert pool.scheduler.sizing.by_slot == {0: successor}


def test_it_goes_on_until_its_successor_is_ready():
    pool = Pool(1, max_tasks_per_worker=2)
    [worker] = pool.nodes
    for _ in range(5):
        pool.submit()
        finish(pool, worker)
    assert info(pool).executed_tasks == 5
    assert len(spares(pool)) == 1


def test_with_concurrency_a_slow_task_does_not_keep_the_slot():
    pool = Pool(1, max_tasks_per_worker=3, tasks_queue_options={"concurrency": 3})
    [worker] = pool.nodes
    for _ in range(3):
        pool.submit()
    [successor] = spares(pool)
    say_ready(pool, successor)
    assert successor.state != READY
    finish(pool, worker)
    assert successor.state == READY
    pool.submit()
    assert (worker.executing, successor.executing) == (2, 1)
    assert info(pool).worker_nodes == 1
    assert info(pool).executing_tasks == 3
    lose(pool, worker, signal="SIGKILL", started=worker.sequence)
    assert info(pool).failed_tasks == 2
    assert pool.scheduler.sizing.by_slot == {0: successor}


def test_limits_differ_from_worker_to_worker():
    pool = Pool(20, max_tasks_per_worker=1000, max_memory_per_worker=1000)
    for limits in ([node.task_limit for node in pool.nodes], [node.memory_limit for node in pool.nodes]):
        assert all(1000 * (1 - JITTER) <= limit <= 1000 for limit in limits)
        assert max(limits) - min(limits) > 150
        ordered = sorted(limits)
        assert min(b - a for a, b in pairwise(ordered)) >= 3


def test_memory_is_looked_at_after_tasks_and_not_too_often():
    pool = Pool(2, max_memory_per_worker=1000)
    scheduler = pool.scheduler
    first, second = pool.nodes
    assert scheduler.next_deadline() == float("inf")
    pool.submit()
    finish(pool, first)
    assert scheduler.next_deadline() <= pool.now
    scheduler.tick(pool.now)
    pool.pump()
    assert asked(pool, effect.MeasureMemory) == [first]
    scheduler.memory_measured(first, 799)
    assert not spares(pool)
    pool.submit()
    finish(pool, first)
    assert scheduler.next_deadline() == pool.now + MEASURE_EVERY
    scheduler.memory_measured(first, 1000)
    pool.pump()
    [successor] = spares(pool)
    assert successor.slot == first.slot
    scheduler.memory_measured(first, 1000)
    assert len(spares(pool)) == 1
    say_ready(pool, successor)
    assert scheduler.sizing.by_slot == {0: successor, 1: second}


def test_a_worker_that_dies_makes_way_at_once():
    for starting in (True, False):
        pool = Pool(1, max_tasks_per_worker=1)
        [worker] = pool.nodes
        pool.submit()
        [successor] = spares(pool)
        if not starting:
            say_ready(pool, successor)
        pool.submit()
        lose(pool, worker, signal="SIGSEGV", started=1)
        assert pool.scheduler.sizing.by_slot == {0: successor}
        assert asked(pool, effect.StartWorker) == [worker, successor, *spares(pool)]
        if starting:
            say_ready(pool, successor)
        assert successor.executing == 1
        assert info(pool).failed_tasks == 1


def test_a_successor_that_dies_is_followed_by_another_after_the_back_off():
    pool = Pool(1, max_tasks_per_worker=1, restart_limit=(2, 10.0))
    [worker] = pool.nodes
    pool.submit()
    [first] = spares(pool)
    lose(pool, first, exit_code=1)
    assert worker.state == READY
    [second] = spares(pool)
    lose(pool, second, exit_code=1)
    [third] = spares(pool)
    assert third not in asked(pool, effect.StartWorker)
    assert pool.scheduler.next_deadline() == pytest.approx(pool.now + 0.05)
    pool.now += 0.05
    pool.scheduler.tick(pool.now)
    pool.pump()
    assert third in asked(pool, effect.StartWorker)
    lose(pool, third, exit_code=1)
    assert isinstance(pool.scheduler.failure, PoolFailedError)
    assert not spares(pool)


def test_a_successor_that_dies_while_it_stands_by():
    pool = Pool(1, max_tasks_per_worker=1)
    [worker] = pool.nodes
    pool.submit()
    [successor] = spares(pool)
    say_ready(pool, successor)
    lose(pool, successor, signal="SIGKILL")
    finish(pool, worker)
    lose(pool, worker, exit_code=0)
    [other] = pool.nodes
    say_ready(pool, other)
    pool.submit()
    assert other.executing == 1


def test_without_restarts_the_worker_stays_if_its_successor_dies():
    pool = Pool(1, max_tasks_per_worker=1, restart_worker_on_error=False)
    [worker] = pool.nodes
    pool.submit()
    lose(pool, spares(pool)[0], exit_code=1)
    for _ in range(5):
        finish(pool, worker)
        pool.submit()
    assert not spares(pool)
    assert pool.scheduler.failure is None


def test_closing_dismisses_successors():
    pool = Pool(2, max_tasks_per_worker=1)
    pool.submit()
    [successor] = spares(pool)
    pool.scheduler.close()
    pool.pump()
    assert asked(pool, effect.KillWorker) == [successor]
    assert not spares(pool)
    say_ready(pool, successor)
    lose(pool, successor, signal="SIGKILL")
    assert pool.scheduler.ready_count == 2


def test_items_of_chunks_count():
    pool = Pool(1, max_tasks_per_worker=10)
    [worker] = pool.nodes
    task = pool.submit()
    worker.ran = 0
    from poolifier.scheduler.task import TaskExtra

    task.extra = TaskExtra()
    task.extra.items = 12
    pool.scheduler.books.submitted += 11
    pool.scheduler.books.surplus += 11
    for _ in range(11):
        pool.scheduler.items_done(worker, task.sequence, [0.001], pool.now, failed=False)
    finish(pool, worker)
    assert len(spares(pool)) == 1
