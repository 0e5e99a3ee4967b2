import random

import pytest

from poolifier.options import TasksQueueOptions
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.queues import DEAD_BEFORE_COMPACTION, TaskQueue
from poolifier.scheduler.task import ENDED, Task
from tests.scheduler.support import counts_looks, function, node

EVERYWHERE = Affinity(None)
WORKING = function(affinity=EVERYWHERE)


def queue(**options):
    return TaskQueue(node(), TasksQueueOptions(**{"size": 100, **options}))


def task(number, priority=0, at=0.0, of=WORKING):
    made = Task(number, of, priority)
    made.submitted_at = at
    return made


def filled(*tasks, **options):
    made = queue(**options)
    for each in tasks:
        made.push(each)
    return made


def drained(waiting, now):
    return [waiting.pop(now).id for _ in range(waiting.length)]


def test_first_in_first_out_among_equals():
    assert drained(filled(*(task(number) for number in range(1, 6))), now=9.0) == [1, 2, 3, 4, 5]


def test_the_lowest_nice_level_first():
    waiting = filled(task(1, 5), task(2, -5), task(3, 0), task(4, -5))
    assert drained(waiting, now=0.0) == [2, 4, 3, 1]


def test_waiting_makes_up_for_priority():
    # One nice level a second (the queue is all but empty, so the load adds nothing to speak of).
    def order(now):
        return drained(filled(task(1, 10, at=0.0), task(2, 0, at=9.5), load_exponent=0.0, aging_factor=0.5), now)

    # Rate 0.5 x (1 + load ** 0) = 1 a second: 10 - now against 0 - (now - 9.5). The head start is 9.5 s, short of 10.
    assert order(now=20.0) == [2, 1]
    waiting = filled(task(1, 10, at=0.0), task(2, 0, at=10.5), load_exponent=0.0, aging_factor=0.5)
    assert drained(waiting, now=20.0) == [1, 2]


def test_ageing_is_quickened_by_load():
    # The rate at 4 of 8, exponent 1: 2 x (1 + 0.5) = 3 a second.
    waiting = filled(*(task(number, number) for number in (1, 2, 3, 4)), size=8, load_exponent=1.0, aging_factor=2.0)
    assert waiting.aging_rate() == 3.0
    waiting.pop(0.0)
    assert waiting.aging_rate() == 2.0 * (1 + 3 / 8)


def test_load_counts_for_one_at_most():
    waiting = filled(*(task(number) for number in range(1, 6)), size=2, aging_factor=1.0)
    assert waiting.aging_rate() == 2.0


def test_without_ageing_priorities_are_absolute():
    waiting = filled(task(1, 1, at=0.0), task(2, 0, at=1e6), aging_factor=0.0)
    assert drained(waiting, now=2e6) == [2, 1]


def test_equal_effective_priorities_go_by_age():
    waiting = filled(task(1, 3, at=0.0), task(2, 0, at=3.0), aging_factor=0.5, load_exponent=0.0)
    assert drained(waiting, now=8.0) == [1, 2]


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 7.0])
def test_agrees_with_the_formula(factor):
    """Against working out every waiting task's effective priority every time."""
    pick = random.Random(f"{factor}")
    affinities = [WORKING, function(affinity=Affinity(frozenset({0}))), function(affinity=Affinity(frozenset({0, 1})))]
    waiting = queue(size=20, aging_factor=factor)
    alive, now, number = [], 0.0, 0
    for _ in range(3000):
        now += pick.random()
        action = pick.random()
        if action < 0.5 or not alive:
            number += 1
            alive.append(task(number, pick.choice((-20, -1, 0, 0, 7, 19)), now, pick.choice(affinities)))
            waiting.push(alive[-1])
        elif action < 0.6:
            gone = alive.pop(pick.randrange(len(alive)))
            gone.state = ENDED
            waiting.remove(gone)
        elif action < 0.7:
            back = alive.pop(pick.randrange(len(alive)))
            back.state = ENDED
            waiting.remove(back)
            again = task(back.id, back.priority, back.submitted_at, back.function)
            alive.append(again)
            waiting.push(again)
        else:
            load = min(1.0, len(alive) / 20)
            rate = factor * (1 + load ** (2 / 3))
            first = min(alive, key=lambda each: (each.priority - (now - each.submitted_at) * rate, each.id))
            assert waiting.pop(now) is first
            alive.remove(first)
        assert waiting.length == len(alive)
        assert [each.id for each in waiting] == sorted(each.id for each in alive)


