import pytest

from poolifier.wire import patience
from poolifier.wire.patience import Patience

ANSWER, WOKEN, HOGGED = 30e-6, 90e-6, 400e-6


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch):
    monkeypatch.setattr(patience, "_MAY_STAY", True)


def waits(subject, count, *, awake, asleep):
    """Plays so many waits, which take as long as they do the one way and the other; returns which ways were taken."""
    ways = []
    for _ in range(count):
        seconds = subject.begin()
        ways.append(seconds > 0)
        subject.end(awake if ways[-1] else asleep, stayed=ways[-1])
    return ways


def test_sleeps_until_answers_are_known_to_come_soon():
    assert Patience().begin() == 0.0
    assert not any(waits(Patience(), 100, awake=ANSWER, asleep=0.01))


def test_stays_awake_where_that_is_faster():
    subject = Patience()
    waits(subject, 200, awake=ANSWER, asleep=WOKEN)
    assert sum(waits(subject, 640, awake=ANSWER, asleep=WOKEN)) == 630


def test_sleeps_where_staying_awake_keeps_others_from_the_cpu():
    subject = Patience()
    waits(subject, 1_000, awake=HOGGED, asleep=WOKEN)
    assert sum(waits(subject, 640, awake=HOGGED, asleep=WOKEN)) == 10


def test_finds_out_when_the_other_way_has_become_the_faster():
    subject = Patience()
    for awake in (ANSWER, HOGGED, ANSWER):
        waits(subject, 3_000, awake=awake, asleep=WOKEN)
        assert (sum(waits(subject, 64, awake=awake, asleep=WOKEN)) > 32) is (awake == ANSWER)


def test_one_long_wait_changes_nothing():
    subject = Patience()
    waits(subject, 200, awake=ANSWER, asleep=WOKEN)
    subject.end(5.0, stayed=True)
    assert sum(waits(subject, 64, awake=ANSWER, asleep=WOKEN)) == 63


def test_sleeps_as_soon_as_answers_take_long():
    subject = Patience()
    waits(subject, 200, awake=ANSWER, asleep=WOKEN)
    assert sum(waits(subject, 100, awake=0.05, asleep=0.05)) < 8


def test_stays_awake_for_a_fraction_of_a_millisecond():
    subject = Patience()
    for _ in range(1_000):
        seconds = subject.begin()
        assert 0.0 <= seconds <= 0.0003
        subject.end(WOKEN * 4, stayed=seconds > 0)


def test_never_stays_awake_on_a_single_cpu(monkeypatch):
    monkeypatch.setattr(patience, "_MAY_STAY", False)
    assert not any(waits(Patience(), 200, awake=ANSWER, asleep=WOKEN))
