from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.scheduler.strategies.least_elu import LeastElu
from tests.scheduler.support import candidate, candidates, choices


def end(elu, worker, active):
    worker.active += active
    elu.task_ended(worker, 100.0, 100.0, active)  # run and wait time do not matter


def test_takes_the_least_accumulated_active_time():
    elu = LeastElu(WorkerChoiceStrategyOptions())
    workers = candidates(elu, 3)
    end(elu, workers[0], 0.3)
    end(elu, workers[1], 0.1)
    end(elu, workers[2], 0.2)
    assert choices(elu, 2) == [1, 1]
    end(elu, workers[1], 0.15)
    assert choices(elu, 1) == [2]


def test_what_a_worker_has_done_before_counts():
    elu = LeastElu(WorkerChoiceStrategyOptions())
    elu.worker_added(candidate(0, active=5.0))
    elu.worker_added(candidate(1, active=4.0))
    assert choices(elu, 1) == [1]
