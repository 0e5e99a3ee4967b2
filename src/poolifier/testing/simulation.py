"""A pool without workers: the scheduler, driven under a virtual clock.

What a pool does in hours a simulation does in seconds, the same each time: the scheduler neither
knows nor cares that its workers are numbers in a timetable. Use it to compare worker choice
strategies under a load of your own, to test a `Strategy` that you wrote, or to see what a pool does
when its workers die.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, TypeAlias

from poolifier.errors import TaskAborted
from poolifier.exchange import WorkerExit, WorkerReady
from poolifier.options import PoolOptions, check_sizes
from poolifier.scheduler import effects as effect
from poolifier.scheduler.node import Node
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import SENT, Task, TaskExtra
from poolifier.scheduler.usage import percentile
from poolifier.task_functions import DEFAULT_TASK_NAME, KillBehavior, TaskFunctionProperties
from poolifier.testing.clock import VirtualClock

__all__ = ["Crash", "Failure", "SimulatedTask", "Simulation", "SimulationResult"]

SimulatedTask: TypeAlias = Task
"""What `Simulation.submit` returns. `task.future` is how it went: None while it has not ended, `"done"`,
`"cancelled"`, or the error."""

DONE: Final = "done"
CANCELLED: Final = "cancelled"


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that ends in an error.

    Attributes:
        seconds: How long it takes.
        error: What it raises.
    """

    seconds: float = 0.0
    error: BaseException = field(default_factory=lambda: RuntimeError("simulated"))


@dataclass(frozen=True, slots=True)
class Crash:
    """A run that ends its worker.

    Attributes:
        seconds: How long it takes.
        signal: What the worker dies of.
    """

    seconds: float = 0.0
    signal: str = "SIGKILL"


