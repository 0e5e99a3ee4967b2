import gc
import signal
from types import SimpleNamespace

import pytest

from poolifier import compiled
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


@pytest.mark.once
def test_a_caller_who_stays_for_long_costs_no_more_than_others():
    """A stream may never end, and a pool may run a billion tasks meanwhile."""
    callers = Callers()
    stays = [task(callers, f"data {number}", f"stays {number}") for number in range(3)]
    for _ in range(300 * PAGE):
        callers.leave(task(callers, None, "future"))
    stays += [task(callers, f"data {number}", f"stays {number}") for number in range(3, 5)]
    for _ in range(300 * PAGE):
        callers.leave(task(callers, None, "future"))
    assert len(callers._pages) < 100
    assert len(callers) == 5
    assert [callers.data(each) for each in stays] == [f"data {number}" for number in range(5)]
    assert [callers.future(each) for each in stays] == [f"stays {number}" for number in range(5)]
    assert [callers.leave(each) for each in stays] == [f"stays {number}" for number in range(5)]
    assert [callers.leave(each) for each in stays] == [None] * 5
    assert [callers.future(each) for each in stays] == [None] * 5
    assert len(callers) == 0
    assert not callers._long


def test_who_leaves_may_make_others_leave():
    """The data of a task may be the last to know something of the user's, whose end cancels another task."""

    class Data:
        def __init__(self, others):
            self.others = others

        def __del__(self):
            for other in self.others:
                callers.leave(other)

    callers = Callers()
    first = [task(callers, None, "first") for _ in range(PAGE - 1)]
    leaves = task(callers, Data(first), "leaves")
    rest = [task(callers, number, f"rest {number}") for number in range(2 * PAGE)]
    for each in rest[: PAGE - 1]:
        callers.leave(each)
    assert callers.leave(leaves) == "leaves"
    assert [callers.data(each) for each in rest[PAGE - 1 :]] == list(range(PAGE - 1, 2 * PAGE))
    assert [callers.leave(each) for each in rest[PAGE - 1 :]] == [f"rest {at}" for at in range(PAGE - 1, 2 * PAGE)]
    assert len(callers) == 0


def test_what_is_collected_while_a_caller_comes_may_submit():
    """A page is something that the garbage collector counts, so it may run where one is made."""

    class Garbage:
        def __init__(self):
            self.itself = self

        def __del__(self):
            admitted.append(task(callers, "late data", "late"))

    callers = Callers()
    admitted, tasks = [], []
    thresholds = gc.get_threshold()
    try:
        for number in range(4 * PAGE):
            Garbage()
            gc.set_threshold(1)
            tasks.append(task(callers, number, f"future {number}"))
            gc.set_threshold(0)
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert len(admitted) == 4 * PAGE
    assert len({each.id for each in [*admitted, *tasks]}) == 8 * PAGE
    assert [callers.data(each) for each in tasks] == list(range(4 * PAGE))
    assert [callers.future(each) for each in tasks] == [f"future {number}" for number in range(4 * PAGE)]
    assert {callers.leave(each) for each in admitted} == {"late"}


class Interrupted(BaseException):
    """A signal has come."""


@pytest.mark.skipif(compiled, reason="compiled code is not interrupted between its lines")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such timers")
def test_a_signal_that_raises_in_the_middle_mixes_up_nobody():
    callers = Callers()
    admitted, armed, interrupts, number = [], False, 0, 0

    def interrupt(signum, frame):
        if armed:
            raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    gc.disable()  # or it may come in a callback of the collector's, which drops what it raises
    try:
        for attempt in range(5000):
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, (attempt % 50 + 1) * 1e-6)
                for _ in range(100):
                    number += 1
                    admitted.append((callers.admit(number, f"future {number}"), number))
                armed = False
            except Interrupted:
                armed = False
                interrupts += 1
    finally:
        gc.enable()
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert interrupts > 1000
    assert len(admitted) > PAGE
    for each, given in admitted:
        made = Task(each, function(), 0)
        assert callers.data(made) == given
        assert callers.leave(made) == f"future {given}"
