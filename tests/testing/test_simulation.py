import pytest

from poolifier.errors import PoisonTaskError, WorkerCrashedError
from poolifier.options import TasksQueueOptions, WorkerChoiceStrategy
from poolifier.scheduler import invariants
from poolifier.task_functions import KillBehavior
from poolifier.testing import Crash, Failure, Simulation


def started(*arguments, **options):
    simulation = Simulation(*arguments, **options)
    simulation.start()
    simulation.run(until=simulation.clock.now)
    return simulation


def test_measures_by_hand():
    simulation = started(2)
    for seconds in (1.0, 3.0, 1.0, 1.0):
        simulation.submit(seconds)
    simulation.run()
    result = simulation.result()
    # Worker 1: 1, 1, and the one that it steals; worker 2: 3.
    assert result.makespan == 3.0
    assert (result.done, result.failed, result.aborted, result.stolen) == (4, 0, 0, 1)
    assert result.busy == {1: 3.0, 2: 3.0}
    assert result.tasks == {1: 3, 2: 1}
    assert (result.fairness, result.utilization) == (1.0, 1.0)
    assert result.mean_wait == (0 + 0 + 1 + 2) / 4
    assert result.median_wait == 0.5


def test_fairness_is_jains_index():
    simulation = started(4, worker_choice_strategy="weighted_round_robin", tasks_queue_options={"task_stealing": False})
    simulation.submit(2.0)
    simulation.run()
    assert simulation.result().fairness == 0.25
    assert simulation.result().utilization == 0.25


def test_nothing_measured():
    result = started(1).result()
    assert (result.makespan, result.done, result.p99_wait, result.fairness) == (0.0, 0, 0.0, 1.0)


def test_the_same_every_time():
    def once():
        simulation = started(5, worker_choice_strategy="fair_share")
        for number in range(200):
            simulation.clock.at(number * 0.01, simulation.submit, 0.03 + number % 7 * 0.01)
        simulation.run()
        return simulation.result()

    assert once() == once()


def test_tasks_that_fail():
    simulation = started(1)
    error = KeyError("x")
    task = simulation.submit(Failure(0.5, error))
    simulation.run()
    assert task.note is error
    assert simulation.result().failed == 1


def test_workers_that_die_by_plan():
    simulation = started(1, record_starts=True)
    killer, other = simulation.submit(Crash(0.5, "SIGSEGV")), simulation.submit(1.0)
    simulation.run()
    assert isinstance(killer.note, WorkerCrashedError)
    assert killer.note.signal == "SIGSEGV"
    assert other.note == "done"
    assert simulation.starts == {1: 1, 2: 1}


def test_a_worker_that_is_killed_from_outside():
    simulation = started(2, record_starts=True)
    tasks = [simulation.submit(1.0, retries=1) for _ in range(6)]
    simulation.clock.at(0.5, lambda: simulation.crash(simulation.nodes[0]))
    simulation.run()
    assert all(task.note == "done" for task in tasks)
    assert sorted(simulation.starts.values()) == [1, 1, 1, 1, 1, 2]


def test_retries_have_an_end():
    simulation = started(1)
    task = simulation.submit(Crash(0.1), retries=1)
    simulation.run()
    assert isinstance(task.note, PoisonTaskError)


def test_aborting():
    simulation = started(1)
    running, waiting, last = (simulation.submit(10.0) for _ in range(3))
    simulation.clock.at(1.0, simulation.abort, running)
    simulation.clock.at(1.0, simulation.abort, waiting)
    simulation.run()
    assert (running.note, waiting.note, last.note) == ("cancelled", "cancelled", "done")
    assert simulation.result().makespan == 11.0
    assert simulation.result().busy == {1: 11.0}
    simulation.abort(last)
    assert last.note == "done"


def test_workers_take_their_time_to_start():
    simulation = Simulation(2, start_delay=lambda node: 1.0 + node.slot)
    simulation.start()
    for _ in range(2):
        simulation.submit(5.0)
    simulation.run()
    assert simulation.events[0] == (1.0, "worker_online")
    assert (2.0, "ready") in simulation.events
    assert simulation.result().makespan == 7.0


def test_dynamic_pools_come_and_go():
    simulation = started((0, 3), start_delay=0.5, max_inactive_time=2.0)
    for _ in range(3):
        simulation.submit(1.0)
    simulation.run()
    assert [name for _, name in simulation.events].count("worker_exit") == 3
    assert simulation.nodes == []


def test_hard_retirement_in_the_middle_of_a_task():
    simulation = started((0, 1), max_inactive_time=2.0, kill_behavior=KillBehavior.HARD)
    task = simulation.submit(100.0)
    simulation.run()
    assert task.note == "cancelled"
    assert simulation.result().makespan == 2.0


def test_what_was_sent_ahead_in_error_is_handed_back():
    simulation = started(2, record_starts=True)
    for _ in range(500):
        simulation.submit(0.000001)
    simulation.run()
    began = simulation.clock.now
    for _ in range(20):
        simulation.submit(1.0)
    simulation.run()
    assert simulation.clock.now - began == pytest.approx(10.0, rel=0.01)
    assert set(simulation.starts.values()) == {1}


def test_changes_at_run_time():
    simulation = started(1)
    for _ in range(4):
        simulation.submit(1.0)
    options = TasksQueueOptions(size=4, concurrency=4)
    simulation.change(lambda scheduler, now: scheduler.set_queue(options, now, enabled=True))
    simulation.run()
    assert simulation.result().makespan == 1.0


@pytest.mark.parametrize("strategy", WorkerChoiceStrategy)
def test_a_thousand_workers(strategy):
    simulation = started(1000, worker_choice_strategy=strategy)
    for number in range(5000):
        simulation.clock.at(number * 0.00002, simulation.submit, 0.01 + number % 10 * 0.002)
    simulation.run()
    assert simulation.result().done == 5000
    invariants.check(simulation.scheduler)
