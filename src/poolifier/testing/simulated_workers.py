"""Workers that exist in the timetable alone: what a simulation has in place of a backend."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from poolifier.errors import TaskAborted
from poolifier.exchange import WorkerExit, WorkerReady
from poolifier.scheduler import effects as effect
from poolifier.scheduler.task import SENT
from poolifier.testing.measured import DONE, Measured

if TYPE_CHECKING:
    from poolifier.scheduler.node import Node
    from poolifier.scheduler.scheduler import Scheduler
    from poolifier.scheduler.task import Task
    from poolifier.testing.clock import VirtualClock

__all__ = ["Crash", "Failure", "SimulatedWorker", "SimulatedWorkers"]


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


class SimulatedWorker:
    """Starts what it is sent in order, `quota` at a time.

    Attributes:
        node: What the scheduler knows of it.
        inbox: What it was sent and has not started, with sequence numbers.
        running: What it runs, by sequence number, and since when.
        mark: The sequence number of the task that it started last.
        leaving: It has been asked to leave.
        busy: Seconds that it has run tasks.
        ended: Tasks that it has ended.
    """

    __slots__ = ("busy", "ended", "inbox", "leaving", "mark", "node", "running")

    def __init__(self, node: Node) -> None:
        self.node: Node = node
        self.inbox: deque[tuple[int, Task]] = deque()
        self.running: dict[int, tuple[Task, float]] = {}
        self.mark: int = 0
        self.leaving: bool = False
        self.busy: float = 0.0
        self.ended: int = 0


class SimulatedWorkers:
    """Starts workers, runs what they are sent, and tells the scheduler how that went.

    Args:
        ready: What each worker says when it is ready.
        run_time: What running a task amounts to; None where its data says so itself.
        start_delay: Seconds that a worker takes to get ready, or what it dies of.
        carry_out: Called whenever the scheduler has been told something.

    Attributes:
        there: The workers that are not gone, by worker id.
        gone: Those that are.
    """

    def __init__(
        self,
        clock: VirtualClock,
        scheduler: Scheduler,
        measured: Measured,
        ready: WorkerReady,
        run_time: Callable[[Task], Run] | None,
        start_delay: float | Callable[[Node], float | BaseException],
        carry_out: Callable[[], None],
    ) -> None:
        self.there: dict[int, SimulatedWorker] = {}
        self.gone: list[SimulatedWorker] = []
        self._clock = clock
        self._scheduler = scheduler
        self._measured = measured
        self._ready = ready
        self._run_time = run_time
        self._start_delay = start_delay
        self._carry_out = carry_out

    # ---- what is asked of them --------------------------------------------------------------------

    # Nothing of this calls the scheduler at once: answers come from the timetable, as a worker's would.

    def start_worker(self, node: Node) -> None:
        """Starts a worker, which gets ready in its time, or dies at start."""
        self.there[node.id] = SimulatedWorker(node)
        delay = self._start_delay(node) if callable(self._start_delay) else self._start_delay
        if isinstance(delay, BaseException):
            self._clock.after(0.0, self._exit, node.id, WorkerExit(exit_code=1, error=delay))
        else:
            self._clock.after(delay, self._get_ready, node.id)

    def send(self, node: Node, tasks: list[Task]) -> None:
        """Sends a worker tasks, in order. One that is gone hears nothing."""
        worker = self.there.get(node.id)
        if worker is not None:
            worker.inbox.extend([(task.sequence, task) for task in tasks])
            self._start_next(worker)

    def tell(
        self, wanted: effect.StopWorker | effect.KillWorker | effect.AbortTask | effect.Reclaim | effect.MeasureMemory
    ) -> None:
        """Asks a worker for what the scheduler wants of it. One that is gone hears nothing."""
        worker = self.there.get(wanted.node.id)
        if worker is None:
            return
        clock = self._clock
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

    # ---- what they do in their time ---------------------------------------------------------------

    def _get_ready(self, worker_id: int) -> None:
        if worker_id in self.there:
            self._scheduler.worker_ready(worker_id, self._ready, self._clock.now)
            self._carry_out()

    def _start_next(self, worker: SimulatedWorker) -> None:
        """Starts what the worker was sent, as far as it may run at once."""
        inbox = worker.inbox
        running = worker.running
        clock = self._clock
        measured = self._measured
        while inbox and len(running) < worker.node.quota:
            sequence, task = inbox.popleft()
            now = clock.now
            worker.mark = sequence
            running[sequence] = (task, now)
            measured.waits.append(now - task.submitted_at)
            if measured.starts is not None:
                measured.starts[task.id] = measured.starts.get(task.id, 0) + 1
            run: Run = measured.data[task.id] if self._run_time is None else self._run_time(task)
            if isinstance(run, Crash):
                clock.at(now + run.seconds, self._crashed, worker, sequence, task, run)
            elif isinstance(run, Failure):
                clock.at(now + run.seconds, self._failed, worker, sequence, task, run)
            else:
                clock.at(now + run, self._finished, worker, sequence, task, run)

    def _finished(self, worker: SimulatedWorker, sequence: int, task: Task, seconds: float) -> None:
        if self._take(worker, sequence, task, seconds):
            node = worker.node
            now = self._clock.now
            ended = self._scheduler.task_done(node, sequence, seconds, seconds, now)
            node.heard_at = now
            if ended is not None:
                self._measured.settle(ended, DONE, now)
            self._carry_out()
            self._leave_if_idle(worker)

    def _failed(self, worker: SimulatedWorker, sequence: int, task: Task, run: Failure) -> None:
        if self._take(worker, sequence, task, run.seconds):
            now = self._clock.now
            ended = self._scheduler.task_failed(worker.node, sequence, run.seconds, run.seconds, now)
            worker.node.heard_at = now
            if ended is not None:
                self._measured.settle(ended, run.error, now)
            self._carry_out()
            self._leave_if_idle(worker)

    def _crashed(self, worker: SimulatedWorker, sequence: int, task: Task, run: Crash) -> None:
        running = worker.running.get(sequence)
        if running is not None and running[0] is task:
            worker.busy += run.seconds
            self._exit(worker.node.id, WorkerExit(signal=run.signal, started=worker.mark))

    def _take(self, worker: SimulatedWorker, sequence: int, task: Task, seconds: float) -> bool:
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

    def _aborted(self, worker: SimulatedWorker, sequence: int, seconds: float) -> None:
        node = worker.node
        now = self._clock.now
        worker.busy += seconds
        node.active += seconds
        ended = self._scheduler.task_aborted(node, sequence, seconds, seconds, now)
        node.heard_at = now
        if ended is not None:
            self._measured.settle(ended, TaskAborted(), now)
        self._start_next(worker)
        self._carry_out()
        self._leave_if_idle(worker)

    def _returned(self, worker: SimulatedWorker, sequences: list[int]) -> None:
        self._scheduler.tasks_returned(worker.node, sequences, self._clock.now)
        self._carry_out()
        self._leave_if_idle(worker)

    def _leave_if_idle(self, worker: SimulatedWorker) -> None:
        if worker.leaving and not worker.running and not worker.inbox:
            self._exit(worker.node.id, WorkerExit(exit_code=0, started=worker.mark))

    def crash(self, worker_id: int, signal: str) -> None:
        """Ends a worker now, as if the system had killed it."""
        worker = self.there.get(worker_id)
        if worker is not None:
            self._exit(worker_id, WorkerExit(signal=signal, started=worker.mark))

    def _killed(self, worker: SimulatedWorker) -> None:
        self._exit(worker.node.id, WorkerExit(signal="SIGKILL", started=worker.mark))

    def _exit(self, worker_id: int, exited: WorkerExit) -> None:
        worker = self.there.pop(worker_id, None)
        if worker is None:
            return
        now = self._clock.now
        worker.busy += sum(now - since for _, since in worker.running.values())
        worker.inbox.clear()
        worker.running.clear()
        self.gone.append(worker)
        self._scheduler.worker_lost(worker_id, exited, now)
        self._carry_out()
