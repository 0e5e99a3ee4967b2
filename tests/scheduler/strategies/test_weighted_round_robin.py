import pytest

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.scheduler.strategies.weighted_round_robin import WeightedRoundRobin
from tests.scheduler.support import candidates, choices


def strategy(count, weights=None, **options):
    weighted = WeightedRoundRobin(WorkerChoiceStrategyOptions(weights=weights, **options))
    return weighted, candidates(weighted, count)


def test_stays_until_the_weight_is_used_up():
    weighted, workers = strategy(3, weights={0: 200, 1: 100, 2: 300})
    for worker in workers:
        weighted.task_ended(worker, 0.1, 0.0, 0.0)  # 100 ms each
    assert choices(weighted, 8) == [0, 0, 1, 2, 2, 2, 0, 0]


def test_a_task_may_go_over_the_weight():
    weighted, workers = strategy(2, weights={0: 100, 1: 100})
    weighted.task_ended(workers[0], 0.06, 0.0, 0.0)  # 60 ms: the second one ends at 120
    weighted.task_ended(workers[1], 0.5, 0.0, 0.0)
    assert choices(weighted, 6) == [0, 0, 1, 0, 0, 1]


def test_a_worker_that_nothing_is_known_of_keeps_its_turn():
    weighted, workers = strategy(2, weights={0: 100, 1: 100})
    assert choices(weighted, 3) == [0, 0, 0]
    weighted.task_ended(workers[0], 0.1, 0.0, 0.0)
    assert choices(weighted, 3) == [0, 1, 1]


def test_the_wait_counts_unless_told_otherwise():
    both, workers = strategy(2, weights={0: 100, 1: 100})
    active, others = strategy(2, weights={0: 100, 1: 100}, measurement="elu")
    both.task_ended(workers[0], 0.05, 0.05, 0.02)
    active.task_ended(others[0], 0.05, 0.05, 0.02)
    assert choices(both, 2) == [0, 1]
    assert choices(active, 6) == [0, 0, 0, 0, 0, 1]


def test_by_the_median():
    weighted, workers = strategy(2, weights={0: 100, 1: 100}, run_time={"median": True}, measurement="run_time")
    for run_time in (0.05, 0.05, 9.0):
        weighted.task_ended(workers[0], run_time, 0.0, 0.0)
    assert choices(weighted, 3) == [0, 0, 1]


def test_without_weights_each_gets_the_same():
    weighted, workers = strategy(2)
    for worker in workers:
        weighted.task_ended(worker, 0.2, 0.0, 0.0)
    assert choices(weighted, 6) == [0, 0, 1, 1, 0, 0]


def test_the_turn_passes_on_when_its_worker_leaves():
    weighted, workers = strategy(3, weights=dict.fromkeys(range(3), 100))
    for worker in workers:
        weighted.task_ended(worker, 0.05, 0.0, 0.0)
    assert choices(weighted, 3) == [0, 0, 1]
    weighted.worker_removed(workers[1])
    assert choices(weighted, 4) == [2, 2, 0, 0]
    weighted.worker_removed(workers[0])
    weighted.worker_removed(workers[2])
    assert weighted.choose(0.0) is None


@pytest.mark.parametrize("count", [2, 5])
def test_shares_are_in_proportion_to_the_weights(count):
    weights = {slot: 100.0 * (slot + 1) for slot in range(count)}
    weighted, workers = strategy(count, weights=weights)
    for worker in workers:
        weighted.task_ended(worker, 0.01, 0.0, 0.0)
    round_ = sum(10 * (slot + 1) for slot in range(count))
    taken = choices(weighted, round_ * 3)
    assert [taken.count(slot) for slot in range(count)] == [30 * (slot + 1) for slot in range(count)]
