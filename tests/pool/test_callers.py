from types import SimpleNamespace

import pytest

from poolifier.pool.callers import Callers
from poolifier.scheduler.task import Task
from tests.scheduler.support import function

PAGE = 512
"""Callers that are let go of together."""


def task(callers, data, future):
    return Task(callers.admit(data, future), function(), 0)


def test_each_task_has_its_own():
    callers = Callers()
    tasks = [task(callers, f"data {number}", f"future {number}") for number in range(3 * PAGE)]
    assert [each.id for each in tasks] == list(range(1, 3 * PAGE + 1))
    assert [callers.data(each) for each in tasks] == [f"data {number}" for number in range(3 * PAGE)]
    assert [callers.future(each) for each in tasks] == [f"future {number}" for number in range(3 * PAGE)]


def test_who_leaves_is_told_once():
    callers = Callers()
    first, second = task(callers, "data", "future"), task(callers, "other", "another")
    assert callers.leave(first) == "future"
    assert callers.leave(first) is None
    assert callers.future(first) is None
    assert callers.future(second) == "another"


@pytest.mark.parametrize("order", ["first", "last", "at once"])
def test_nothing_is_kept_of_those_who_have_left(order):
    callers = Callers()

    def pages():
        return sum(page is not None for page in callers._pages)

    if order == "at once":
        for _ in range(4 * PAGE):
            callers.leave(task(callers, None, "future"))
    else:
        tasks = [task(callers, None, "future") for _ in range(4 * PAGE)]
        assert pages() == 5
        for each in tasks if order == "first" else reversed(tasks):
            assert callers.leave(each) == "future"
        assert [callers.leave(each) for each in tasks] == [None] * 4 * PAGE
    assert pages() == len(callers._pages) == 1
    # One who stays keeps a page, and no more.
    stays = task(callers, None, "stays")
    for _ in range(4 * PAGE):
        callers.leave(task(callers, None, "future"))
    assert pages() == 2
    assert callers.leave(stays) == "stays"
    assert pages() == len(callers._pages) == 1


def test_what_was_given_is_let_go_of():
    class Data:
        def __del__(self):
            gone.append(self)

    gone = []
    callers = Callers()
    leaves = task(callers, Data(), SimpleNamespace())
    assert gone == []
    callers.leave(leaves)
    assert len(gone) == 1
