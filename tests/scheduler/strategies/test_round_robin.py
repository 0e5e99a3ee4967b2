from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.scheduler.strategies.round_robin import RoundRobin
from tests.scheduler.support import candidate, candidates, choices


def strategy():
    return RoundRobin(WorkerChoiceStrategyOptions())


def test_takes_the_workers_in_turn():
    robin = strategy()
    candidates(robin, 3)
    assert choices(robin, 7) == [0, 1, 2, 0, 1, 2, 0]


def test_has_no_choice_without_workers():
    assert strategy().choose(0.0) is None


def test_keeps_its_place_as_workers_come_and_go():
    robin = strategy()
    workers = candidates(robin, 4)
    assert choices(robin, 2) == [0, 1]
    robin.worker_removed(workers[0])
    assert choices(robin, 2) == [2, 3]
    robin.worker_added(workers[0])
    assert choices(robin, 4) == [0, 1, 2, 3]
    assert choices(robin, 1) == [0]
    robin.worker_removed(workers[1])  # it would have been next
    assert choices(robin, 3) == [2, 3, 0]


def test_begins_at_the_lowest_slot_whoever_came_first():
    robin = strategy()
    for slot in (2, 0, 1):
        robin.worker_added(candidate(slot))
    assert choices(robin, 4) == [0, 1, 2, 0]


def test_a_removed_worker_is_never_chosen():
    robin = strategy()
    workers = candidates(robin, 3)
    choices(robin, 3)
    robin.worker_removed(workers[2])
    assert choices(robin, 4) == [0, 1, 0, 1]
