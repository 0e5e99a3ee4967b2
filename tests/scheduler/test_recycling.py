"""Workers that have done enough: who decides, when, and what becomes of the slot."""

from itertools import pairwise

import pytest

from poolifier.errors import PoolFailedError
from poolifier.exchange import WorkerExit
from poolifier.scheduler import effects as effect
from poolifier.scheduler.info import pool_info
from poolifier.scheduler.node import PLANNED, READY, RETIRING
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


def test_it_gets_no_task_past_its_limit():
    pool = Pool(1, max_tasks_per_worker=2)
    [worker] = pool.nodes
    for _ in range(5):
        pool.submit()
    finish(pool, worker)
    finish(pool, worker)
    assert (info(pool).executed_tasks, info(pool).queued_tasks, info(pool).executing_tasks) == (2, 3, 0)
    [successor] = spares(pool)
    say_ready(pool, successor)
    assert (info(pool).queued_tasks, info(pool).executing_tasks) == (2, 1)
    assert pool.scheduler.sizing.by_slot == {0: successor}


def test_others_take_what_waits_for_one_at_its_limit():
    pool = Pool(2, max_tasks_per_worker=2)
    first, second = pool.nodes
    for _ in range(6):
        pool.submit()
    finish(pool, first)
    finish(pool, first)
    assert not first.sent
    waiting = first.queue.length
    assert waiting
    finish(pool, second)
    finish(pool, second)
    # Both are at their limits: what is left waits for either successor.
    assert (info(pool).executed_tasks, info(pool).queued_tasks) == (4, 2)
    say_ready(pool, spares(pool)[1])
    assert (info(pool).executing_tasks, info(pool).queued_tasks) == (1, 1)
    finish(pool, pool.scheduler.sizing.by_slot[1])
    assert (info(pool).executing_tasks, info(pool).queued_tasks) == (1, 0)


def test_tiny_tasks_are_not_sent_ahead_past_the_limit():
    pool = Pool(1, max_tasks_per_worker=10)
    [worker] = pool.nodes
    for _ in range(30):
        pool.submit()
    ran = 0
    while worker.sent:
        assert ran + len(worker.sent) <= worker.task_limit
        finish(pool, worker, run_time=0.000_001)
        ran += 1
    assert ran == worker.task_limit == worker.ran
    assert len(spares(pool)) == 1


def test_the_successor_starts_early_enough_where_tasks_are_short():
    pool = Pool(1, max_tasks_per_worker=100, ready=False)
    [worker] = pool.nodes
    pool.now = 1.0  # a worker takes a second to start
    pool.all_ready()
    while not spares(pool):
        pool.submit()
        pool.now += 0.1
        worker.heard_at = pool.now
        finish(pool, worker)
    # Of the seconds that it will run on, the successor needs one; some are for the measurement, which varies.
    assert worker.task_limit - 20 <= worker.ran <= worker.task_limit - 10
    [successor] = spares(pool)
    say_ready(pool, successor)
    assert worker.state == READY, "the successor stands by until the worker comes to its limit"
    assert pool.scheduler.recycling.standing_by == 1
    while worker.state == READY:
        pool.submit()
        finish(pool, worker)
    assert info(pool).executed_tasks == worker.task_limit
    assert pool.scheduler.sizing.by_slot == {0: successor}


def test_where_no_successor_can_be_started_it_goes_on():
    pool = Pool(1, max_tasks_per_worker=2, restart_limit=(5, 10.0))
    [worker] = pool.nodes
    for _ in range(5):
        pool.submit()
    finish(pool, worker)
    finish(pool, worker)
    assert not worker.sent
    lose(pool, spares(pool)[0], exit_code=1)
    finish(pool, worker)
    finish(pool, worker)
    assert (info(pool).executed_tasks, info(pool).executing_tasks) == (4, 1)
    say_ready(pool, spares(pool)[0])
    assert worker.state == RETIRING
    finish(pool, worker)
    assert worker not in pool.scheduler.sizing.by_slot.values()


