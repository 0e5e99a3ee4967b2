"""The books: how many tasks there were and how each of them ended.

A task that stands for several items of a map counts as so many tasks. Wherever one ends, it is booked
here, on the worker that ran it; that is what makes the sums right at any moment.
"""

from __future__ import annotations

from poolifier.errors import PoisonTaskError
from poolifier.exchange import WorkerExit
from poolifier.scheduler.crashes import task_crashed
from poolifier.scheduler.effects import Effect, FailTask
from poolifier.scheduler.limits import Limits
from poolifier.scheduler.node import Node
from poolifier.scheduler.task import ABORTING, ENDED, QUEUED, SENT, Task
from poolifier.scheduler.usage import PENDING, FunctionUsage, NodeUsage


class Books:
    """Counts tasks.

    Attributes:
        submitted: Tasks that were ever submitted.
        surplus: Items of chunks beyond the first of each: they count as queued, and no queue holds them.
        retired: What workers that are gone have done, and what ended without any worker.
        active: Seconds that workers which are gone were not waiting for work.
        idle: Seconds that they were.
    """

    __slots__ = ("_effects", "_limits", "_pool", "active", "idle", "retired", "submitted", "surplus")

    def __init__(self, effects: list[Effect], limits: Limits, pool: str) -> None:
        self._effects = effects
        self._pool = pool
        self._limits = limits
        self.submitted: int = 0
        self.surplus: int = 0
        self.retired: NodeUsage = NodeUsage()
        self.active: float = 0.0
        self.idle: float = 0.0

    def add_surplus(self, items: int) -> None:
        """Counts what a task that is new stands for beside its first item."""
        self.submitted += items
        self.surplus += items

    def items_done(self, node: Node, task: Task, run_times: list[float], now: float, *, failed: bool) -> None:
        """Counts items of a chunk, the last not among them, that came one after another."""
        count = len(run_times)
        usage = self._items_done(node, task, count, sum(run_times) / count)
        if failed:
            usage.failed += count
        else:
            usage.executed += count
        pending = usage.pending
        age = now - task.submitted_at
        for run_time in run_times:
            pending.append(run_time)
            pending.append(max(0.0, age - run_time))
        if len(pending) >= PENDING:
            usage.fold()

    def run_done(
        self, node: Node, task: Task, counts: list[int], means: list[float], run_time: float, now: float
    ) -> None:
        """Counts items of a chunk, the last not among them, which were timed in groups.

        Each is taken to have run as long as the mean of its group, and to have waited as long as the mean of all.
        """
        count = sum(counts)
        mean = run_time / count
        # Where the machine let others run meanwhile, a few groups took long for that, which says nothing of the next.
        typical = sorted(means)[len(means) // 2]
        usage = self._items_done(node, task, count, min(mean, 2.0 * typical))
        usage.executed += count
        usage.add_groups(counts, means, run_time, max(0.0, now - task.submitted_at - mean))

    def _items_done(self, node: Node, task: Task, count: int, mean: float) -> FunctionUsage:
        extra = task.extra
        assert extra is not None
        extra.items -= count
        extra.ended += count
        self.surplus -= count
        node.surplus -= count
        node.ran += count
        function = task.function
        # As though each had been smoothed in by an eighth, with their mean in the place of each.
        function.estimate = mean + (function.estimate - mean) * 0.875**count
        return node.usage.of(function)

    def fail(self, task: Task, error: BaseException, node: Node | None = None) -> None:
        """Ends a task with an error, and all items that it stands for."""
        usage = (self.retired if node is None else node.usage).of(task.function)
        usage.failed += self.take_items(task)
        task.state = ENDED
        task.node = node
        self._effects.append(FailTask(task, error))

    def drop(self, task: Task, usage: FunctionUsage) -> None:
        """Counts a task that was told to stop: aborted, or failed where its time limit was the reason."""
        items = self.take_items(task)
        if task.extra is not None and task.extra.timed_out:
            usage.failed += items
        else:
            usage.aborted += items

    def take_items(self, task: Task) -> int:
        """All that the task stands for, which ends now."""
        extra = task.extra
        if extra is None:
            return 1
        items = extra.items
        self.surplus -= items - 1
        if task.node is not None and task.state in (SENT, ABORTING):
            task.node.surplus -= items - 1
        extra.items = 1
        return items

    def drop_surplus(self, task: Task) -> None:
        """Only the first item that is left ends now; the others have not started, and are submitted again."""
        self.submitted -= self.take_items(task) - 1

    def close(self, node: Node) -> None:
        """A worker is gone; what it has done stays known."""
        self.retired.merge(node.usage)
        self.retired.trim()
        self.active += node.active
        self.idle += node.idle

    def settle_lost(self, node: Node, exited: WorkerExit) -> list[Task]:
        """Ends what a lost worker had started; returns what is to be placed again, detached from it."""
        unsettled: list[Task] = []
        for sequence, task in node.sent.items():
            if node.limited:
                self._limits.gone(node, task)
            if task.state == ABORTING:
                task.state = ENDED
                self.drop(task, node.usage.of(task.function))
            elif sequence > exited.started or self._may_retry(task, node, exited):
                unsettled.append(task)
        node.sent.clear()
        node.outbox.clear()
        unsettled.extend(node.queue.drain())
        node.load = 0
        for task in unsettled:
            task.state = QUEUED
            task.node = None
            task.sequence = 0
        return unsettled

    def _may_retry(self, task: Task, node: Node, exited: WorkerExit) -> bool:
        """Books a crash on a task; False where that was its last chance."""
        error = task_crashed(self._pool, node.id, task, exited)
        extra = task.extra
        if extra is not None and extra.retries:
            extra.history.append(error)
            if len(extra.history) <= extra.retries:
                return True
            error = PoisonTaskError.from_history(extra.history)
        if exited.certain:
            self.drop_surplus(task)
        elif extra is not None:
            extra.lost = True
        self.fail(task, error, node)
        return False