def test_what_comes_back_is_as_old_as_it_is():
    waiting = filled(task(3), task(5), task(8))
    for number in (2, 1):  # the youngest first, as tasks are handed back: no sorting
        waiting.push(task(number))
    assert not waiting.shelves[0].lanes[0].unsorted
    waiting.push(task(4))
    assert waiting.shelves[0].lanes[0].unsorted
    assert drained(waiting, 0.0) == [1, 2, 3, 4, 5, 8]


def test_removing_is_lazy_but_for_the_head():
    tasks = [task(number) for number in range(1, 5)]
    waiting = filled(*tasks)
    lane = waiting.shelves[0].lanes[0]
    for position, dead in ((1, 1), (2, 2)):
        tasks[position].state = ENDED
        waiting.remove(tasks[position])
        assert lane.dead == dead
    tasks[0].state = ENDED
    waiting.remove(tasks[0])
    assert (lane.dead, len(lane.tasks)) == (0, 1)  # with the head go the dead behind it
    assert drained(waiting, 0.0) == [4]
    assert waiting.shelves[0].lanes == []


def test_removing_the_last_leaves_nothing_to_pop():
    only = task(1)
    waiting = filled(only)
    only.state = ENDED
    waiting.remove(only)
    assert waiting.length == 0
    assert list(waiting) == []


def test_memory_follows_what_waits():
    tasks = [task(number) for number in range(1, 1001)]
    waiting = filled(*tasks)
    for each in tasks[1:]:
        each.state = ENDED
        waiting.remove(each)
        lane = waiting.shelves[0].lanes[0]
        assert len(lane.tasks) <= max(2 * waiting.length, waiting.length + DEAD_BEFORE_COMPACTION) + 1
    assert drained(waiting, 0.0) == [1]


def test_a_thief_takes_from_one_shelf():
    mine = function(affinity=Affinity(frozenset({0})))
    waiting = filled(task(1, -20, of=mine), task(2, 3), task(3, 1), task(4, 1))
    shelf = next(shelf for shelf in waiting.shelves if shelf.affinity is EVERYWHERE)
    assert [waiting.pop_from(shelf, 0.0).id for _ in range(3)] == [3, 4, 2]
    assert shelf.length == 0
    assert drained(waiting, 0.0) == [1]


def test_drains_everything_or_what_may_run_somewhere():
    here, there = function(affinity=Affinity(frozenset({0}))), function(affinity=Affinity(frozenset({1})))
    waiting = filled(task(1, of=there), task(2, of=here), task(3), task(4, -3, of=here))
    dead = task(5)
    waiting.push(dead)
    dead.state = ENDED
    waiting.remove(dead)
    assert [each.id for each in waiting.drain(node())] == [2, 3, 4]
    assert waiting.length == 1
    assert [each.id for each in waiting.drain()] == [1]
    assert waiting.drain() == []
    waiting.push(task(6))
    assert drained(waiting, 0.0) == [6]


def test_counts_what_waits_by_affinity():
    affinity = Affinity(None)
    pinned = function(affinity=affinity)
    first, second = queue(), queue()
    tasks = [task(number, of=pinned) for number in (1, 2, 3)]
    first.push(tasks[0])
    first.push(tasks[1])
    second.push(tasks[2])
    assert affinity.waiting == 3
    tasks[1].state = ENDED
    first.remove(tasks[1])
    first.pop(0.0)
    assert affinity.waiting == 1
    second.drain()
    assert affinity.waiting == 0


@counts_looks
def test_looks_at_no_more_than_the_heads():
    """A push or pop touches the nice levels present, however many tasks wait."""

    class Counted(Task):
        looked_at = 0

        def __getattribute__(self, name):
            if name == "submitted_at":
                Counted.looked_at += 1
            return super().__getattribute__(name)

    waiting = queue(size=10_000)

    for number in range(1, 10_001):
        waiting.push(Counted(number, WORKING, number % 3))
    Counted.looked_at = 0
    waiting.pop(1.0)
    assert Counted.looked_at <= 3
