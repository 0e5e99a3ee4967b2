"""When a worker has done enough, and who takes its slot. Decides only.

A worker that comes to its limit of tasks or memory goes on as before while a *successor* starts. A
successor holds no slot and gets no task. Once it is ready:

1. The worker is retired: it finishes what it was sent, and what waits for it moves. Where the successor
   is ready before the worker has come to its limit of tasks, it *stands by* until then.
2. As soon as the worker runs fewer tasks at once than it may, the slot is the successor's. The worker
   is without a slot from then on; with `concurrency=1` it has nothing left to do either.

So a slot never runs more tasks at once than it may (but for tasks of an `async def`, of which a slow
one would otherwise keep the slot from all others). The price is one process more per worker that is
being replaced. Where the worker dies before, the successor takes the slot at once; where the successor
dies, another is started after the back-off of its slot, and until that is ready the worker's limit of
tasks does not hold: a pool that cannot start workers has to go on with those that it has.

A worker never gets a task past its limit, so the number of tasks is exact from above; items of a map
count when they are sent, so there it may be passed by what is left of one chunk, which is a tenth of the
limit at most (see `pool/maps.py`). For nobody to wait for the successor, that has to be started in time:
half way to its limit a worker is known to run so many tasks a second, and workers of this pool to start
in so many seconds.

Each worker has limits of its own, 90 to 100 % of those that were asked for, so that workers that
started together do not end together. They follow from the worker's number, for the brain throws no dice.
"""

from __future__ import annotations

from math import ceil, inf
from typing import Final

from poolifier.exchange import WorkerReady
from poolifier.options import PoolOptions
from poolifier.scheduler.choosers import Choosers
from poolifier.scheduler.node import READY, UNLIMITED, Node
from poolifier.scheduler.placement import Placement
from poolifier.scheduler.workforce import Workforce

JITTER: Final = 0.1
"""The part of a limit that differs from worker to worker."""

MEASURE_EVERY: Final = 0.1
"""Seconds between two looks at the memory of workers that have finished tasks meanwhile."""

MARGIN: Final = 1.5
"""A successor is started so much earlier than it has to be by the times that were measured, which vary."""

_GOLDEN: Final = 0.6180339887498949
"""Multiples of this, modulo 1, are spread evenly however many there are."""


class Recycling:
    """Counts what workers have done, and has successors started. Costs nothing where there are no limits.

    Attributes:
        measure_at: When memory is to be looked at next; infinity while nothing has changed.
    """

    __slots__ = (
        "_measured_at",
        "_memory",
        "_placement",
        "_standing_by",
        "_start_seconds",
        "_tasks",
        "_touched",
        "_workforce",
        "measure_at",
    )

    def __init__(self, options: PoolOptions, choosers: Choosers, placement: Placement, workforce: Workforce) -> None:
        self._tasks = options.max_tasks_per_worker
        self._memory = options.max_memory_per_worker
        self._placement = placement
        self._start_seconds = 0.0
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

    def started(self, node: Node | None, now: float) -> None:
        """The node's worker has said that it is ready: how long that takes tells when to start the next one."""
        if node is not None:
            seconds = now - node.heard_at
            self._start_seconds += (seconds - self._start_seconds) * (0.5 if self._start_seconds else 1.0)

    def begin(self, node: Node) -> None:
        """A worker is ready, and has its slot: sets its limits."""
        share = 1.0 - JITTER * (node.id * _GOLDEN % 1.0)
        if self._tasks is not None:
            node.task_limit = node.replace_at = ceil(self._tasks * share)
            self._placement.tighten(node)
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
            node.overdue = True
            self._replace(node)

    def stand_by(self, successor: Node, ready: WorkerReady) -> None:
        """A successor is ready."""
        self._standing_by[successor.id] = ready

    def due(self, node: Node) -> tuple[Node, WorkerReady] | None:
        """The successor that is to have the worker's slot now, and what it said when it got ready."""
        successor = node.successor
        # As many as any worker may run at once; this one may be left with few.
        if successor is None or node.state == READY or len(node.sent) >= successor.quota:
            return None
        ready = self._standing_by.pop(successor.id, None)
        return None if ready is None else (successor, ready)

    def lost(self, successor: Node) -> bool:
        """A successor is gone before it had a slot; returns whether it stood by."""
        return self._standing_by.pop(successor.id, None) is not None

    def is_over(self, node: Node) -> bool:
        """Whether a worker gets nothing more, and its successor is ready."""
        successor = node.successor
        if successor is None or successor.id not in self._standing_by:
            return False
        return node.overdue or node.ran + node.surplus + len(node.sent) >= node.task_limit

    def go_on(self, node: Node, now: float) -> None:
        """A worker's successor could not be started: it goes on past its limit of tasks until another is ready."""
        node.task_limit = node.replace_at = UNLIMITED
        node.overdue = True
        self._placement.set_quota(node)
        if node.state == READY:
            self._placement.refill(node, now)
            self._placement.feed_all(now)

    def _load_changed(self, node: Node) -> None:
        # The tasks that it runs count as well: its successor gets ready during the last of them.
        if node.ran + node.surplus + min(node.load, node.quota) >= node.replace_at and node.ready:
            self._replace(node)
            # Once the successor stands by, whoever sends the last tasks looks whether it is time for it.
            self._placement.edges.changed = True

    def _task_ended(self, node: Node, run_time: float, wait_time: float, active: float) -> None:  # noqa: ARG002
        node.ran += 1
        if node.task_limit != UNLIMITED:
            self._placement.tighten(node)
            if node.successor is None and node.ran * 2 >= node.task_limit:
                self._foresee(node)
        if self._memory is not None:
            self._touched[node.id] = node
            if self.measure_at == inf:
                self.measure_at = self._measured_at + MEASURE_EVERY

    def _replace(self, node: Node) -> None:
        if node.successor is None:
            self._workforce.succeed(node, node.heard_at, 0.0)

    def _foresee(self, node: Node) -> None:
        """Works out at how many tasks its successor is to be started, so that it is ready at the worker's last one."""
        seconds = node.heard_at - node.ready_at
        if seconds > 0.0:
            meanwhile = int(MARGIN * self._start_seconds * node.ran / seconds)
            node.replace_at = max(node.ran, node.task_limit - meanwhile)
