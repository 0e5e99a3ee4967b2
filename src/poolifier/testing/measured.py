"""What a simulation measures, and what becomes of its tasks."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from poolifier.scheduler.usage import percentile

if TYPE_CHECKING:
    from poolifier.scheduler.scheduler import Scheduler
    from poolifier.scheduler.task import Task
    from poolifier.testing.simulated_workers import SimulatedWorker

__all__ = ["CANCELLED", "DONE", "Measured", "SimulationResult"]

DONE: Final = "done"
CANCELLED: Final = "cancelled"


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


class Measured:
    """Measures while a simulation runs.

    Attributes:
        waits: Seconds from submission to start, of every start.
        starts: How often tasks have been started, by task id, or None where nobody wants to know.
        first_at: When the first task was submitted; infinity while none has been.
        data: What the tasks that have not ended were given, by task id.
    """

    __slots__ = ("_ended", "_last_at", "data", "first_at", "starts", "waits")

    def __init__(self, *, starts: bool) -> None:
        self.waits: array[float] = array("d")
        self.starts: dict[int, int] | None = {} if starts else None
        self.first_at: float = inf
        self.data: dict[int, Any] = {}
        self._last_at = 0.0
        self._ended = {DONE: 0, CANCELLED: 0, "failed": 0}

    def settle(self, task: Task, outcome: object, now: float) -> None:
        """A task has ended, which it does once."""
        assert task.note is None, f"{task} has ended twice: {task.note!r}, {outcome!r}"
        task.note = outcome
        self.data.pop(task.id, None)
        self._last_at = now
        self._ended["failed" if outcome is not DONE and outcome is not CANCELLED else str(outcome)] += 1

    def result(self, scheduler: Scheduler, workers: Iterable[SimulatedWorker]) -> SimulationResult:
        """What has been measured so far, with all workers that there have been."""
        waits = sorted(self.waits)
        busy = {worker.node.id: worker.busy for worker in workers}
        makespan = max(0.0, self._last_at - self.first_at)
        total = sum(busy.values())
        squares = sum(seconds * seconds for seconds in busy.values())
        return SimulationResult(
            makespan=makespan,
            done=self._ended[DONE],
            failed=self._ended["failed"],
            aborted=self._ended[CANCELLED],
            stolen=sum(node.usage.counts()[3] for node in scheduler.sizing.nodes.values())
            + scheduler.books.retired.counts()[3],
            mean_wait=sum(waits) / len(waits) if waits else 0.0,
            median_wait=percentile(waits, 0.5) if waits else 0.0,
            p99_wait=percentile(waits, 0.99) if waits else 0.0,
            busy=busy,
            tasks={worker.node.id: worker.ended for worker in workers},
            fairness=total * total / (len(busy) * squares) if squares else 1.0,
            utilization=total / (makespan * len(busy)) if makespan and busy else 0.0,
        )