def test_one_that_has_little_memory_left_does_not_wait_for_its_limit_of_tasks():
    pool = Pool(1, max_tasks_per_worker=100, max_memory_per_worker=1000)
    [worker] = pool.nodes
    pool.submit()
    finish(pool, worker)
    pool.scheduler.memory_measured(worker, 1000)
    pool.pump()
    say_ready(pool, spares(pool)[0])
    assert worker.state == RETIRING


def test_an_idle_dynamic_worker_leaves_though_a_successor_stands_by():
    pool = Pool((0, 1), max_tasks_per_worker=2, inactive=5.0)
    pool.submit()
    pool.all_ready()
    [worker] = pool.nodes
    finish(pool, worker)
    pool.submit()
    finish(pool, worker)
    pool.submit()
    say_ready(pool, spares(pool)[0])
    [successor] = pool.scheduler.sizing.by_slot.values()
    finish(pool, successor)
    pool.now += 5.0
    pool.scheduler.tick(pool.now)
    pool.pump()
    assert successor.state == RETIRING


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


def test_one_that_has_handed_its_slot_over_is_not_replaced_once_more():
    options = {"tasks_queue_options": {"concurrency": 3}, "restart_worker_on_error": False}
    pool = Pool(1, max_tasks_per_worker=3, **options)
    [worker] = pool.nodes
    for _ in range(3):
        pool.submit()
    [successor] = spares(pool)
    say_ready(pool, successor)
    finish(pool, worker)
    assert pool.scheduler.sizing.by_slot == {0: successor}
    lose(pool, successor, exit_code=1)
    assert isinstance(pool.scheduler.failure, PoolFailedError)
    finish(pool, worker)
    finish(pool, worker)
    lose(pool, worker, exit_code=0)
    assert not pool.nodes


def test_limits_differ_from_worker_to_worker():
    pool = Pool(20, max_tasks_per_worker=1000, max_memory_per_worker=1000)
    for limits in ([node.task_limit for node in pool.nodes], [node.memory_limit for node in pool.nodes]):
        assert all(1000 * (1 - JITTER) <= limit <= 1000 for limit in limits)
        assert max(limits) - min(limits) > 75
        ordered = sorted(limits)
        assert min(b - a for a, b in pairwise(ordered)) >= 1


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
    scheduler.memory_measured(first, 899)
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
    # However often that goes wrong, the slot has a worker, which runs tasks as ever.
    for _ in range(10):
        [spare] = spares(pool)
        if spare.state == PLANNED:
            pool.wait(pool.scheduler.next_deadline() - pool.now)
        lose(pool, spare, exit_code=1)
    assert pool.scheduler.failure is None
    assert worker.state == READY
    assert pool.scheduler.next_deadline() - pool.now == pytest.approx(30.0)


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
    pool = Pool(1, max_tasks_per_worker=100)
    [worker] = pool.nodes
    tasks = [pool.submit(items=10) for _ in range(20)]
    for task in tasks:
        if not worker.sent:
            break
        for _ in range(9):
            pool.scheduler.items_done(worker, task.sequence, [0.001], pool.now, failed=False)
        finish(pool, worker, run_time=0.001)
    assert worker.task_limit <= worker.ran < worker.task_limit + 10
    assert len(spares(pool)) == 1


def test_items_that_are_handed_back_do_not_count():
    pool = Pool(1, max_tasks_per_worker=100)
    [worker] = pool.nodes
    task = pool.submit(items=10)
    pool.scheduler.items_done(worker, task.sequence, [0.001], pool.now, failed=False)
    pool.scheduler.task_cut(worker, task.sequence, pool.now)
    assert (worker.ran, worker.surplus) == (1, 0)
    task = pool.submit(items=10)
    pool.scheduler.tasks_returned(worker, [task.sequence], pool.now)
    assert worker.ran + worker.surplus + len(worker.sent) == 11
