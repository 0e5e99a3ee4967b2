"""When a worker has done enough, and who takes its slot. Decides only.

A worker that comes to its limit of tasks or memory goes on as before while a *successor* starts. A
successor holds no slot and gets no task. Once it is ready:

1. The worker is retired: it finishes what it was sent, and what waits for it moves. The successor
   *stands by*.
2. As soon as the worker runs fewer tasks at once than it may, the slot is the successor's. The worker
   is without a slot from then on; with `concurrency=1` it has nothing left to do either.

So a slot never runs more tasks at once than it may (but for tasks of an `async def`, of which a slow
one would otherwise keep the slot from all others), and no task waits for a worker to start. The price
is one process more per worker that is being replaced. Where the worker dies before, the successor
takes the slot at once; where the successor dies, another is started after the back-off of its slot.

Each worker has limits of its own, 80 to 100 % of those that were asked for, so that workers that
started together do not end together. They follow from the worker's number, for the brain throws no dice.
"""

from __future__ import annotations

from math import ceil, inf
from typing import Final

from poolifier.exchange import WorkerReady
from poolifier.options import PoolOptions
from poolifier.scheduler.choosers import Choosers
from poolifier.scheduler.node import READY, Node
from poolifier.scheduler.sizing import Sizing
from poolifier.scheduler.workforce import Workforce

JITTER: Final = 0.2
"""The part of a limit that differs from worker to worker."""

MEASURE_EVERY: Final = 0.1
"""Seconds between two looks at the memory of workers that have finished tasks meanwhile."""

_GOLDEN: Final = 0.6180339887498949
"""Multiples of this, modulo 1, are spread evenly however many there are."""


class Recycling:
    """Counts what workers have done, and has successors started. Costs nothing where there are no limits.

    Attributes:
        measure_at: When memory is to be looked at next; infinity while nothing has changed.
    """

    __slots__ = ("_measured_at", "_memory", "_sizing", "_standing_by", "_tasks", "_touched", "_workforce", "measure_at")

    def __init__(self, options: PoolOptions, choosers: Choosers, sizing: Sizing, workforce: Workforce) -> None:
        self._tasks = options.max_tasks_per_worker
        self._memory = options.max_memory_per_worker
        self._sizing = sizing
        self._workforce = workforce
        self._standing_by: dict[int, WorkerReady] = {}
        self._touched: dict[int, Node] = {}
        self._measured_at = -inf
        self.measure_at: float = inf
        if self._tasks is not None:
            choosers.observe(self._load_changed)
        if self._tasks is not None or self._memory is not None:
            choosers.observe(None, self._task_ended)

    @property
    def standing_by(self) -> int:
        """Successors that are ready for a slot whose worker has yet to finish."""
        return len(self._standing_by)

    def begin(self, node: Node) -> None:
        """A worker is ready: sets its limits."""
        share = 1.0 - JITTER * (node.id * _GOLDEN % 1.0)
        if self._tasks is not None:
            node.task_limit = ceil(self._tasks * share)
        if self._memory is not None:
            node.memory_limit = int(self._memory * share)

    def to_measure(self, now: float) -> list[Node]:
        """Workers whose memory may have grown. The answer goes to `measured`."""
        nodes = [node for node in self._touched.values() if node.state == READY and node.successor is None]
        self._touched.clear()
        self._measured_at = now
        self.measure_at = inf
        return nodes

    def measured(self, node: Node, memory: int) -> None:
        """A worker takes so many bytes."""
        if memory >= node.memory_limit and node.state == READY:
            self._replace(node)

    def stand_by(self, successor: Node, ready: WorkerReady) -> None:
        """A successor is ready."""
        self._standing_by[successor.id] = ready

    def due(self, node: Node) -> tuple[Node, WorkerReady] | None:
        """The successor that is to have the worker's slot now, and what it said when it got ready."""
        successor = node.successor
        if successor is None or len(node.sent) >= node.quota:
            return None
        ready = self._standing_by.pop(successor.id, None)
        return None if ready is None else (successor, ready)

    def lost(self, successor: Node) -> bool:
        """A successor is gone before it had a slot; returns whether it stood by."""
        return self._standing_by.pop(successor.id, None) is not None

    def _load_changed(self, node: Node) -> None:
        # The tasks that it runs count as well: its successor gets ready during the last of them.
        if node.ran + min(node.load, node.quota) >= node.task_limit and node.ready:
            self._replace(node)

    def _task_ended(self, node: Node, run_time: float, wait_time: float, active: float) -> None:  # noqa: ARG002
        node.ran += 1
        if self._memory is not None:
            self._touched[node.id] = node
            if self.measure_at == inf:
                self.measure_at = self._measured_at + MEASURE_EVERY

    def _replace(self, node: Node) -> None:
        if node.successor is None:
            self._workforce.succeed(node, node.heard_at, 0.0)
