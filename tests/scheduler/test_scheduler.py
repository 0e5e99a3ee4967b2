"""The brain as a whole, on hand-computed cases. What the cases leave out is the model's (tests/model)."""

import pytest

from poolifier.errors import (
    PoisonTaskError,
    PoolFailedError,
    UnknownTaskFunctionError,
    WorkerCrashedError,
    WorkerStartError,
)
from poolifier.options import WorkerChoiceStrategy, WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy
from poolifier.scheduler import effects as effect
from poolifier.scheduler.node import GONE, PLANNED, STARTING
from poolifier.scheduler.task import ABORTING, ENDED, SENT, Task, TaskExtra
from poolifier.task_functions import TaskFunctionProperties
from poolifier.testing import Simulation
from tests.scheduler.support import WORK, Pool

PINNED = TaskFunctionProperties("pinned", worker_nodes=(1,))
FAIR = TaskFunctionProperties("fair", strategy="fair_share")


# ---- submitting, ending, aborting ----------------------------------------------------------------


def test_a_task_from_beginning_to_end():
    pool = Pool(1)
    task = pool.submit()
    assert (task.state, pool.sent) == (SENT, [(0, 1)])
    pool.now = 3.0
    assert pool.done(task, run_time=2.0) is task
    assert task.state == ENDED
    usage = pool.nodes[0].usage.total()
    assert usage.executed == 1
    assert usage.run_time.summary().total == 2.0
    assert usage.wait_time.summary().total == 1.0


def test_a_reply_that_comes_twice_finds_nothing():
    pool = Pool(1)
    task = pool.submit()
    node, sequence = task.node, task.sequence
    pool.done(task)
    for reply in (pool.scheduler.task_done, pool.scheduler.task_failed, pool.scheduler.task_aborted):
        assert reply(node, sequence, 1.0, 1.0, 1.0) is None
    assert pool.scheduler.task_unsendable(node, sequence, 1.0) is None
    assert node.usage.counts() == (1, 0, 0, 0)


def test_a_task_that_fails():
    pool = Pool(1)
    task = pool.submit()
    assert pool.scheduler.task_failed(task.node, task.sequence, 1.0, 1.0, 1.0) is task
    assert pool.nodes[0].usage.counts() == (0, 1, 0, 0)


def test_a_task_that_cannot_be_sent():
    pool = Pool(1)
    task = pool.submit()
    assert pool.scheduler.task_unsendable(task.node, task.sequence, 0.0) is task
    assert pool.nodes[0].usage.counts() == (0, 1, 0, 0)
    assert pool.executing() == [0]


def test_aborting_what_waits_drops_it():
    pool = Pool(1)
    first, second, third = (pool.submit() for _ in range(3))
    pool.abort(second)
    assert second.state == ENDED
    assert pool.load() == [2]
    pool.done(first)
    assert pool.sent == [(0, 1), (0, 3)]
    assert third.state == SENT
    assert pool.nodes[0].usage.counts() == (1, 0, 1, 0)
    assert pool.wanted(effect.AbortTask) == []


def test_aborting_what_runs_asks_the_worker():
    pool = Pool(1)
    task = pool.submit()
    node, sequence = task.node, task.sequence
    pool.abort(task)
    pool.abort(task)
    assert task.state == ABORTING
    assert pool.wanted(effect.AbortTask) == [effect.AbortTask(node, sequence)]
    assert pool.scheduler.task_aborted(node, sequence, 0.5, 0.5, 1.0) is None
    assert node.usage.counts() == (0, 0, 1, 0)
    pool.abort(task)
    assert len(pool.wanted(effect.AbortTask)) == 1


@pytest.mark.parametrize("reply", ["task_done", "task_failed"])
def test_what_ended_before_it_heard_of_the_abort_is_aborted_all_the_same(reply):
    pool = Pool(1)
    task = pool.submit()
    pool.abort(task)
    assert getattr(pool.scheduler, reply)(task.node, task.sequence, 0.5, 0.5, 1.0) is None
    assert pool.nodes[0].usage.counts() == (0, 0, 1, 0)


