"""Workers, callers and time around a scheduler, and what must hold of it after every step.

A `World` is what both the Hypothesis state machine and the random walks act upon. Every action takes
plain integers and makes the most of them: there is no action that is not possible.
"""

from __future__ import annotations

from poolifier.exchange import WorkerExit, WorkerReady
from poolifier.options import PoolOptions, TasksQueueOptions, WorkerChoiceStrategy, WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy
from poolifier.scheduler import effects as effect
from poolifier.scheduler import invariants
from poolifier.scheduler.info import pool_info
from poolifier.scheduler.node import GONE, PLANNED, READY, RETIRING, STARTING
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import ABORTING, ENDED, QUEUED, SENT, Task, TaskExtra
from poolifier.task_functions import KillBehavior, TaskFunctionProperties


def functions(max_size):
    last_two = tuple(sorted({max(0, max_size - 2), max_size - 1}))
    return (
        TaskFunctionProperties("plain"),
        TaskFunctionProperties("late", priority=19),
        TaskFunctionProperties("pinned", worker_nodes=(0,)),
        TaskFunctionProperties("pair", worker_nodes=last_two, strategy="round_robin", priority=-3),
        TaskFunctionProperties("fair", strategy="fair_share"),
    )


NAMES = ("plain", "default", "late", "pinned", "pair", "fair")
PRIORITIES = (None, -20, -1, 0, 5, 19)
DELAYS = (0.0, 0.0001, 0.004, 0.02, 0.3, 3.0)
RUN_TIMES = (0.000002, 0.0002, 0.01, 2.0)
FAILED = effect.FailTask | effect.TimeOutTask
PAIRS = {"busy_end": "busy", "full_end": "full", "back_pressure_end": "back_pressure"}


class Whimsical(Strategy):
    """A user's own: whoever has been idle for longest by its own count, and sometimes nobody."""

    def __init__(self, options):
        self.workers = []
        self.calls = 0

    def worker_added(self, worker):
        self.workers.append(worker)

    def worker_removed(self, worker):
        if self.calls % 2:  # every other time it forgets to listen
            self.workers.remove(worker)

    def choose(self, now):
        self.calls += 1
        if not self.workers or self.calls % 7 == 0:
            return None
        return self.workers[self.calls % len(self.workers)]


STRATEGIES = (*WorkerChoiceStrategy, Whimsical)


class FakeWorker:
    def __init__(self, node):
        self.node = node
        self.inbox = {}  # sequence -> task: sent and not yet answered
        self.mark = 0  # the highest sequence that is known to have started
        self.aborting = set()
        self.leaving = False
        self.doomed = False
        self.said_ready = False

    @property
    def is_starting(self):
        return self.node.state == STARTING and not self.said_ready


