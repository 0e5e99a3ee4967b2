"""What is due at a time: starts put off, silent workers, time limits, looks at memory, retirements.

Part of the scheduler, which calls it and which it calls to abort tasks, to retire workers and to report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolifier.errors import TaskTimeoutError
from poolifier.scheduler.effects import CancelTask, FailTask, KillWorker, MeasureMemory, Reclaim, TimeOutTask
from poolifier.scheduler.task import SENT

if TYPE_CHECKING:
    from poolifier.scheduler.scheduler import Scheduler


class Timetable:
    """Knows when to look next, and does what is due then."""

    __slots__ = ("_effects", "_limits", "_placement", "_recycling", "_scheduler", "_sizing", "_workforce")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._sizing = scheduler.sizing
        self._placement = scheduler.placement
        self._effects = scheduler.effects
        self._recycling = scheduler.recycling
        self._limits = scheduler.limits
        self._workforce = scheduler.workforce

    def next_deadline(self) -> float:
        """When `tick` has to be called next; infinity where there is nothing to wait for."""
        return min(
            self._placement.watch_at,
            self._sizing.next_start(),
            self._sizing.retire_at,
            self._limits.next_deadline(),
            self._recycling.measure_at,
        )

    def tick(self, now: float) -> None:
        """Does what is due: delayed restarts, reclaiming from silent workers, time limits, memory, retirements."""
        for node in self._sizing.due(now):
            if not self._scheduler.closing:
                self._workforce.start(node, now)
        if now >= self._placement.watch_at:
            self._effects.extend(Reclaim(node) for node in self._placement.silent(now))
        self._enforce_limits(now)
        if now >= self._recycling.measure_at:
            self._effects.extend(MeasureMemory(node) for node in self._recycling.to_measure(now))
        if now >= self._sizing.retire_at:
            for node in () if self._scheduler.closing else self._sizing.inactive(now):
                for task in node.sent.values():
                    if task.state == SENT:
                        self._scheduler.abort(task, now)
                        self._effects.append(CancelTask(task))
                self._scheduler.retire(node, now)
        self._scheduler.report()

    def _enforce_limits(self, now: float) -> None:
        for task in self._limits.overdue(now):
            extra = task.extra
            if extra is None or extra.timed_out:
                continue  # Handed back and sent again within one moment, it is in the heap twice.
            extra.timed_out = True
            pool = self._scheduler.options.name
            error = TaskTimeoutError(
                f"task {task.id} ({task.function.name!r}) ran longer than {extra.timeout:g} s (pool {pool!r})"
            )
            error.task_id, error.task_name, error.pool_name = task.id, task.function.name, pool
            node = task.node
            if node is None:
                self._effects.append(FailTask(task, error))
            else:
                # Before it is told to stop, for a moment later it may stand elsewhere.
                self._effects.append(TimeOutTask(task, error, node, task.sequence))
            self._scheduler.abort(task, now)
        for node in self._limits.lingering(now):
            self._effects.append(KillWorker(node))
        for node in self._limits.stubborn(now):
            if not node.condemned:
                node.condemned = True
                self._scheduler.retire(node, now)  # Nothing more is sent to it, and what waits for it moves at once.
                self._effects.append(KillWorker(node))
