"""Time limits of running tasks, and the patience with tasks that are to stop and workers that are to leave.

A limit counts running time, so its clock starts when the task moves into the window of tasks that
its worker runs at once, which the pool knows without being told: a worker starts tasks in order.
Only running tasks are in the heap; a hundred thousand tasks that wait with a limit cost nothing here.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import islice
from math import inf
from typing import TypeAlias

from poolifier.scheduler.node import RETIRING, Node
from poolifier.scheduler.task import ABORTING, SENT, Task

Entry: TypeAlias = tuple[float, int, Task]

STALE_BEFORE_COMPACTION = 1024


class Limits:
    """When tasks will have run for too long, and when patience with tasks and workers ends."""

    __slots__ = ("_aborted", "_grace", "_leaving", "_patience", "_running", "_timed")

    def __init__(self, grace: float, patience: float) -> None:
        self._grace = grace
        self._patience = patience
        self._leaving: deque[tuple[float, Node]] = deque()
        self._timed: list[Entry] = []
        self._aborted: list[Entry] = []
        self._running = 0

    def sent(self, node: Node, task: Task, now: float) -> None:
        """A task with something extra was sent. O(log running limits)."""
        extra = task.extra
        if extra is not None and extra.timeout is not None:
            node.limited += 1
            # Without queues an event loop runs side by side whatever it is sent.
            side_by_side = node.capacity > node.quota and task.function.properties.kind.startswith("async")
            if len(node.sent) <= node.quota or side_by_side:
                self._start(task, now)

    def gone(self, node: Node, task: Task) -> None:
        """A task with something extra has left its worker's `sent`: ended, returned, or lost."""
        extra = task.extra
        if extra is None or extra.timeout is None:
            return
        node.limited -= 1
        if extra.started_at >= 0.0:
            extra.started_at = -1.0
            self._running -= 1
            if len(self._timed) > 2 * self._running + STALE_BEFORE_COMPACTION:
                self._timed = [entry for entry in self._timed if _is_current(entry)]
                heapify(self._timed)

    def advanced(self, node: Node, now: float) -> None:
        """A task has left, so the next one begins to run. O(tasks that the worker runs at once)."""
        for task in islice(node.sent.values(), node.quota):
            extra = task.extra
            if extra is not None and extra.timeout is not None and extra.started_at < 0.0:
                self._start(task, now)

    def abort(self, task: Task, now: float) -> None:
        """A task at a worker is to stop: patience with it begins."""
        heappush(self._aborted, (now + self._grace, task.id, task))

    def next_deadline(self) -> float:
        """When to look next."""
        timed = self._timed[0][0] if self._timed else inf
        aborted = self._aborted[0][0] if self._aborted else inf
        leaving = self._leaving[0][0] if self._leaving else inf
        return min(timed, aborted, leaving)

    def leave(self, node: Node, now: float) -> None:
        """A worker was told to leave: patience with it begins."""
        self._leaving.append((now + self._patience, node))

    def lingering(self, now: float) -> list[Node]:
        """Workers that should have left, and have nothing more to do."""
        nodes: list[Node] = []
        while self._leaving and self._leaving[0][0] <= now:
            node = self._leaving.popleft()[1]
            if node.state != RETIRING:
                continue
            if node.sent:
                self.leave(node, now)
            else:
                nodes.append(node)
        return nodes

    def overdue(self, now: float) -> list[Task]:
        """Tasks that have run for too long."""
        tasks: list[Task] = []
        while self._timed and self._timed[0][0] <= now:
            entry = heappop(self._timed)
            if _is_current(entry):
                tasks.append(entry[2])
        return tasks

    def stubborn(self, now: float) -> list[Node]:
        """Workers that still run a task which should have stopped."""
        nodes: dict[int, Node] = {}
        while self._aborted and self._aborted[0][0] <= now:
            task = heappop(self._aborted)[2]
            node = task.node
            if task.state != ABORTING or node is None:
                continue
            if any(running is task for running in islice(node.sent.values(), node.quota)):
                nodes[node.id] = node
            else:
                # It was sent ahead and has not begun; what runs before it is not to suffer for it.
                self.abort(task, now)
        return list(nodes.values())

    def _start(self, task: Task, now: float) -> None:
        extra = task.extra
        if extra is not None and extra.timeout is not None:
            extra.started_at = now
            self._running += 1
            heappush(self._timed, (now + extra.timeout, task.id, task))


def _is_current(entry: Entry) -> bool:
    at, _, task = entry
    extra = task.extra
    if extra is None or extra.timeout is None or task.state != SENT:
        return False
    return extra.started_at >= 0.0 and extra.started_at + extra.timeout == at
