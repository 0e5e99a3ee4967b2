"""A pool without workers: the scheduler, driven under a virtual clock.

What a pool does in hours a simulation does in seconds, the same each time: the scheduler neither
knows nor cares that its workers are numbers in a timetable. Use it to compare worker choice
strategies under a load of your own, to test a `Strategy` that you wrote, or to see what a pool does
when its workers die.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any, TypeAlias

from poolifier.exchange import WorkerReady
from poolifier.options import PoolOptions, check_sizes
from poolifier.scheduler import effects as effect
from poolifier.scheduler.node import Node
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import Task, TaskExtra
from poolifier.task_functions import DEFAULT_TASK_NAME, KillBehavior, TaskFunctionProperties
from poolifier.testing.clock import VirtualClock
from poolifier.testing.measured import CANCELLED, Measured, SimulationResult
from poolifier.testing.simulated_workers import Run, SimulatedWorkers

__all__ = ["SimulatedTask", "Simulation"]

SimulatedTask: TypeAlias = Task
"""What `Simulation.submit` returns. `task.note` is how it went: None while it has not ended, `"done"`,
`"cancelled"`, or the error."""


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
            data says so itself. Of data that says more it learns by `simulation.data[task.id]`.
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
        self._measured = Measured(starts=record_starts)
        self.starts: dict[int, int] | None = self._measured.starts
        ready = WorkerReady(tuple(functions), max_inactive_time, kill_behavior)
        self._workers = SimulatedWorkers(
            self.clock, self.scheduler, self._measured, ready, run_time, start_delay, self._carry_out
        )
        self._tick_at = inf
        self._last_task_id = 0
        if known:
            self.scheduler.learn(ready, 0.0)

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
        nice = function.priority if priority is None else priority
        task = Task(self._last_task_id, function, nice)
        self._measured.data[task.id] = data
        if retries:
            task.extra = TaskExtra(retries)
        if self._measured.first_at == inf:
            self._measured.first_at = clock.now
        self.scheduler.submit(task, clock.now)
        self._carry_out()
        return task

    def abort(self, task: Task) -> None:
        """Cancels a task, as its caller would."""
        if task.note is None:
            self._measured.settle(task, CANCELLED, self.clock.now)
        self.scheduler.abort(task, self.clock.now)
        self._carry_out()

    def crash(self, node: Node, signal: str = "SIGKILL") -> None:
        """Ends a worker as if the system had killed it."""
        self._workers.crash(node.id, signal)

    def change(self, change: Callable[[Scheduler, float], object]) -> None:
        """Calls `change(scheduler, now)` and carries out what follows from it."""
        change(self.scheduler, self.clock.now)
        self._carry_out()

    def run(self, until: float = inf) -> None:
        """Lets time pass until then, or until nothing is left to happen."""
        self.clock.run(until)

    @property
    def data(self) -> dict[int, Any]:
        """What the tasks that have not ended were given, by task id."""
        return self._measured.data

    @property
    def nodes(self) -> list[Node]:
        """The worker nodes, by slot."""
        by_slot = self.scheduler.sizing.by_slot
        return [by_slot[slot] for slot in sorted(by_slot)]

    def result(self) -> SimulationResult:
        """What has been measured so far."""
        return self._measured.result(self.scheduler, [*self._workers.gone, *self._workers.there.values()])

    # ---- what the scheduler wants done ------------------------------------------------------------

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
        self._workers.send(node, outbox)

    def _tick(self, deadline: float) -> None:
        if deadline == self._tick_at:
            self._tick_at = inf
            self.scheduler.tick(self.clock.now)
            self._carry_out()

    def _perform(self, wanted: effect.Effect) -> None:
        if isinstance(wanted, effect.Emit):
            self.events.append((self.clock.now, wanted.event))
        elif isinstance(wanted, effect.StartWorker):
            self._workers.start_worker(wanted.node)
        elif isinstance(wanted, effect.FailTask | effect.TimeOutTask):
            if wanted.task.note is None:
                self._measured.settle(wanted.task, wanted.error, self.clock.now)
        elif isinstance(wanted, effect.CancelTask):
            if wanted.task.note is None:
                self._measured.settle(wanted.task, CANCELLED, self.clock.now)
        elif not isinstance(wanted, effect.FailPool):
            self._workers.tell(wanted)
