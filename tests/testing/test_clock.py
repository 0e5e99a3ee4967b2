from math import inf

from poolifier.testing import VirtualClock


def test_calls_come_in_order_of_time_and_then_of_planning():
    clock, heard = VirtualClock(), []
    clock.at(2.0, heard.append, "c")
    clock.at(1.0, heard.append, "a")
    clock.at(2.0, heard.append, "d")
    clock.after(1.0, heard.append, "b")
    assert clock.next_at == 1.0
    clock.run()
    assert heard == ["a", "b", "c", "d"]
    assert (clock.now, clock.next_at) == (2.0, inf)


def test_runs_until_then_and_no_further():
    clock, heard = VirtualClock(), []
    clock.at(1.0, heard.append, 1)
    clock.at(5.0, heard.append, 5)
    clock.run(until=3.0)
    assert (heard, clock.now) == ([1], 3.0)
    clock.advance(2.0)
    assert (heard, clock.now) == ([1, 5], 5.0)


def test_what_is_planned_meanwhile_counts():
    clock, heard = VirtualClock(), []

    def again(left):
        heard.append(clock.now)
        if left:
            clock.after(1.0, again, left - 1)

    clock.at(0.0, again, 3)
    clock.run(until=2.0)
    assert heard == [0.0, 1.0, 2.0]


def test_time_never_goes_back():
    clock, heard = VirtualClock(10.0), []
    clock.at(3.0, lambda: heard.append(clock.now))
    clock.run()
    assert heard == [10.0]


def test_steps():
    clock, heard = VirtualClock(), []
    clock.at(1.0, heard.append, 1)
    assert clock.step()
    assert not clock.step()
    assert heard == [1]