def test_an_abort_that_nobody_asked_for_is_a_failure():
    pool = Pool(1)
    task = pool.submit()
    assert pool.scheduler.task_aborted(task.node, task.sequence, 0.5, 0.5, 1.0) is task
    assert pool.nodes[0].usage.counts() == (0, 1, 0, 0)


def test_aborting_what_is_in_the_lobby():
    pool = Pool(1, ready=False)
    task = pool.submit()
    assert task.node is None
    pool.abort(task)
    pool.all_ready()
    assert pool.sent == []
    assert pool.scheduler.books.retired.counts() == (0, 0, 1, 0)


def test_dropping_all_ends_every_task():
    pool = Pool(2)
    tasks = [pool.submit() for _ in range(5)]
    pool.scheduler.drop_all(0.0)
    pool.pump()
    assert {wanted.task for wanted in pool.wanted(effect.CancelTask)} == set(tasks)
    assert [task.state for task in tasks] == [ABORTING, ABORTING, ENDED, ENDED, ENDED]
    assert pool.scheduler.unfinished == 2


# ---- strategies in a pool ------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", WorkerChoiceStrategy)
@pytest.mark.parametrize("queue", [True, False])
def test_twenty_long_tasks_after_two_thousand_tiny_ones(strategy, queue):
    """The case in which the original leaks its executing counter, takes twice the ideal, or hangs."""
    simulation = Simulation(2, worker_choice_strategy=strategy, enable_tasks_queue=queue)
    simulation.start()
    for number in range(2000):
        simulation.clock.at(number * 0.00001, simulation.submit, 0.000002)
    simulation.run()
    began = simulation.clock.now
    for _ in range(20):
        simulation.submit(0.05)
    simulation.run()
    assert simulation.result().done == 2020
    assert [node.executing for node in simulation.nodes] == [0, 0]
    if queue:
        assert simulation.clock.now - began <= 1.15 * 0.5


def test_only_ready_workers_are_eligible():
    pool = Pool(2, ready=False, worker_choice_strategy="round_robin")
    pool.scheduler.worker_ready(pool.nodes[1].id, pool.says, 0.0)
    assert [pool.submit().node.slot for _ in range(3)] == [1, 1, 1]


def test_a_function_may_have_a_strategy_of_its_own():
    pool = Pool(
        2, WORK, FAIR, worker_choice_strategy="round_robin", tasks_queue_options={"task_stealing": False, "size": 9}
    )
    for run_time in (1.0, 9.0):
        pool.done(pool.submit("work"), run_time)
    # Fair share has heard of both ends, whatever function they were of.
    fair = [pool.submit("fair").node.slot for _ in range(3)]
    assert fair == [0, 0, 0]
    assert pool.submit("work").node.slot == 0  # and round robin goes on where it was


def test_affinity_goes_before_strategy():
    pool = Pool(3, WORK, PINNED)
    assert [pool.submit("pinned").node.slot for _ in range(3)] == [1, 1, 1]


class Last(Strategy):
    def __init__(self, options):
        self.workers = []

    def worker_added(self, worker):
        self.workers.append(worker)

    def worker_removed(self, worker):
        self.workers.remove(worker)

    def choose(self, now):
        return self.workers[-1] if self.workers else None


class Deaf(Last):
    def worker_removed(self, worker):
        pass


class Picky(Last):
    def choose(self, now):
        return next((worker for worker in self.workers if worker.load == 0), None)


def test_a_users_own_strategy():
    pool = Pool(3, worker_choice_strategy=Last, tasks_queue_options={"task_stealing": False})
    assert [pool.submit().node.slot for _ in range(3)] == [2, 2, 2]


def test_a_users_own_strategy_that_picks_a_worker_that_is_gone():
    pool = Pool(2, worker_choice_strategy=Deaf)
    pool.lose(pool.nodes[1])
    task = pool.submit()
    assert task.node is None
    pool.all_ready()
    assert task.state == SENT


