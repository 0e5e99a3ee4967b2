import pytest

from poolifier.scheduler.restarts import Restarts


def test_backs_off_exponentially_and_then_gives_up():
    restarts = Restarts((5, 10.0))
    delays = [restarts.crashed(0, now) for now in (0.0, 0.1, 0.2, 0.4, 0.8)]
    assert delays == [0.0, pytest.approx(0.05), pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.4)]
    assert restarts.crashed(0, 1.6) is None


def test_forgets_what_is_outside_the_window():
    restarts = Restarts((2, 10.0))
    assert restarts.crashed(0, 0.0) == 0.0
    assert restarts.crashed(0, 9.0) == pytest.approx(0.05)
    assert restarts.crashed(0, 10.0) == pytest.approx(0.05)  # that of 0.0 is just out
    assert restarts.crashed(0, 30.0) == 0.0


def test_slots_are_counted_apart():
    restarts = Restarts((1, 10.0))
    assert restarts.crashed(0, 0.0) == 0.0
    assert restarts.crashed(1, 0.0) == 0.0
    assert restarts.crashed(0, 1.0) is None


def test_a_limit_of_none_at_all():
    assert Restarts((0, 10.0)).crashed(0, 0.0) is None


def test_the_delay_runs_out():
    restarts = Restarts((5, 10.0))
    assert restarts.delay(0, 0.0) == 0.0
    for now in (0.0, 0.0, 0.0):
        restarts.crashed(0, now)
    assert restarts.delay(0, 0.04) == pytest.approx(0.06)
    assert restarts.delay(0, 5.0) == 0.0


def test_the_delay_is_at_most_the_window():
    restarts = Restarts((100, 2.0))
    delays = [restarts.crashed(0, 0.0) for _ in range(20)]
    assert max(delays) == 2.0
