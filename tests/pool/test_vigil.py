import pytest

from poolifier.pool import vigil
from poolifier.pool.vigil import Vigil
from poolifier.wire import patience

QUICK = 50e-6


class Loop:
    """An event loop that turns when it is told to."""

    def __init__(self):
        self.soon = []

    def call_soon(self, callback):
        self.soon.append(callback)

    def turn(self):
        callbacks, self.soon = self.soon, []
        for callback in callbacks:
            callback()
        return len(callbacks)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(vigil, "monotonic", lambda: Clock.now)
    monkeypatch.setattr(patience, "_MAY_STAY", True)
    return Clock


def answered(subject, clock, seconds):
    subject.asked()
    clock.now += seconds
    subject.heard(clock.now)


def test_the_loop_may_sleep_while_nothing_is_known(clock):
    loop = Loop()
    Vigil(loop).asked()
    assert not loop.soon


def test_the_loop_turns_until_the_answer_is_there(clock):
    loop = Loop()
    subject = Vigil(loop)
    for _ in range(100):
        answered(subject, clock, QUICK)
        loop.turn()
    subject.asked()
    for _ in range(3):
        clock.now += QUICK / 10
        assert loop.turn() == 1
    subject.heard(clock.now)
    assert [loop.turn(), loop.turn()] == [1, 0]


def test_the_loop_may_sleep_when_the_answer_is_late(clock):
    loop = Loop()
    subject = Vigil(loop)
    for _ in range(100):
        answered(subject, clock, QUICK)
        loop.turn()
    subject.asked()
    assert loop.turn() == 1
    clock.now += 0.001
    assert [loop.turn(), loop.turn()] == [1, 0]


def test_several_tasks_are_one_vigil(clock):
    loop = Loop()
    subject = Vigil(loop)
    for _ in range(100):
        answered(subject, clock, QUICK)
        loop.turn()
    subject.asked()
    began = subject.asked_at
    clock.now += QUICK / 10
    subject.asked()
    assert subject.asked_at == began
    assert len(loop.soon) == 1


def test_tasks_that_take_long_keep_no_loop_awake(clock):
    loop = Loop()
    subject = Vigil(loop)
    for _ in range(100):
        answered(subject, clock, 0.01)
        assert loop.turn() == 0
