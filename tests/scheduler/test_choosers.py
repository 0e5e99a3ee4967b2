import pytest

from poolifier.options import TasksQueueOptions, WorkerChoiceStrategy, WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy
from poolifier.scheduler.choosers import Choosers
from poolifier.scheduler.node import Node


class Listener(Strategy):
    """A user's own that writes down what it hears."""

    def __init__(self, options):
        self.options = options
        self.heard = []

    def worker_added(self, worker):
        self.heard.append(("added", worker.slot))

    def worker_removed(self, worker):
        self.heard.append(("removed", worker.slot))

    def choose(self, now):
        return None

    def load_changed(self, worker):
        self.heard.append(("load", worker.slot))

    def task_ended(self, worker, run_time, wait_time, active_time):
        self.heard.append(("ended", worker.slot, run_time, wait_time, active_time))


def choosers(strategy=WorkerChoiceStrategy.LEAST_USED, **options):
    return Choosers(strategy, WorkerChoiceStrategyOptions(**options))


def node(slot):
    return Node(slot + 1, slot, dynamic=False, options=TasksQueueOptions(size=4), now=0.0)


def test_one_object_per_set_of_slots():
    made = choosers()
    assert made.affinity((1, 2)) is made.affinity([2, 1])
    assert made.affinity(None) is made.affinities[0]
    assert made.affinity((1, 2)).slots == frozenset({1, 2})


def test_one_object_per_strategy_and_affinity():
    made = choosers()
    everywhere, some = made.affinity(None), made.affinity((1,))
    assert made.chooser(None, everywhere) is made.chooser("least_used", everywhere)
    assert made.chooser(None, some) is not made.chooser(None, everywhere)
    assert made.chooser("fair_share", some) is made.chooser(WorkerChoiceStrategy.FAIR_SHARE, some)


def test_a_users_own_class_is_told_of_workers_loads_and_ends():
    made = choosers(Listener, measurement="elu")
    chooser = made.chooser(None, made.affinity(None))
    assert chooser.options.measurement == "elu"
    worker = node(0)
    made.add(worker)
    made.add(worker)
    for load_changed in made.load_watchers:
        load_changed(worker)
    for task_ended in made.end_watchers:
        task_ended(worker, 1.0, 2.0, 3.0)
    made.remove(worker)
    made.remove(worker)
    assert chooser.heard == [("added", 0), ("load", 0), ("ended", 0, 1.0, 2.0, 3.0), ("removed", 0)]


def test_a_chooser_hears_only_of_workers_that_its_affinity_allows():
    made = choosers(Listener)
    chooser = made.chooser(None, made.affinity((1,)))
    for worker in (node(0), node(1)):
        made.add(worker)
        for load_changed in made.load_watchers:
            load_changed(worker)
        for task_ended in made.end_watchers:
            task_ended(worker, 1.0, 2.0, 3.0)
    assert chooser.heard == [("added", 1), ("load", 1), ("ended", 1, 1.0, 2.0, 3.0)]


def test_who_does_not_listen_costs_nothing():
    made = choosers(WorkerChoiceStrategy.ROUND_ROBIN)
    assert made.load_watchers == made.end_watchers == ()
    made.chooser("least_used", made.affinity(None))
    made.chooser("fair_share", made.affinity(None))
    assert len(made.load_watchers) == len(made.end_watchers) == 1
    made.change(WorkerChoiceStrategy.ROUND_ROBIN, WorkerChoiceStrategyOptions())
    assert made.load_watchers == made.end_watchers == ()


def test_a_chooser_that_comes_late_hears_of_the_workers_there_are():
    made = choosers()
    made.add(node(0))
    assert made.chooser(Listener, made.affinity(None)).heard == [("added", 0)]
    made.change(Listener, WorkerChoiceStrategyOptions())
    assert made.chooser(None, made.affinity(None)).heard == [("added", 0)]


def test_a_class_that_cannot_be_made_changes_nothing():
    class Broken(Listener):
        def __init__(self, options):
            raise ValueError("no weights")

    made = choosers(Listener)
    worker, before = node(0), made.chooser(None, made.affinity(None))
    with pytest.raises(ValueError, match="no weights"):
        made.change(Broken, WorkerChoiceStrategyOptions())
    made.add(worker)
    assert made.chooser(None, made.affinity(None)) is before
    assert before.heard == [("added", 0)]


def test_a_class_that_can_be_made_for_some_workers_only_changes_nothing():
    class Once(Listener):
        left = 1

        def __init__(self, options):
            if not Once.left:
                raise ValueError("not twice")
            Once.left -= 1
            super().__init__(options)

    made = choosers(Listener)
    affinities = [made.affinity(slots) for slots in (None, (0,))]
    choices = [made.choice(None, affinity) for affinity in affinities]
    before, choosing = ([made.chooser(None, affinity) for affinity in affinities], made.made.copy())
    worker = node(0)
    with pytest.raises(ValueError, match="not twice"):
        made.change(Once, WorkerChoiceStrategyOptions())
    assert [made.chooser(None, affinity) for affinity in affinities] == before
    assert [made.made[choice] for choice in choices] == choosing
    made.add(worker)
    for load_changed in made.load_watchers:
        load_changed(worker)
    assert [chooser.heard for chooser in before] == [[("added", 0), ("load", 0)]] * 2