def test_a_users_own_strategy_may_say_nobody():
    pool = Pool(2, worker_choice_strategy=Picky)
    first, second, third = (pool.submit() for _ in range(3))
    assert third.node is None
    pool.done(second)
    assert third.node.slot == 1
    assert pool.scheduler.strategy_retries == 1
    pool.done(first)


class Moody(Last):
    raises = None

    def choose(self, now):
        if Moody.raises == "choose":
            raise LookupError("cannot decide")
        return super().choose(now)

    def worker_added(self, worker):
        super().worker_added(worker)
        self._told()

    def worker_removed(self, worker):
        super().worker_removed(worker)
        self._told()

    def load_changed(self, worker):
        self._told()

    def task_ended(self, worker, run_time, wait_time, active_time):
        self._told()

    def _told(self):
        if Moody.raises == "told":
            raise LookupError("cannot count")


def test_a_users_own_strategy_that_cannot_choose_leaves_everything_as_it_was(monkeypatch):
    pool = Pool(2, worker_choice_strategy=Moody, tasks_queue_options={"task_stealing": False})
    tasks = [pool.submit() for _ in range(3)]
    refused = Task(10, pool.scheduler.functions.find("default"), 0)
    refused.extra = TaskExtra(0)
    refused.extra.items = 5
    monkeypatch.setattr(Moody, "raises", "choose")
    with pytest.raises(LookupError):
        pool.scheduler.submit(refused, 0.0)
    monkeypatch.undo()
    pool.pump()
    # As a map does with its chunks.
    pool.abort(refused)
    assert refused.state == ENDED
    assert pool.scheduler.books.submitted == pool.scheduler.unfinished == 3
    assert pool.load() == [0, 3]
    for task in tasks:
        pool.done(task)
    assert pool.scheduler.unfinished == 0


def test_a_users_own_strategy_that_raises_when_told_something_changes_nothing(monkeypatch):
    monkeypatch.setattr(Moody, "raises", "told")
    pool = Pool(2, worker_choice_strategy=Moody, tasks_queue_options={"size": 3})
    tasks = [pool.submit() for _ in range(20)]
    pool.lose(pool.nodes[1], started=0)
    pool.wait(10.0)
    pool.all_ready()
    while pool.scheduler.unfinished:
        pool.done(next(task for task in tasks if task.state == SENT))
    assert {task.state for task in tasks} == {ENDED}
    assert sum(node.usage.counts()[0] for node in pool.nodes) + pool.scheduler.books.retired.counts()[0] == 20
    errors = [wanted.detail for wanted in pool.wanted(effect.Emit) if wanted.event == "error" and wanted.node is None]
    assert len(errors) > 40  # each time that it was told something
    assert {str(error) for error in errors} == {"cannot count"}


def test_tasks_that_are_placed_again_fail_where_their_strategy_cannot_choose(monkeypatch):
    pool = Pool(2, worker_choice_strategy=Moody, tasks_queue_options={"task_stealing": False})
    tasks = [pool.submit() for _ in range(3)]
    monkeypatch.setattr(Moody, "raises", "choose")
    pool.lose(pool.nodes[1], started=1)
    assert {task.state for task in tasks} == {ENDED}
    assert [str(pool.failed()[task.id]) for task in tasks[1:]] == ["cannot decide"] * 2
    assert pool.scheduler.unfinished == 0


def test_changing_the_strategy_at_run_time():
    pool = Pool(3, WORK, FAIR)
    assert [pool.submit().node.slot for _ in range(4)] == [0, 1, 2, 0]
    pool.scheduler.set_strategy(WorkerChoiceStrategy.ROUND_ROBIN, WorkerChoiceStrategyOptions(), 0.0)
    assert [pool.submit().node.slot for _ in range(4)] == [0, 1, 2, 0]
    pool.scheduler.set_strategy(WorkerChoiceStrategy.LEAST_USED, WorkerChoiceStrategyOptions(), 0.0)
    assert [pool.submit().node.slot for _ in range(3)] == [1, 2, 1]  # it knows what they hold: 4 2 2


