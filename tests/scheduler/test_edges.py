from poolifier.scheduler.edges import Edges
from poolifier.scheduler.sizing import Sizing


class Pool:
    """The states of a pool whose workers come and go by decree."""

    def __init__(self, minimum=2, maximum=2, *, dynamic=False):
        self.edges = Edges()
        self.sizing = Sizing(minimum, maximum, dynamic=dynamic)
        self.effects = []

    def check(self, workers=2, *, busy=False, pressed=0):
        """The events of a look at so many workers."""
        self.effects.clear()
        self.sizing.by_slot = dict.fromkeys(range(workers))
        self.edges.check(self.effects, self.sizing, busy=busy, pressed=pressed)
        return [effect.event for effect in self.effects]


def test_reports_changes_once():
    pool = Pool()
    looks = [pool.check(busy=busy) for busy in (False, True, True, False, False, True)]
    assert looks == [[], ["busy"], [], ["busy_end"], [], ["busy"]]


def test_only_a_pool_with_all_its_workers_is_busy():
    pool = Pool(1, 2, dynamic=True)
    assert pool.check(1, busy=True) == []
    assert pool.check(2, busy=True) == ["busy", "full"]


def test_empty_has_no_end():
    pool = Pool(0, 2, dynamic=True)
    assert pool.check(0) == []
    pool.sizing.vacated = 1
    looks = [pool.check(workers) for workers in (0, 1, 0)]
    assert looks == [["empty"], [], ["empty"]]


def test_states_are_apart():
    pool = Pool()
    assert pool.check(busy=True, pressed=2) == ["busy", "back_pressure"]
    assert pool.check(busy=False, pressed=2) == ["busy_end"]
    assert pool.check(busy=True, pressed=1) == ["busy", "back_pressure_end"]


def test_looking_takes_the_change_as_seen():
    pool = Pool()
    pool.edges.changed = True
    pool.check()
    assert not pool.edges.changed
