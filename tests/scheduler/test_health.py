"""How a pool stands: starts that fail, slots that have failed, a pool that is failing and one that recovers."""

import pytest

from poolifier.errors import PoolFailedError, WorkerCrashedError, WorkerStartError
from poolifier.scheduler import effects as effect
from poolifier.scheduler.health import explanation, refusal, state
from poolifier.scheduler.node import PLANNED, READY, STARTING
from poolifier.scheduler.task import SENT
from poolifier.task_functions import TaskFunctionProperties
from poolifier.testing import Crash, Simulation
from tests.scheduler.support import WORK, Pool

FIRST = TaskFunctionProperties("first", worker_nodes=(0,))
BOTH = TaskFunctionProperties("both", worker_nodes=(0, 1))
CAUSE = ImportError("no module named numpy")


def fail_start(pool, slot=0, error=CAUSE):
    """The worker that starts in the slot, now or once its back-off is over, fails."""
    node = pool.scheduler.sizing.by_slot[slot]
    if node.state == PLANNED:
        pool.wait(max(0.0, pool.scheduler.sizing.next_start() - pool.now))
    assert node.state == STARTING
    pool.lose(node, signal=None, exit_code=1, error=error)


def fail_for_good(pool, slot=0, times=6):
    for _ in range(times):
        fail_start(pool, slot)


def ready(pool, slot=0):
    """The worker of the slot is started, whatever its back-off, and gets ready."""
    node = pool.scheduler.sizing.by_slot[slot]
    if node.state == PLANNED:
        pool.wait(31.0)
    pool.scheduler.worker_ready(node.id, pool.says, pool.now)
    pool.pump()
    return node


def lose_idle(pool, slot=0):
    pool.lose(pool.scheduler.sizing.by_slot[slot])


def test_tasks_that_end_their_workers_never_fail_a_pool_and_are_never_waited_for():
    for limit in ((5, 10.0), (0, 0.001), None):
        pool = Pool(1, restart_limit=limit)
        for number in range(50):
            task = pool.submit()
            pool.lose(task.node, started=task.sequence)
            [node] = pool.nodes
            assert node.state == STARTING, "its replacement is not started at once"
            assert isinstance(pool.failed()[task.id], WorkerCrashedError)
            pool.all_ready()
            assert pool.scheduler.books.crashed == number + 1
        assert state(pool.scheduler) == "ready"
        assert pool.scheduler.workforce.restarted == 50


def test_starts_that_fail_in_a_row_make_a_pool_fail_what_waits_and_what_comes():
    pool = Pool(1)
    lose_idle(pool)
    waiting = [pool.submit() for _ in range(3)]
    for _ in range(4):
        fail_start(pool)
        assert not pool.failed()
        assert state(pool.scheduler) == "degraded"
    assert "failing" not in pool.events
    fail_start(pool)
    assert state(pool.scheduler) == "failing"
    assert pool.events.count("failing") == 1
    failed = pool.failed()
    assert set(failed) == {task.id for task in waiting}
    late = pool.submit()
    errors = [*failed.values(), pool.failed()[late.id]]
    assert all(isinstance(error, PoolFailedError) for error in errors)
    assert all(error.__cause__ is CAUSE for error in errors)
    assert len({id(error) for error in errors}) == 4  # each its own, or they would share a traceback
    assert str(errors[0]) == (
        f"pool {pool.options.name!r}: no worker can be started: 6 starts in a row have failed in slot 0; "
        "the last: ImportError: no module named numpy"
    )


def test_a_failing_pool_tries_on_and_recovers():
    pool = Pool(1)
    lose_idle(pool)
    fail_for_good(pool, times=20)
    assert pool.scheduler.next_deadline() - pool.now == pytest.approx(30.0)
    assert pool.events.count("failing") == 1
    ready(pool)
    assert pool.events[-2:] == ["worker_online", "recovered"]
    assert state(pool.scheduler) == "ready"
    assert explanation(pool.scheduler) is None
    task = pool.submit()
    assert pool.done(task) is task
    # What fails from now on begins a new row.
    pool.lose(pool.nodes[0], started=task.sequence)
    fail_start(pool)
    assert state(pool.scheduler) == "degraded"


