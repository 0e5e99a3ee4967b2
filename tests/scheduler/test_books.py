"""Whatever ends is booked once, and for as many items as it stands for."""

import pytest

from poolifier.scheduler.task import Task, TaskExtra
from tests.scheduler.support import Pool


def submit(pool, items):
    pool.last_id += 1
    task = Task(pool.last_id, pool.scheduler.functions.find("default"), 0)
    task.extra = TaskExtra()
    task.extra.items = items
    pool.scheduler.submit(task, pool.now)
    pool.pump()
    return task


def test_items_count_as_tasks():
    pool = Pool(1)
    task = submit(pool, 4)
    books = pool.scheduler.books
    assert (books.submitted, books.surplus) == (4, 3)
    for failed in (False, True, False):
        pool.scheduler.items_done(task.node, task.sequence, [0.1], pool.now, failed=failed)
        pool.pump()
    assert books.surplus == 0
    node = task.node
    pool.done(task)
    assert node.usage.counts() == (3, 1, 0, 0)


def test_a_run_counts_as_all_its_items():
    pool = Pool(1)
    task = submit(pool, 100)
    node, function = task.node, task.function
    assert pool.scheduler.run_done(node, task.sequence, [60, 40], [1.0, 1.0], 100.0, pool.now) is None
    assert pool.scheduler.run_done(node, 77, [1], [1.0], 1.0, pool.now) is None
    assert pool.scheduler.run_done(node, task.sequence, [60, 39], [0.001, 0.003], 0.177, pool.now) is task
    pool.pump()
    assert (pool.scheduler.books.submitted, pool.scheduler.books.surplus) == (100, 0)
    assert node.usage.counts() == (99, 0, 0, 0)
    assert node.usage.total().run_time.total == pytest.approx(0.177)
    estimate = function.estimate
    assert estimate == pytest.approx(0.177 / 99, rel=0.01)
    # However long one of many takes, it is one of many.
    pool.done(task, run_time=50.0)
    assert function.estimate == estimate
    assert node.usage.counts() == (100, 0, 0, 0)


def test_a_few_groups_that_took_long_do_not_make_the_next_chunks_small():
    pool = Pool(1)
    task = submit(pool, 1000)
    pool.scheduler.run_done(task.node, task.sequence, [32] * 10, [0.001] * 9 + [1.0], 32.288, pool.now)
    assert task.function.estimate == pytest.approx(0.002)
    assert task.node.usage.total().run_time.total == pytest.approx(32.288)


def test_a_crash_fails_one_item_and_gives_the_rest_back():
    pool = Pool(1)
    task = submit(pool, 4)
    pool.scheduler.items_done(task.node, task.sequence, [0.1], pool.now, failed=False)
    pool.lose(task.node, started=1)
    books = pool.scheduler.books
    assert (books.submitted, books.surplus) == (2, 0)
    assert books.retired.counts() == (1, 1, 0, 0)


def test_a_crash_of_which_nothing_is_known_fails_all_items():
    pool = Pool(1)
    task = submit(pool, 4)
    pool.scheduler.items_done(task.node, task.sequence, [0.1], pool.now, failed=False)
    pool.lose(task.node, started=1, certain=False)
    books = pool.scheduler.books
    assert (books.submitted, books.surplus) == (4, 0)
    assert books.retired.counts() == (1, 3, 0, 0)
    assert task.extra.lost


def test_what_is_dropped_is_dropped_with_all_its_items():
    pool = Pool(1)
    pool.submit()
    waiting = submit(pool, 5)
    pool.abort(waiting)
    books = pool.scheduler.books
    assert (books.submitted, books.surplus) == (6, 0)
    assert pool.nodes[0].usage.counts() == (0, 0, 5, 0)
