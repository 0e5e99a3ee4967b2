from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.scheduler.strategies.interleaved_weighted_round_robin import InterleavedWeightedRoundRobin
from tests.scheduler.support import candidate, candidates, choices


def strategy(count, weights=None, **options):
    interleaved = InterleavedWeightedRoundRobin(WorkerChoiceStrategyOptions(weights=weights, **options))
    return interleaved, candidates(interleaved, count)


def test_goes_through_the_rounds():
    interleaved, workers = strategy(3, weights={0: 100, 1: 200, 2: 300})
    for worker, seconds in zip(workers, (0.1, 0.2, 0.3), strict=True):
        interleaved.task_ended(worker, seconds, 0.0, 0.0)  # one task each fills the weight
    # Round 100: all three; round 200: those from 200 on; round 300: the last. Then again.
    assert choices(interleaved, 8) == [0, 1, 2, 1, 2, 2, 0, 1]


def test_takes_tasks_while_the_virtual_time_is_below_the_weight():
    interleaved, workers = strategy(2, weights={0: 100, 1: 200})
    for worker in workers:
        interleaved.task_ended(worker, 0.1, 0.0, 0.0)
    # Round 100: one of 0, two of 1. Round 200: two of 1.
    assert choices(interleaved, 6) == [0, 1, 1, 1, 1, 0]


def test_equal_weights_make_one_round():
    interleaved, workers = strategy(3)
    for worker in workers:
        interleaved.task_ended(worker, 0.4, 0.0, 0.0)
    assert choices(interleaved, 5) == [0, 1, 2, 0, 1]


def test_by_the_median_and_by_elu():
    interleaved, workers = strategy(2, weights={0: 100, 1: 100}, measurement="elu", elu={"median": True})
    for active in (0.05, 0.05, 9.0):
        interleaved.task_ended(workers[0], 7.0, 7.0, active)
    assert choices(interleaved, 3) == [0, 0, 1]


def test_begins_anew_when_workers_come_or_go():
    interleaved, workers = strategy(2, weights={0: 100, 1: 200, 2: 300})
    for worker in workers:
        interleaved.task_ended(worker, 0.3, 0.0, 0.0)
    assert choices(interleaved, 3) == [0, 1, 1]
    interleaved.worker_removed(workers[0])
    assert choices(interleaved, 2) == [1, 1]
    third = candidate(2)
    interleaved.worker_added(third)
    interleaved.task_ended(third, 0.3, 0.0, 0.0)
    assert choices(interleaved, 4) == [1, 2, 2, 1]
    interleaved.worker_removed(workers[1])
    interleaved.worker_removed(third)
    assert interleaved.choose(0.0) is None
