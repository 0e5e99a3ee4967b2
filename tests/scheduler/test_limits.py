"""Time limits count running time; patience ends with a kill."""

from poolifier.errors import TaskTimeoutError
from poolifier.scheduler import effects as effect
from poolifier.scheduler.task import Task, TaskExtra
from tests.scheduler.support import Pool


def submit(pool, timeout):
    pool.last_id += 1
    task = Task(pool.last_id, pool.scheduler.functions.find("default"), 0)
    task.extra = TaskExtra(0, timeout)
    pool.scheduler.submit(task, pool.now)
    pool.pump()
    return task


def test_a_limit_counts_from_the_start():
    pool = Pool(1)
    first, second = submit(pool, 1.0), submit(pool, 1.0)
    pool.wait(0.9)
    pool.done(first, 0.9)
    pool.wait(0.9)
    assert pool.failed() == {}
    pool.wait(0.1)
    assert isinstance(pool.failed()[second.id], TaskTimeoutError)
    assert [wanted.sequence for wanted in pool.wanted(effect.AbortTask)] == [second.sequence]


def test_a_task_that_does_not_stop_costs_its_worker_the_life():
    pool = Pool(1, abort_grace=0.5)
    task = submit(pool, 1.0)
    pool.wait(1.0)
    pool.wait(0.4)
    assert pool.wanted(effect.KillWorker) == []
    pool.wait(0.1)
    assert [wanted.node for wanted in pool.wanted(effect.KillWorker)] == [task.node]
    pool.lose(task.node, started=1)
    # That was no crash of its own: it is replaced at once, and the task counts as failed, once.
    assert len(pool.wanted(effect.StartWorker)) == 2
    assert pool.scheduler.books.retired.counts() == (0, 1, 0, 0)


def test_a_worker_that_does_not_leave_is_killed():
    pool = Pool((0, 1), ready=False, inactive=1.0, destroy_timeout=3.0)
    task = pool.submit()
    pool.all_ready()
    pool.done(task)
    node = pool.nodes[0]
    pool.wait(1.0)
    assert pool.wanted(effect.StopWorker)
    pool.wait(2.9)
    assert pool.wanted(effect.KillWorker) == []
    pool.wait(0.1)
    assert [wanted.node for wanted in pool.wanted(effect.KillWorker)] == [node]


def test_a_hundred_thousand_limits_are_a_heap_of_those_that_run():
    pool = Pool(2, check=False)
    tasks = [submit(pool, 60.0) for _ in range(100_000)]
    limits = pool.scheduler.limits
    assert len(limits._timed) == 2
    for task in tasks[:5_000]:
        pool.now += 0.001
        pool.done(task, 0.001)
    # What has ended is swept out as it outnumbers what runs.
    assert len(limits._timed) < 5_000
    assert pool.failed() == {}
