"""Tasks that a worker was sent and has not run: they are queued again, or end.

Part of the scheduler, which calls it and which it calls to place tasks and to report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolifier.scheduler.node import READY, Node
from poolifier.scheduler.task import ABORTING, ENDED, QUEUED, Task

if TYPE_CHECKING:
    from poolifier.scheduler.scheduler import Scheduler
    from poolifier.scheduler.turnover import Turnover


class Unstarted:
    """Takes tasks from a worker that has not run them."""

    __slots__ = ("_books", "_edges", "_limits", "_placement", "_scheduler", "_turnover")

    def __init__(self, scheduler: Scheduler, turnover: Turnover) -> None:
        self._scheduler = scheduler
        self._turnover = turnover
        self._books = scheduler.books
        self._edges = scheduler.edges
        self._limits = scheduler.limits
        self._placement = scheduler.placement

    def returned(self, node: Node, sequences: list[int], now: float) -> None:
        """A worker hands tasks back: they are queued again, as old as they are."""
        # The youngest first, so that each goes to the head of its lane.
        for sequence in sorted(sequences, reverse=True):
            task = node.sent.get(sequence)
            if task is None:
                continue
            if task.state == ABORTING:
                self.end(node, sequence, now)
                continue
            del node.sent[sequence]
            if node.limited:
                self._limits.gone(node, task)
                self._limits.advanced(node, now)
            node.ahead = node.ahead - task.estimate if node.sent else 0.0
            if task.extra is not None:
                node.surplus -= task.extra.items - 1
            task.state = QUEUED
            task.sequence = 0
            if node.state == READY:
                node.queue.push(task)
            else:
                node.load -= 1
                self._scheduler.place_again(task, now)
        if node.state == READY:
            self._placement.press(node)
            self._placement.refill(node, now)
        self._placement.feed_all(now)
        self._turnover.hand_over(node, now)
        self._scheduler.report()

    def refuse(self, task: Task) -> None:
        """Ends a task that was to be placed when a strategy raised, unless it has a place already. O(tasks)."""
        at = task.node
        placed = list(self._scheduler.lobby) if at is None else [*at.queue, *at.sent.values()]
        if all(other is not task for other in placed):
            self._books.submitted -= self._books.take_items(task)
            task.state = ENDED

    def end(self, node: Node, sequence: int, now: float) -> None:
        """Ends a task: aborted where that was asked for, else failed."""
        task = node.sent.pop(sequence)
        usage = node.usage.of(task.function)
        if task.state == ABORTING:
            self._books.drop(task, usage)
        else:
            self._books.drop_surplus(task)
            usage.failed += 1
        task.state = ENDED
        self._placement.freed(node, task, now)
        if self._edges.changed:
            self._turnover.hand_over(node, now)
            self._scheduler.report()