def test_a_new_strategy_takes_over_what_the_last_one_left():
    pool = Pool(1, worker_choice_strategy=Picky)
    pool.submit()
    waiting = pool.submit()
    assert waiting.node is None
    pool.scheduler.set_strategy(WorkerChoiceStrategy.LEAST_USED, WorkerChoiceStrategyOptions(), 0.0)
    pool.pump()
    assert waiting.node is pool.nodes[0]


# ---- crashes -------------------------------------------------------------------------------------


def test_only_what_had_started_fails():
    pool = Pool(2, worker_choice_strategy="round_robin")
    pool.done(pool.submit(), run_time=0.00001)
    pool.done(pool.submit(), run_time=0.00001)
    tasks = [pool.submit() for _ in range(6)]  # three each, all sent
    node = pool.nodes[0]
    mine = list(node.sent.values())
    pool.lose(node, started=mine[1].sequence, stderr="oops")
    failed = pool.failed()
    assert set(failed) == {task.id for task in mine[:2]}
    assert mine[2].node.slot in (0, 1)
    assert mine[2].node is not node
    error = failed[mine[0].id]
    assert isinstance(error, WorkerCrashedError)
    assert (error.worker_id, error.task_id, error.signal, error.stderr) == (node.id, mine[0].id, "SIGKILL", "oops")
    assert [task.state for task in tasks].count(ENDED) == 2


def test_a_dead_worker_is_replaced_in_its_slot():
    pool = Pool(2)
    old = pool.nodes[0]
    pool.lose(old)
    new = pool.nodes[0]
    assert (new.slot, new.state, old.state) == (0, STARTING, GONE)
    assert new.id != old.id
    assert pool.events[-2:] == ["error", "worker_exit"]


def test_retries_and_then_poison():
    pool = Pool(1)
    task = pool.submit(retries=2)
    for _ in range(3):
        pool.all_ready()
        pool.lose(task.node, started=task.sequence)
        pool.wait(1.0)
    error = pool.failed()[task.id]
    assert isinstance(error, PoisonTaskError)
    assert [crash.worker_id for crash in error.history] == [1, 2, 3]


def test_a_retry_that_ends_well():
    pool = Pool(1)
    task = pool.submit(retries=1)
    pool.lose(task.node, started=task.sequence)
    pool.all_ready()
    assert pool.done(task) is task
    assert pool.failed() == {}


def test_an_aborted_task_is_not_run_again():
    pool = Pool(1)
    task = pool.submit(retries=3)
    pool.abort(task)
    pool.lose(task.node, started=task.sequence)
    pool.all_ready()
    assert task.state == ENDED
    assert pool.scheduler.books.retired.counts() == (0, 0, 1, 0)


def test_a_crash_loop_at_start_ends_with_the_cause():
    cause = ImportError("no module named numpy")
    simulation = Simulation(2, start_delay=lambda _: cause, known=False)
    simulation.start()
    tasks = [simulation.submit(1.0) for _ in range(5)]
    simulation.run()
    assert isinstance(simulation.scheduler.failure, PoolFailedError)
    assert all(isinstance(task.note, PoolFailedError) for task in tasks)
    assert all(task.note.__cause__ is cause for task in tasks)
    assert len({id(task.note) for task in tasks}) == 5  # each its own, or they would share a traceback
    assert simulation.clock.now == pytest.approx(0.05 + 0.1 + 0.2 + 0.4)  # it backed off
    late = simulation.submit(1.0)
    assert isinstance(late.note, PoolFailedError)
    simulation.run()
    assert [node.state for node in simulation.nodes] == [PLANNED, PLANNED]  # it tries on


@pytest.mark.parametrize("restart", [True, False])
def test_a_crash_loop_ends_a_dynamic_pool_too(restart):
    simulation = Simulation((0, 2), start_delay=lambda _: OSError("no memory"), restart_worker_on_error=restart)
    simulation.start()
    tasks = [simulation.submit(1.0) for _ in range(3)]
    simulation.run()
    assert all(isinstance(task.note, PoolFailedError) for task in tasks)


