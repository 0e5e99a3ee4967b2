from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.scheduler.strategies.least_busy import LeastBusy
from tests.scheduler.support import candidate, candidates, choices


def strategy():
    return LeastBusy(WorkerChoiceStrategyOptions())


def test_takes_the_least_accumulated_wait_and_run_time():
    busy = strategy()
    workers = candidates(busy, 3)
    busy.task_ended(workers[0], 1.0, 0.5, 0.0)  # 1.5
    busy.task_ended(workers[1], 0.2, 1.0, 0.0)  # 1.2
    busy.task_ended(workers[2], 1.3, 0.0, 0.0)  # 1.3
    assert choices(busy, 2) == [1, 1]
    busy.task_ended(workers[1], 0.2, 0.0, 0.0)  # 1.4
    assert choices(busy, 1) == [2]
    busy.task_ended(workers[2], 0.0, 0.3, 0.0)  # 1.6
    assert choices(busy, 1) == [1]


def test_a_worker_that_joins_has_done_nothing_yet():
    busy = strategy()
    workers = candidates(busy, 2)
    for worker in workers:
        busy.task_ended(worker, 1.0, 0.0, 0.0)
    late = candidate(2)
    busy.worker_added(late)
    assert choices(busy, 1) == [2]


def test_ignores_workers_it_does_not_know():
    busy = strategy()
    workers = candidates(busy, 1)
    busy.task_ended(candidate(7), 1.0, 1.0, 1.0)
    busy.worker_removed(workers[0])
    busy.task_ended(workers[0], 1.0, 1.0, 1.0)
    assert busy.choose(0.0) is None