def test_the_explanation_is_of_the_last_start():
    pool = Pool(1)
    lose_idle(pool)
    fail_for_good(pool)
    fail_start(pool, error=OSError("no space left"))
    failure = explanation(pool.scheduler)
    assert "8 starts in a row have failed in slot 0; the last: OSError: no space left" in str(failure)
    task = pool.submit()
    assert str(pool.failed()[task.id].__cause__) == "no space left"


def test_a_worker_that_dies_before_it_has_begun_a_task_is_a_failed_start():
    pool = Pool(1, restart_limit=(2, 10.0))
    lose_idle(pool)
    ready(pool)
    task = pool.submit()
    lose_idle(pool)  # it was sent the task, and had not begun it
    assert [node.state for node in pool.nodes] == [PLANNED]
    ready(pool)
    assert task.node is pool.nodes[0]
    pool.now -= 31.0  # so that they come within the ten seconds
    lose_idle(pool)
    assert state(pool.scheduler) == "failing"
    assert isinstance(pool.failed()[task.id].__cause__, WorkerCrashedError)


def test_workers_that_are_killed_now_and_then_for_hours_are_no_row():
    pool = Pool(1)
    for _ in range(30):
        pool.wait(3600.0)
        lose_idle(pool)
        assert [node.state for node in pool.nodes] == [STARTING]
        pool.all_ready()
        assert state(pool.scheduler) == "ready"


def test_a_worker_that_is_retired_or_killed_for_its_task_is_no_failed_start():
    pool = Pool(1, restart_limit=(0, 0.001))
    for _ in range(5):
        pool.scheduler.retire(pool.nodes[0], pool.now)
        pool.pump()
        pool.lose(pool.nodes[0], signal=None, exit_code=0)
        pool.all_ready()
        task = pool.submit()
        pool.abort(task)
        pool.wait(1.0)
        pool.lose(task.node, started=task.sequence)
        pool.all_ready()
        assert state(pool.scheduler) == "ready"
    assert pool.scheduler.books.crashed == 0
    assert pool.scheduler.workforce.restarted == 10


def test_one_slot_that_fails_costs_only_what_is_bound_to_it():
    pool = Pool(2, WORK, FIRST, BOTH)
    bound = pool.submit("first")
    lose_idle(pool, 0)
    fail_for_good(pool, 0)
    assert state(pool.scheduler) == "degraded"
    error = pool.failed()[bound.id]
    assert isinstance(error, PoolFailedError)
    assert error.__cause__ is CAUSE
    assert "in the slots [0]" in str(error)
    tasks = [pool.submit(), pool.submit("both")]
    assert all(task.node.slot == 1 for task in tasks)
    late = pool.submit("first")
    assert isinstance(pool.failed()[late.id], PoolFailedError)
    assert "failing" not in pool.events
    assert "in the slots [0]" in str(explanation(pool.scheduler))
    ready(pool, 0)
    assert state(pool.scheduler) == "ready"
    assert "recovered" not in pool.events
    assert pool.submit("first").node.slot == 0


def test_while_a_worker_that_may_come_is_on_its_way_nothing_fails():
    pool = Pool(2)
    lose_idle(pool, 0)
    fail_for_good(pool, 0)
    killer = pool.submit()
    pool.lose(killer.node, started=killer.sequence)  # the one that was left dies of a task, and is replaced
    task = pool.submit()
    assert pool.scheduler.failure is None
    fail_start(pool, 1)
    assert task.id not in pool.failed()
    ready(pool, 1)
    assert task.node.slot == 1
    assert pool.done(task) is task


def test_all_slots_fail_one_recovers_and_the_others_are_tried_at_once():
    pool = Pool(2)
    for slot in (0, 1):
        lose_idle(pool, slot)
    for slot in (0, 1):
        fail_for_good(pool, slot, times=7)
    assert state(pool.scheduler) == "failing"
    pool.wait(1.6)
    both = pool.nodes
    pool.scheduler.worker_ready(both[0].id, pool.says, pool.now)
    pool.pump()
    assert pool.scheduler.next_deadline() <= pool.now or both[1].state == STARTING
    pool.wait(0.0)
    assert both[1].state == STARTING
    assert state(pool.scheduler) == "degraded"
    pool.all_ready()
    assert state(pool.scheduler) == "ready"