class World:
    def __init__(self, sizes=(3, 3), *, known=True, kill=KillBehavior.SOFT, **options):
        self.now = 100.0
        self.options = PoolOptions.checked(sizes=sizes, dynamic=sizes[0] < sizes[1], **options)
        self.scheduler = Scheduler(self.options)
        self.ready = WorkerReady(functions(sizes[1]), 5.0, kill)
        self.tasks = {}
        self.outcomes = {}
        self.starts = {}
        self.workers = {}
        self.dead = []
        self.answered = []
        self.active_events = set()
        self.events = []
        self.last_id = 0
        self.closed = False
        if known:
            self.scheduler.learn(self.ready, self.now)
        self.scheduler.start(self.now)
        self.pump()

    # ---- actions: callers -------------------------------------------------------------------------

    def submit(self, a, b, c):
        name = NAMES[a % len(NAMES)]
        scheduler = self.scheduler
        function = scheduler.functions.find(name)
        priority = PRIORITIES[b % len(PRIORITIES)]
        self.last_id += 1
        task = Task(self.last_id, function, function.priority if priority is None else priority)
        if c % 3 == 1:
            task.extra = TaskExtra(c % 4, (None, 0.001, 1.0)[b % 3])
        self.tasks[task.id] = task
        scheduler.submit(task, self.now)
        self.pump()

    def burst(self, a, b, c):
        for _ in range(2 + c % 9):
            self.submit(a, b, 0)

    def unknown(self, a, b, c):
        if not self.scheduler.functions.learned:
            function = self.scheduler.functions.find("misspelt")
            self.last_id += 1
            task = self.tasks[self.last_id] = Task(self.last_id, function, 0)
            self.scheduler.submit(task, self.now)
            self.pump()

    def abort(self, a, b, c):
        if self.tasks:
            task = self.tasks[1 + a % self.last_id]
            open_ = task.id not in self.outcomes
            self.scheduler.abort(task, self.now)
            if open_:
                self.settle(task, "cancelled")
            self.pump()

    def drop_all(self, a, b, c):
        if a % 10 == 0:
            self.scheduler.drop_all(self.now)
            self.pump()
            assert set(self.outcomes) == set(self.tasks)

    # ---- actions: workers -------------------------------------------------------------------------

    def get_ready(self, a, b, c):
        starting = [worker for worker in self.workers.values() if worker.is_starting]
        if starting:
            self.say_ready(starting[a % len(starting)])

    def say_ready(self, worker):
        worker.said_ready = True
        self.scheduler.worker_ready(worker.node.id, self.ready, self.now)
        self.pump()

    def finish(self, a, b, c):
        """A worker answers one of the tasks that it may have started."""
        worker = self.a_worker(a, lambda worker: worker.inbox)
        if worker is None:
            return
        running = list(worker.inbox)[: max(1, worker.node.quota)]
        sequence = running[b % len(running)]
        task = worker.inbox.pop(sequence)
        worker.mark = max(worker.mark, sequence)
        self.started(task)
        run_time = RUN_TIMES[c % len(RUN_TIMES)]
        node = worker.node
        node.active += run_time
        reply = c % 5
        if sequence in worker.aborting:
            worker.aborting.discard(sequence)
            if reply == 0:
                # It had ended before it heard of it.
                assert self.scheduler.task_done(node, sequence, run_time, run_time, self.now) is None
            elif reply == 1:
                assert self.scheduler.task_failed(node, sequence, run_time, run_time, self.now) is None
            else:
                seconds = run_time if reply == 2 else 0.0
                assert self.scheduler.task_aborted(node, sequence, seconds, seconds, self.now) is None
        elif reply < 3:
            assert self.scheduler.task_done(node, sequence, run_time, run_time, self.now) is task
            self.settle(task, "done")
        elif reply == 3:
            assert self.scheduler.task_failed(node, sequence, run_time, run_time, self.now) is task
            self.settle(task, "failed")
        else:
            assert self.scheduler.task_aborted(node, sequence, run_time, run_time, self.now) is task
            self.settle(task, "failed")
        node.heard_at = self.now
        self.answered.append((node, sequence))
        self.pump()

    def finish_much(self, a, b, c):
        for _ in range(1 + c % 12):
            self.finish(a, b, c)

    def answer_again(self, a, b, c):
        """A reply that comes twice, or after its worker is gone, finds nothing."""
        if self.answered:
            node, sequence = self.answered[a % len(self.answered)]
            if sequence not in node.sent:
                reply = (self.scheduler.task_done, self.scheduler.task_failed, self.scheduler.task_aborted)[b % 3]
                assert reply(node, sequence, 0.1, 0.1, self.now) is None
                self.scheduler.tasks_returned(node, [sequence], self.now)
                self.pump()

    def unsendable(self, a, b, c):
        worker = self.a_worker(a, lambda worker: len(worker.inbox) > 0 and worker.mark < max(worker.inbox))
        if worker is None:
            return
        sequence = max(worker.inbox)
        task = worker.inbox.pop(sequence)
        wanted = sequence not in worker.aborting
        worker.aborting.discard(sequence)
        got = self.scheduler.task_unsendable(worker.node, sequence, self.now)
        assert got is (task if wanted else None)
        if wanted:
            self.settle(task, "failed")
        self.pump()

    def hand_back(self, a, b, c):
        """A worker returns what it has not started, asked or not."""
        worker = self.a_worker(a, lambda worker: worker.inbox)
        if worker is None:
            return
        unstarted = [sequence for sequence in worker.inbox if sequence > worker.mark]
        keep = min(len(unstarted), worker.node.quota if b % 4 else 0)
        for sequence in unstarted[:keep]:
            worker.mark = sequence
        returned = unstarted[keep:]
        for sequence in returned:
            del worker.inbox[sequence]
            worker.aborting.discard(sequence)
        self.scheduler.tasks_returned(worker.node, returned, self.now)
        self.pump()

    def crash(self, a, b, c):
        """A worker dies at any point: any mark that agrees with what it has answered."""
        worker = self.a_worker(a, lambda _: True)
        if worker is not None:
            marks = [worker.mark, *(sequence for sequence in worker.inbox if sequence > worker.mark)]
            mark = marks[b % len(marks)]
            if worker.node.state == STARTING:
                self.leave(worker, WorkerExit(exit_code=1, error=ValueError("bad module") if c % 2 else None))
            else:
                self.leave(worker, WorkerExit(signal="SIGKILL", started=mark))

    def exit(self, a, b, c):
        """A worker that was told to leave does."""
        worker = self.a_worker(a, lambda worker: worker.leaving and not worker.inbox)
        if worker is not None:
            self.leave(worker, WorkerExit(exit_code=0, started=worker.mark))

    def leave(self, worker, exited):
        before = {task.id for task in worker.inbox.values()}
        for sequence, task in worker.inbox.items():
            if sequence <= exited.started:
                self.started(task)
        del self.workers[worker.node.id]
        self.dead.append(worker)
        self.answered.extend((worker.node, sequence) for sequence in worker.inbox)
        unstarted = [
            task
            for sequence, task in worker.inbox.items()
            if sequence > exited.started and sequence not in worker.aborting
        ]
        self.scheduler.worker_lost(worker.node.id, exited, self.now)
        failed = {wanted.task.id for wanted in self.scheduler.effects if isinstance(wanted, FAILED)}
        if self.scheduler.failure is None and self.options.restart_worker_on_error:
            assert not failed & {task.id for task in unstarted}, "failed, and had not started"
            assert failed <= before
        self.pump()
        self.scheduler.worker_lost(worker.node.id, exited, self.now)  # only the first time counts
        assert not self.scheduler.effects

    # ---- actions: the pool ------------------------------------------------------------------------

    def retire(self, a, b, c):
        nodes = list(self.scheduler.sizing.nodes.values())
        if nodes:
            self.scheduler.retire(nodes[a % len(nodes)], self.now)
            self.pump()

    def pass_time(self, a, b, c):
        self.now += DELAYS[a % len(DELAYS)]
        self.scheduler.tick(self.now)
        self.pump()

    def set_strategy(self, a, b, c):
        weights = None if b % 2 else {slot: 1.0 + slot for slot in range(self.options.max_size)}
        options = WorkerChoiceStrategyOptions(
            measurement=(None, "run_time", "wait_time", "elu")[b % 4], run_time={"median": c % 2 == 0}, weights=weights
        )
        self.scheduler.set_strategy(STRATEGIES[a % len(STRATEGIES)], options, self.now)
        self.pump()

    def set_queue(self, a, b, c):
        options = TasksQueueOptions(
            size=(1, 2, 3, 50)[a % 4],
            concurrency=(1, 1, 2, 5)[b % 4],
            tasks_stealing_ratio=(1.0, 0.6, 0.3, 0.0)[c % 4],
            task_stealing=(a + c) % 5 > 0,
            tasks_stealing_on_back_pressure=(b + c) % 3 > 0,
            aging_factor=(1.0, 0.0, 10.0)[(a + b) % 3],
        )
        self.scheduler.set_queue(options, self.now, enabled=(a + b + c) % 4 > 0)
        self.pump()

    def learn_again(self, a, b, c):
        """Another function becomes the default one, as `set_default_task_function` asks."""
        if self.scheduler.functions.learned:
            known = self.ready.functions
            first = a % len(known)
            self.ready = WorkerReady((known[first], *known[:first], *known[first + 1 :]), 5.0, self.ready.kill_behavior)
            self.scheduler.learn(self.ready, self.now)
            self.pump()

    # ---- the driver's part ------------------------------------------------------------------------

    def pump(self):
        scheduler = self.scheduler
        while scheduler.dirty or scheduler.effects:
            for node in scheduler.dirty:
                self.send(node)
            scheduler.dirty.clear()
            wanted, scheduler.effects[:] = scheduler.effects[:], []
            for each in wanted:
                self.perform(each)
        self.check()

    def send(self, node):
        outbox, node.outbox = node.outbox, []
        node.in_outbox = False
        worker = self.workers.get(node.id)
        for task in outbox:
            if worker is None:
                continue
            if task.state != SENT:
                # Aborted in the turn in which it was placed: the worker never hears of it.
                self.scheduler.task_aborted(node, task.sequence, 0.0, 0.0, self.now)
                continue
            assert task.id not in self.outcomes, f"{task} is sent after it ended"
            assert task.node is node
            assert not worker.doomed
            assert task.sequence > max(worker.inbox, default=0)
            worker.inbox[task.sequence] = task

    def perform(self, wanted):
        if isinstance(wanted, effect.Emit):
            self.events.append(wanted.event)
            if wanted.event in PAIRS:
                self.active_events.remove(PAIRS[wanted.event])
            elif wanted.event in PAIRS.values():
                assert wanted.event not in self.active_events
                self.active_events.add(wanted.event)
        elif isinstance(wanted, effect.StartWorker):
            assert wanted.node.id not in self.workers
            assert wanted.node.state == STARTING
            self.workers[wanted.node.id] = FakeWorker(wanted.node)
        elif isinstance(wanted, FAILED):
            self.settle(wanted.task, wanted.error)
        elif isinstance(wanted, effect.CancelTask):
            self.settle(wanted.task, "cancelled")
        elif isinstance(wanted, effect.FailPool):
            assert self.scheduler.failure is wanted.error
        else:
            self.tell(wanted)

    def tell(self, wanted):
        worker = self.workers.get(wanted.node.id)
        if worker is None:
            return
        if isinstance(wanted, effect.AbortTask):
            if wanted.sequence in worker.inbox:
                assert wanted.sequence not in worker.aborting, "aborted twice"
                assert worker.inbox[wanted.sequence].state == ABORTING
                worker.aborting.add(wanted.sequence)
        elif isinstance(wanted, effect.StopWorker):
            assert not worker.leaving, "stopped twice"
            worker.leaving = True
        elif isinstance(wanted, effect.MeasureMemory):
            self.scheduler.memory_measured(wanted.node, wanted.node.ran * 1000)
        elif isinstance(wanted, effect.KillWorker):
            worker.doomed = True
            worker.leaving = True
            for sequence, task in worker.inbox.items():
                if task.state != SENT:
                    worker.aborting.add(sequence)

    # ---- what must hold ---------------------------------------------------------------------------

    def settle(self, task, outcome):
        assert task.id not in self.outcomes, f"{task}: {outcome!r} after {self.outcomes[task.id]!r}"
        self.outcomes[task.id] = outcome

    def started(self, task):
        self.starts[task.id] = self.starts.get(task.id, 0) + 1
        retries = task.extra.retries if task.extra is not None else 0
        assert self.starts[task.id] <= 1 + retries, f"{task} has started {self.starts[task.id]} times"

    def check(self):
        scheduler = self.scheduler
        invariants.check(scheduler)
        nodes = list(scheduler.sizing.nodes.values())
        workers = [*nodes, *scheduler.sizing.spares.values()]
        alive = {number for number, worker in self.workers.items() if worker.node.state != GONE}
        assert {node.id for node in workers if node.state != PLANNED} == alive
        waiting = {task.id for task in scheduler.lobby}
        for node in nodes:
            waiting.update(task.id for task in node.queue)
        for node in nodes:
            worker = self.workers.get(node.id)
            sent = {task.id for task in node.sent.values()}
            assert worker is None or scheduler.failure is not None or node.sent == worker.inbox
            waiting |= {task.id for task in node.sent.values() if task.state == SENT}
            assert not (sent & set(self.outcomes)) or all(
                task.state == ABORTING for task in node.sent.values() if task.id in self.outcomes
            )
        assert waiting == set(self.tasks) - set(self.outcomes), "a task is lost, or waits after it ended"
        assert all(self.tasks[number].state in (ENDED, ABORTING) for number in self.outcomes)
        if scheduler.failure is not None:
            assert set(self.outcomes) == set(self.tasks), "the pool has failed, and somebody still waits"
        self.check_hunger(nodes)
        self.check_lobby(nodes)
        self.check_numbers(nodes)

    def check_hunger(self, nodes):
        """Nobody who may steal is hungry while something it may run waits elsewhere."""
        queue = self.scheduler.placement.options
        if not queue.task_stealing or queue.tasks_stealing_ratio < 1.0:
            return
        ready = [node for node in nodes if node.state == READY]
        for thief in ready:
            if thief.load < thief.quota:
                for victim in ready:
                    waiting = [task for task in victim.queue if thief.allowed(task.function.affinity)]
                    assert not waiting, f"{thief} has nothing to do, {waiting[0]} waits"

    def check_lobby(self, nodes):
        """Nothing waits in the lobby that a ready worker could take, unless a user's strategy wants it so."""
        if any(strategy is Whimsical for strategy, _ in self.scheduler.choosers._choosers):
            return
        for task in self.scheduler.lobby:
            for node in nodes:
                assert node.state != READY or not node.allowed(task.function.affinity), f"{task} could run on {node}"

    def check_numbers(self, nodes):
        info = pool_info(self.scheduler, version="", worker="", started=True, lifetime=1.0)
        ended = info.executed_tasks + info.failed_tasks + info.aborted_tasks
        assert info.submitted_tasks == len(self.tasks) == ended + info.executing_tasks + info.queued_tasks
        cancelled = sum(outcome == "cancelled" for outcome in self.outcomes.values())
        aborting = sum(
            task.state == ABORTING and not (task.extra is not None and task.extra.timed_out)
            for task in self.tasks.values()
        )
        assert info.aborted_tasks == cancelled - aborting
        assert info.executed_tasks == sum(outcome == "done" for outcome in self.outcomes.values())
        for node in nodes:
            assert node.usage.max_queued >= node.queue.length or not self.scheduler.placement.queue_enabled

    # ---- to the end -------------------------------------------------------------------------------

    def drain(self):
        """Lets everything take its course: whatever the world went through, nothing may hang."""
        if not any(strategy is Whimsical for strategy, _ in self.scheduler.choosers._choosers):
            for _ in range(100_000):
                if not self.proceed():
                    break
            assert set(self.outcomes) == set(self.tasks), "somebody waits for ever"
            assert self.scheduler.unfinished == 0
            assert all(node.executing == 0 for node in self.scheduler.sizing.nodes.values())
            assert not self.active_events & {"busy", "back_pressure"} or self.scheduler.failure is not None

    def proceed(self):
        for worker in list(self.workers.values()):
            if worker.is_starting:
                self.say_ready(worker)
                return True
            if worker.doomed or (worker.leaving and not worker.inbox):
                self.leave(worker, WorkerExit(exit_code=0, started=worker.mark))
                return True
            if worker.inbox:
                self.finish(list(self.workers).index(worker.node.id), 0, 2)
                return True
        deadline = self.scheduler.next_deadline()
        if self.scheduler.unfinished and deadline < float("inf"):
            self.now = max(self.now, deadline)
            self.scheduler.tick(self.now)
            self.pump()
            return True
        return False

    def a_worker(self, a, wanted):
        workers = [
            worker
            for worker in self.workers.values()
            if wanted(worker) and worker.node.state != GONE and not (worker.doomed and worker.node.state != RETIRING)
        ]
        return workers[a % len(workers)] if workers else None


ACTIONS = {
    "submit": 8,
    "burst": 4,
    "unknown": 1,
    "abort": 3,
    "drop_all": 1,
    "get_ready": 6,
    "finish": 8,
    "finish_much": 4,
    "answer_again": 1,
    "unsendable": 1,
    "hand_back": 2,
    "crash": 2,
    "exit": 3,
    "retire": 1,
    "pass_time": 4,
    "set_strategy": 1,
    "set_queue": 1,
    "learn_again": 1,
}
"""Every action, and how often a random walk takes it beside the others."""

assert QUEUED == 0
