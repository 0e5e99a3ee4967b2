from math import inf

from poolifier.options import TasksQueueOptions
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.node import PLANNED, READY, STARTING, Node
from poolifier.scheduler.sizing import Sizing
from poolifier.scheduler.task import Task
from poolifier.task_functions import KillBehavior
from tests.scheduler.support import function


def node(number, slot, *, dynamic=True, kill=KillBehavior.SOFT):
    made = Node(number, slot, dynamic=dynamic, options=TasksQueueOptions(size=4), now=0.0)
    made.kill_behavior = kill
    return made


def occupied(sizing, *nodes):
    for each in nodes:
        sizing.occupy(each)
        each.state = READY
    return nodes


def test_the_lowest_free_slot_first():
    sizing = Sizing(0, 4, dynamic=True)
    first, second, third = occupied(sizing, node(1, 0), node(2, 1), node(3, 3))
    assert sizing.free_slot() == 2
    sizing.vacate(second)
    assert sizing.free_slot() == 1
    occupied(sizing, node(4, 2), node(5, 1))
    assert sizing.free_slot() is None
    assert not sizing.growable
    sizing.vacate(first)
    sizing.vacate(third)
    assert sizing.free_slot() == 0
    assert sizing.growable


def test_the_lowest_free_slot_of_an_affinity():
    sizing = Sizing(0, 4, dynamic=True)
    affinity = Affinity(frozenset({1, 2, 9}))
    (first,) = occupied(sizing, node(1, 1))
    assert sizing.free_slot(affinity) == 2
    occupied(sizing, node(2, 2))
    assert sizing.free_slot(affinity) is None
    assert sizing.free_slot(affinity) is None  # without looking again
    sizing.vacate(first)
    assert sizing.free_slot(affinity) == 1


def test_a_fixed_pool_never_grows():
    sizing = Sizing(2, 2, dynamic=False)
    assert not sizing.growable
    first, _ = occupied(sizing, node(1, 0, dynamic=False), node(2, 1, dynamic=False))
    sizing.vacate(first)
    assert not sizing.growable
    assert sizing.missing() == 1


def test_dynamic_workers_do_not_count_towards_the_minimum():
    sizing = Sizing(2, 4, dynamic=True)
    occupied(sizing, node(1, 0), node(2, 1, dynamic=False))
    assert sizing.missing() == 1


def test_planned_workers_are_started_in_time():
    sizing = Sizing(0, 4, dynamic=True)
    first, second, third = node(1, 0), node(2, 1), node(3, 2)
    for each, at in ((first, 3.0), (second, 1.0), (third, 2.0)):
        sizing.occupy(each)
        sizing.plan(each, at)
        assert each.state == PLANNED
    assert sizing.next_start() == 1.0
    sizing.vacate(third)
    assert sizing.due(2.5) == [second]
    second.state = STARTING
    assert sizing.next_start() == 3.0
    assert sizing.due(3.0) == [first]
    assert sizing.next_start() == inf


def test_idle_dynamic_workers_may_leave():
    sizing = Sizing(1, 4, dynamic=True)
    idle, later, fixed = occupied(sizing, node(1, 0), node(2, 1), node(3, 2, dynamic=False))
    later.active_since = 30.0
    fixed.active_since = 0.0
    for each in (idle, later, fixed):
        sizing.watch(each, 0.0)
    assert sizing.retire_at == 60.0
    assert sizing.inactive(60.0) == [idle]
    assert sizing.retire_at == 90.0


def test_soft_waits_for_work_to_end_hard_does_not():
    sizing = Sizing(0, 4, dynamic=True)
    soft, hard, queueing = occupied(
        sizing, node(1, 0), node(2, 1, kill=KillBehavior.HARD), node(3, 2, kill=KillBehavior.HARD)
    )
    for each in (soft, hard, queueing):
        each.load = 1
        each.sent[1] = Task(each.id, function(), 0)
    queueing.load = 2
    assert sizing.inactive(60.0) == [hard]
    assert sizing.retire_at == 120.0  # looked at again: something waits for it


def test_a_hard_worker_that_got_a_task_of_late_is_not_inactive():
    sizing = Sizing(0, 4, dynamic=True)
    (hard,) = occupied(sizing, node(1, 0, kill=KillBehavior.HARD))
    hard.quota = hard.capacity = 2
    hard.load = 2
    for number, at in ((1, 0.0), (2, 50.0)):
        hard.sent[number] = Task(number, function(), 0)
        hard.sent[number].submitted_at = at
    assert sizing.inactive(60.0) == []
    assert sizing.retire_at == 110.0