def test_tasks_that_kill_every_worker_end_as_poison_and_never_end_the_pool():
    from poolifier.testing import Crash

    simulation = Simulation(1)
    simulation.start()
    poison = simulation.submit(Crash(0.01), retries=3)
    other = simulation.submit(0.01)
    simulation.run()
    assert isinstance(poison.note, PoisonTaskError)
    assert len(poison.note.history) == 4
    assert other.note == "done"
    killers = [simulation.submit(Crash(0.01)) for _ in range(80)]
    behind = simulation.submit(0.01)
    before = simulation.clock.now
    simulation.run()
    assert all(isinstance(task.note, WorkerCrashedError) for task in killers)
    assert behind.note == "done"
    assert simulation.clock.now - before == pytest.approx(80 * 0.01 + 0.01)  # none of them waited for a back-off


def test_without_restarts_the_pool_shrinks_and_then_fails():
    pool = Pool(2, WORK, PINNED, restart_worker_on_error=False)
    pinned = [pool.submit("pinned"), pool.submit("pinned")]
    pool.lose(pool.nodes[1], started=pinned[0].sequence)
    assert len(pool.nodes) == 1
    assert isinstance(pool.failed()[pinned[1].id], PoolFailedError)  # nobody is left who may run it
    task = pool.submit()
    pool.lose(pool.nodes[0], started=task.sequence)
    assert isinstance(pool.scheduler.failure, PoolFailedError)


def test_a_worker_that_never_got_ready_says_so():
    pool = Pool(1, ready=False)
    pool.lose(pool.nodes[0], signal=None, exit_code=1)
    (emitted,) = [wanted for wanted in pool.wanted(effect.Emit) if wanted.event == "error"]
    assert isinstance(emitted.detail, WorkerStartError)


# ---- events --------------------------------------------------------------------------------------


def test_filling_and_draining_gives_one_of_each():
    seen = []
    for sizes in (3, (1, 3)):
        simulation = Simulation(sizes, tasks_queue_options={"size": 4}, max_inactive_time=5.0)
        simulation.start()
        simulation.run(until=1.0)
        for _ in range(30):
            simulation.submit(1.0)
        simulation.run()
        seen.append([name for _, name in simulation.events if name not in ("worker_online", "worker_exit")])
    fixed, dynamic = seen
    # While two workers steal all they run, it takes one worker's queue to have room for the pool to have some.
    assert fixed == ["ready", "busy", "back_pressure", "back_pressure_end", "busy_end"]
    assert dynamic == ["ready", "busy", "full", "busy_end", "full_end"]


def test_states_that_come_and_go_within_a_call_are_not_reported():
    pool = Pool(1)
    first, _ = pool.submit(), pool.submit()
    assert "busy" in pool.events
    pool.done(first)  # it ran dry for as long as it took to send the next
    assert "busy_end" not in pool.events


# ---- task functions ------------------------------------------------------------------------------


def test_tasks_submitted_on_trust():
    urgent = TaskFunctionProperties("urgent", priority=-5, worker_nodes=(1,))
    pool = Pool(2, WORK, urgent, known=False, ready=False)
    default, named, wrong = pool.submit(), pool.submit("urgent"), pool.submit("wrong")
    explicit = pool.submit("urgent", priority=7)
    pool.all_ready()
    assert isinstance(pool.failed()[wrong.id], UnknownTaskFunctionError)
    assert default.function is pool.scheduler.functions.find("work")
    assert (named.priority, explicit.priority) == (-5, 7)
    assert named.node is pool.nodes[1]
    with pytest.raises(UnknownTaskFunctionError):
        pool.submit("wrong")


def test_learning_again_drops_what_is_gone():
    pool = Pool(1, WORK, FAIR)
    running, waiting = pool.submit("fair"), pool.submit("fair")
    pool.scheduler.learn(Pool(1).says, 0.0)
    pool.pump()
    assert isinstance(pool.failed()[waiting.id], UnknownTaskFunctionError)
    assert pool.done(running) is running