@pytest.mark.parametrize("sizes", [(0, 1), (0, 4), (1, 4)])
def test_a_dynamic_pool_fails_and_is_tried_without_anybody_waiting(sizes):
    pool = Pool(sizes)
    for node in pool.nodes:
        lose_idle(pool, node.slot)
    task = pool.submit()
    assert len(pool.nodes) == 1
    while not pool.failed():
        [node] = pool.nodes
        fail_start(pool, node.slot)
    assert isinstance(pool.failed()[task.id], PoolFailedError)
    assert state(pool.scheduler) == "failing"
    late = pool.submit()
    assert isinstance(pool.failed()[late.id], PoolFailedError)
    [node] = pool.nodes
    assert node.state == PLANNED
    ready(pool, node.slot)
    assert state(pool.scheduler) == "ready"
    assert pool.submit().node is node


def test_a_dynamic_pool_takes_another_slot_where_one_does_not_work():
    pool = Pool((0, 3), WORK, FIRST)
    pool.submit("first")
    fail_for_good(pool, 0, times=1)
    task = pool.submit()
    assert len(pool.nodes) == 2  # the first is tried again, for that task, and this one has its own
    fail_for_good(pool, 0, times=5)
    assert state(pool.scheduler) == "starting" or pool.scheduler.failure is None
    ready(pool, 1)
    assert task.node.slot == 1
    other = pool.submit()
    assert len(pool.nodes) == 3  # what is tried in the first is none that the task could wait for
    ready(pool, 2)
    assert other.node.slot == 2
    assert state(pool.scheduler) == "degraded"


def test_without_restarts_nothing_is_tried_again():
    pool = Pool(1, restart_worker_on_error=False)
    task = pool.submit()
    pool.lose(task.node, started=task.sequence)
    assert state(pool.scheduler) == "failing"
    assert "no worker is left, and restart_worker_on_error is off" in str(explanation(pool.scheduler))
    late = pool.submit()
    assert isinstance(pool.failed()[late.id].__cause__, WorkerCrashedError)
    assert pool.scheduler.next_deadline() == float("inf")
    assert pool.nodes == []


def test_without_restarts_a_dynamic_pool_still_grows_until_its_starts_fail():
    pool = Pool((0, 2), restart_worker_on_error=False)
    for _ in range(8):
        task = pool.submit()
        pool.all_ready()
        pool.lose(task.node, started=task.sequence)
    pool.submit()
    fail_for_good(pool)
    assert state(pool.scheduler) == "failing"
    assert pool.nodes == []


def test_a_pool_without_a_limit_never_fails():
    pool = Pool(1, restart_limit=None)
    lose_idle(pool)
    task = pool.submit()
    fail_for_good(pool, times=200)
    assert pool.scheduler.failure is None
    assert not pool.failed()
    ready(pool)
    assert pool.done(task) is task


def test_a_task_does_not_wait_for_a_start_that_is_put_off_where_another_worker_is_ready():
    pool = Pool((0, 2), restart_limit=None)
    first = pool.submit()
    fail_for_good(pool, 0, times=9)
    second = pool.submit()
    ready(pool, 1)
    [put_off] = [node for node in pool.nodes if node.slot == 0]
    assert put_off.state == PLANNED
    for _ in range(2):
        [running] = [task for task in (first, second) if task.state == SENT]
        assert pool.done(running) is running
    assert put_off.state == PLANNED


def test_the_successor_of_a_worker_starts_as_soon_as_that_has_died_of_a_task():
    pool = Pool(1, max_tasks_per_worker=1)
    task = pool.submit()
    for _ in range(8):
        [spare] = pool.scheduler.sizing.spares.values()
        if spare.state == PLANNED:
            pool.wait(pool.scheduler.sizing.next_start() - pool.now)
        pool.lose(spare, signal=None, exit_code=1)
    [spare] = pool.scheduler.sizing.spares.values()
    assert spare.state == PLANNED
    assert state(pool.scheduler) == "ready"
    pool.lose(task.node, started=task.sequence)
    assert pool.nodes == [spare]
    pool.wait(0.0)
    assert spare.state == STARTING
    assert pool.scheduler.failure is None