Run: TypeAlias = float | Failure | Crash


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What a simulation has measured. Times in virtual seconds.

    Attributes:
        makespan: From the first submission to the last end.
        done: Tasks that ended well.
        failed: Tasks that ended with an error.
        aborted: Tasks that were cancelled.
        stolen: Tasks that were taken over by another worker than the one chosen.
        mean_wait: Average time from submission to start.
        median_wait: Median of these times.
        p99_wait: What 99 % of these times do not exceed.
        busy: Seconds that each worker ran tasks, by worker id.
        tasks: Tasks that each worker ended, by worker id.
        fairness: Jain's index of `busy`: 1.0 where all ran equally long, 1/n where one ran alone.
        utilization: Share of the workers' time between first submission and last end that they ran tasks.
    """

    makespan: float
    done: int
    failed: int
    aborted: int
    stolen: int
    mean_wait: float
    median_wait: float
    p99_wait: float
    busy: dict[int, float]
    tasks: dict[int, int]
    fairness: float
    utilization: float


class _Worker:
    """A worker that exists in the timetable alone. It starts what it is sent in order, `quota` at a time."""

    __slots__ = ("busy", "ended", "inbox", "leaving", "mark", "node", "running")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.inbox: deque[tuple[int, Task]] = deque()
        self.running: dict[int, tuple[Task, float]] = {}
        self.mark = 0
        self.leaving = False
        self.busy = 0.0
        self.ended = 0


class Simulation:
    """A scheduler with simulated workers.

    ```python
    simulation = Simulation(4, worker_choice_strategy="fair_share")
    simulation.start()
    for seconds in (0.1, 2.0, 0.1, 0.3):
        simulation.submit(seconds)
    simulation.run()
    print(simulation.result().makespan)
    ```

    Args:
        sizes: The number of workers, or `(min, max)` for a dynamic pool.
        run_time: What running a task amounts to: seconds, a `Failure` or a `Crash`. By default the task's
            data says so itself.
        start_delay: Seconds that a worker takes to get ready, or a function of the worker node (`id` and
            `slot` tell which) that returns them, or an exception for a worker that dies at start.
        functions: The task functions, the default one first.
        max_inactive_time: Seconds without work after which a dynamic worker retires.
        kill_behavior: Whether it may be retired while a task runs.
        known: Whether the pool knows the task functions beforehand, rather than from its first worker.
        options: Options of the pool, as for `FixedProcessPool`.

    Attributes:
        clock: The virtual clock. `clock.at(10.0, simulation.submit, 0.5)` submits later.
        scheduler: The scheduler that is driven.
        events: `(time, name)` of every event of the pool.
        starts: How often tasks have been started, by task id, where `record_starts` was given.
    """

    def __init__(
        self,
        sizes: int | tuple[int, int],
        *,
        run_time: Callable[[Task], Run] | None = None,
        start_delay: float | Callable[[Node], float | BaseException] = 0.0,
        functions: Iterable[TaskFunctionProperties] = (TaskFunctionProperties("work"),),
        max_inactive_time: float = 60.0,
        kill_behavior: KillBehavior = KillBehavior.SOFT,
        known: bool = True,
        record_starts: bool = False,
        **options: Any,
    ) -> None:
        checked = check_sizes(sizes) if isinstance(sizes, int) else check_sizes(*sizes)
        self.clock: VirtualClock = VirtualClock()
        self.scheduler: Scheduler = Scheduler(
            PoolOptions.checked(sizes=checked, dynamic=checked[0] < checked[1], **options)
        )
        self.events: list[tuple[float, str]] = []
        self.starts: dict[int, int] | None = {} if record_starts else None
        self._run_time = run_time
        self._start_delay = start_delay
        self._ready = WorkerReady(tuple(functions), max_inactive_time, kill_behavior)
        self._workers: dict[int, _Worker] = {}
        self._gone: list[_Worker] = []
        self._tick_at = inf
        self._last_task_id = 0
        self._waits = array("d")
        self._first_at = inf
        self._last_at = 0.0
        self._ended = {DONE: 0, CANCELLED: 0, "failed": 0}
        if known:
            self.scheduler.learn(self._ready, 0.0)

    # ---- what a test or an experiment does --------------------------------------------------------

    def start(self) -> None:
        """Starts the minimum of workers. Those without a start delay are ready once the clock moves."""
        self.scheduler.start(self.clock.now)
        self._carry_out()

    def submit(
        self, data: Any = 0.0, name: str = DEFAULT_TASK_NAME, *, priority: int | None = None, retries: int = 0
    ) -> Task:
        """Submits a task now."""
        clock = self.clock
        function = self.scheduler.functions.find(name)
        self._last_task_id += 1
        task = Task(self._last_task_id, function, data, function.priority if priority is None else priority, None)
        if retries:
            task.extra = TaskExtra(retries)
        if self._first_at == inf:
            self._first_at = clock.now
        self.scheduler.submit(task, clock.now)
        self._carry_out()
        return task

    def abort(self, task: Task) -> None:
        """Cancels a task, as its caller would."""
        if task.future is None:
            self._settle(task, CANCELLED)
        self.scheduler.abort(task, self.clock.now)
        self._carry_out()

    def crash(self, node: Node, signal: str = "SIGKILL") -> None:
        """Ends a worker as if the system had killed it."""
        self._exit(node.id, WorkerExit(signal=signal, started=self._mark(node.id)))

    def change(self, change: Callable[[Scheduler, float], object]) -> None:
        """Calls `change(scheduler, now)` and carries out what follows from it."""
        change(self.scheduler, self.clock.now)
        self._carry_out()

    def run(self, until: float = inf) -> None:
        """Lets time pass until then, or until nothing is left to happen."""
        self.clock.run(until)

    @property
    def nodes(self) -> list[Node]:
        """The worker nodes, by slot."""
        by_slot = self.scheduler.sizing.by_slot
        return [by_slot[slot] for slot in sorted(by_slot)]

    def result(self) -> SimulationResult:
        """What has been measured so far."""
        waits = sorted(self._waits)
        workers = [*self._gone, *self._workers.values()]
        busy = {worker.node.id: worker.busy for worker in workers}
        makespan = max(0.0, self._last_at - self._first_at)
        total = sum(busy.values())
        squares = sum(seconds * seconds for seconds in busy.values())
        return SimulationResult(
            makespan=makespan,
            done=self._ended[DONE],
            failed=self._ended["failed"],
            aborted=self._ended[CANCELLED],
            stolen=sum(node.usage.counts()[3] for node in (self.scheduler.sizing.nodes.values()))
            + self.scheduler.books.retired.counts()[3],
            mean_wait=sum(waits) / len(waits) if waits else 0.0,
            median_wait=percentile(waits, 0.5) if waits else 0.0,
            p99_wait=percentile(waits, 0.99) if waits else 0.0,
            busy=busy,
            tasks={worker.node.id: worker.ended for worker in workers},
            fairness=total * total / (len(busy) * squares) if squares else 1.0,
            utilization=total / (makespan * len(busy)) if makespan and busy else 0.0,
        )

    # ---- the workers ------------------------------------------------------------------------------

    def _mark(self, worker_id: int) -> int:
        worker = self._workers.get(worker_id)
        return 0 if worker is None else worker.mark

    def _get_ready(self, worker_id: int) -> None:
        if worker_id in self._workers:
            self.scheduler.worker_ready(worker_id, self._ready, self.clock.now)
            self._carry_out()

    def _start_next(self, worker: _Worker) -> None:
        """Starts what the worker was sent, as far as it may run at once."""
        inbox = worker.inbox
        running = worker.running
        clock = self.clock
        while inbox and len(running) < worker.node.quota:
            sequence, task = inbox.popleft()
            now = clock.now
            worker.mark = sequence
            running[sequence] = (task, now)
            self._waits.append(now - task.submitted_at)
            if self.starts is not None:
                self.starts[task.id] = self.starts.get(task.id, 0) + 1
            run: Run = task.data if self._run_time is None else self._run_time(task)
            if isinstance(run, Crash):
                clock.at(now + run.seconds, self._crashed, worker, sequence, task, run)
            elif isinstance(run, Failure):
                clock.at(now + run.seconds, self._failed, worker, sequence, task, run)
            else:
                clock.at(now + run, self._finished, worker, sequence, task, run)

    def _finished(self, worker: _Worker, sequence: int, task: Task, seconds: float) -> None:
        if self._take(worker, sequence, task, seconds):
            node = worker.node
            now = self.clock.now
            ended = self.scheduler.task_done(node, sequence, seconds, seconds, now)
            node.heard_at = now
            if ended is not None:
                self._settle(ended, DONE)
            self._carry_out()
            self._leave_if_idle(worker)

    def _failed(self, worker: _Worker, sequence: int, task: Task, run: Failure) -> None:
        if self._take(worker, sequence, task, run.seconds):
            ended = self.scheduler.task_failed(worker.node, sequence, run.seconds, run.seconds, self.clock.now)
            worker.node.heard_at = self.clock.now
            if ended is not None:
                self._settle(ended, run.error)
            self._carry_out()
            self._leave_if_idle(worker)

    def _crashed(self, worker: _Worker, sequence: int, task: Task, run: Crash) -> None:
        running = worker.running.get(sequence)
        if running is not None and running[0] is task:
            worker.busy += run.seconds
            self._exit(worker.node.id, WorkerExit(signal=run.signal, started=worker.mark))

    def _take(self, worker: _Worker, sequence: int, task: Task, seconds: float) -> bool:
        """Ends a run at its worker; False where it was aborted, or the worker is gone."""
        running = worker.running.get(sequence)
        if running is None or running[0] is not task:
            return False
        del worker.running[sequence]
        worker.busy += seconds
        worker.ended += 1
        worker.node.active += seconds
        if worker.inbox:
            self._start_next(worker)
        return True

    def _aborted(self, worker: _Worker, sequence: int, seconds: float) -> None:
        node = worker.node
        worker.busy += seconds
        node.active += seconds
        ended = self.scheduler.task_aborted(node, sequence, seconds, seconds, self.clock.now)
        node.heard_at = self.clock.now
        if ended is not None:
            self._settle(ended, TaskAborted())
        self._start_next(worker)
        self._carry_out()
        self._leave_if_idle(worker)

    def _returned(self, worker: _Worker, sequences: list[int]) -> None:
        self.scheduler.tasks_returned(worker.node, sequences, self.clock.now)
        self._carry_out()
        self._leave_if_idle(worker)

    def _leave_if_idle(self, worker: _Worker) -> None:
        if worker.leaving and not worker.running and not worker.inbox:
            self._exit(worker.node.id, WorkerExit(exit_code=0, started=worker.mark))

    def _exit(self, worker_id: int, exited: WorkerExit) -> None:
        worker = self._workers.pop(worker_id, None)
        if worker is None:
            return
        now = self.clock.now
        worker.busy += sum(now - since for _, since in worker.running.values())
        worker.inbox.clear()
        worker.running.clear()
        self._gone.append(worker)
        self.scheduler.worker_lost(worker_id, exited, now)
        self._carry_out()

    # ---- what the scheduler wants done ------------------------------------------------------------

    def _settle(self, task: Task, outcome: object) -> None:
        assert task.future is None, f"{task} has ended twice: {task.future!r}, {outcome!r}"
        task.future = outcome
        self._last_at = self.clock.now
        self._ended["failed" if outcome is not DONE and outcome is not CANCELLED else str(outcome)] += 1

    def _carry_out(self) -> None:
        scheduler = self.scheduler
        dirty = scheduler.dirty
        while dirty:
            nodes = dirty[:]
            dirty.clear()
            for node in nodes:
                self._send(node)
        effects = scheduler.effects
        if effects:
            for wanted in effects:
                self._perform(wanted)
            effects.clear()
        deadline = scheduler.next_deadline()
        if deadline < self._tick_at:
            self._tick_at = deadline
            self.clock.at(deadline, self._tick, deadline)

    def _send(self, node: Node) -> None:
        outbox = node.outbox
        node.outbox = []
        node.in_outbox = False
        worker = self._workers.get(node.id)
        if worker is not None:
            worker.inbox.extend([(task.sequence, task) for task in outbox])
            self._start_next(worker)

    def _tick(self, deadline: float) -> None:
        if deadline == self._tick_at:
            self._tick_at = inf
            self.scheduler.tick(self.clock.now)
            self._carry_out()

    def _perform(self, wanted: effect.Effect) -> None:
        # Nothing here calls the scheduler: answers come from the timetable, as a worker's would.
        if isinstance(wanted, effect.Emit):
            self.events.append((self.clock.now, wanted.event))
        elif isinstance(wanted, effect.StartWorker):
            self._start_worker(wanted.node)
        elif isinstance(wanted, effect.FailTask):
            if wanted.task.future is None:
                self._settle(wanted.task, wanted.error)
        elif isinstance(wanted, effect.CancelTask):
            if wanted.task.future is None:
                self._settle(wanted.task, CANCELLED)
        elif not isinstance(wanted, effect.FailPool):
            worker = self._workers.get(wanted.node.id)
            if worker is not None:
                self._tell(worker, wanted)

    def _start_worker(self, node: Node) -> None:
        self._workers[node.id] = _Worker(node)
        delay = self._start_delay(node) if callable(self._start_delay) else self._start_delay
        if isinstance(delay, BaseException):
            self.clock.after(0.0, self._exit, node.id, WorkerExit(exit_code=1, error=delay))
        else:
            self.clock.after(delay, self._get_ready, node.id)

    def _tell(self, worker: _Worker, wanted: effect.Effect) -> None:
        clock = self.clock
        if isinstance(wanted, effect.StopWorker):
            worker.leaving = True
            clock.after(0.0, self._leave_if_idle, worker)
        elif isinstance(wanted, effect.KillWorker):
            clock.after(0.0, self._killed, worker)
        elif isinstance(wanted, effect.AbortTask):
            running = worker.running.pop(wanted.sequence, None)
            if running is not None:
                clock.after(0.0, self._aborted, worker, wanted.sequence, clock.now - running[1])
                return
            waiting = [entry for entry in worker.inbox if entry[0] != wanted.sequence]
            if len(waiting) < len(worker.inbox):
                worker.inbox = deque(waiting)
                clock.after(0.0, self._aborted, worker, wanted.sequence, 0.0)
        elif isinstance(wanted, effect.Reclaim) and worker.inbox:
            sequences = [sequence for sequence, task in worker.inbox if task.state == SENT]
            worker.inbox = deque(entry for entry in worker.inbox if entry[1].state != SENT)
            clock.after(0.0, self._returned, worker, sequences)

    def _killed(self, worker: _Worker) -> None:
        self._exit(worker.node.id, WorkerExit(signal="SIGKILL", started=worker.mark))