def test_a_worker_that_has_handed_its_slot_over_says_nothing_of_starts_there():
    pool = Pool(1, max_tasks_per_worker=1, tasks_queue_options={"concurrency": 2})
    task = pool.submit()
    worker = task.node
    [successor] = pool.scheduler.sizing.spares.values()
    pool.scheduler.worker_ready(successor.id, pool.says, pool.now)
    pool.pump()
    assert pool.nodes == [successor]
    lose_idle(pool)
    fail_for_good(pool, times=5)
    assert state(pool.scheduler) == "failing"
    assert pool.done(task) is task  # what runs ends as it would
    pool.lose(worker, signal=None, exit_code=0, started=task.sequence)
    assert state(pool.scheduler) == "failing"
    assert pool.scheduler.workforce.restarts.failed


def test_what_a_leaving_worker_hands_back_fails_where_no_other_can_be_had():
    pool = Pool(1, tasks_queue_options={"concurrency": 1}, max_tasks_per_worker=1)
    first = pool.submit()
    worker = first.node
    first.function.estimate = 1e-6
    [successor] = pool.scheduler.sizing.spares.values()
    pool.scheduler.retire(worker, pool.now)
    pool.pump()
    pool.lose(successor, signal=None, exit_code=1)
    pool.scheduler.tasks_returned(worker, [first.sequence], pool.now)
    pool.pump()
    pool.lose(worker, signal=None, exit_code=0, started=0)
    fail_for_good(pool, times=6)
    assert isinstance(pool.failed()[first.id], PoolFailedError)


def test_a_start_can_be_made_again_from_the_beginning():
    pool = Pool(1, ready=False, known=False)
    pool.scheduler.close()
    pool.lose(pool.nodes[0], signal=None, exit_code=1)
    assert pool.nodes == []
    assert pool.scheduler.books.crashed == 0
    pool.scheduler.reopen()
    pool.scheduler.start(pool.now)
    pool.pump()
    assert state(pool.scheduler) == "starting"
    pool.all_ready()
    assert state(pool.scheduler) == "ready"
    assert pool.events.count("ready") == 1


def test_an_error_that_cannot_be_told_is_survived():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    pool = Pool(1, restart_limit=(0, 1.0))
    lose_idle(pool)
    fail_start(pool, error=Mute())
    assert "Mute: () (its str() failed: RuntimeError)" in str(refusal(pool.scheduler, None))


def test_a_simulation_tells_of_a_pool_that_fails_and_recovers():
    broken = [False]
    simulation = Simulation(2, start_delay=lambda _: OSError("no memory") if broken[0] else 0.001)
    simulation.start()
    simulation.run(1.0)
    broken[0] = True
    simulation.clock.at(2.0, lambda: [simulation.submit(Crash(0.01)) for _ in range(2)])
    simulation.clock.at(20.0, simulation.submit, 0.1)
    simulation.clock.at(60.0, broken.__setitem__, 0, False)
    simulation.run(100.0)
    task = simulation.submit(0.1)
    simulation.run(101.0)
    assert task.note == "done"
    told = {name: at for at, name in simulation.events}
    assert 2.0 < told["failing"] < 4.0
    assert 60.0 < told["recovered"] < 91.0


def test_a_simulation_ends_where_a_pool_only_tries_on():
    simulation = Simulation(2, start_delay=lambda node: OSError("no memory") if node.slot else 0.001)
    simulation.start()
    task = simulation.submit(1.0)
    simulation.run()
    assert task.note == "done"
    assert state(simulation.scheduler) == "starting"
    simulation.crash(simulation.nodes[0])
    simulation.run()
    assert state(simulation.scheduler) == "starting"
    simulation.run(simulation.clock.now + 100.0)
    assert simulation.scheduler.books.crashed > 8


def test_a_worker_that_never_got_ready_says_so():
    pool = Pool(1)
    lose_idle(pool)
    pool.lose(pool.nodes[0], signal=None, exit_code=1)
    errors = [wanted.detail for wanted in pool.wanted(effect.Emit) if wanted.event == "error"]
    assert [type(error) for error in errors] == [WorkerCrashedError, WorkerStartError]
    assert READY not in [node.state for node in pool.nodes]
