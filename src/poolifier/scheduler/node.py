"""A worker as the scheduler sees it."""

from __future__ import annotations

from typing import Final

from poolifier.options import TasksQueueOptions
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.queues import TaskQueue
from poolifier.scheduler.task import Task
from poolifier.scheduler.usage import NodeUsage
from poolifier.task_functions import KillBehavior

PLANNED: Final = 0
"""Its worker will be started once the back-off after a crash is over."""
STARTING: Final = 1
READY: Final = 2
RETIRING: Final = 3
"""Told to leave: it finishes what it was sent and gets nothing more."""
GONE: Final = 4

UNLIMITED: Final = 1 << 60

STATE_NAMES: Final = ("planned", "starting", "ready", "retiring", "gone")


class Node:
    """One worker: its slot, its queue, what was sent to it, and what it has done.

    Attributes:
        id: Never reused within a pool; a slot is.
        sent: Tasks at the worker by sequence, in the order they were sent. The first `capacity`
            of them are taken as executing, since a worker starts tasks in that order; the others
            are prefetched and count as queued.
        outbox: Sent tasks that the driver has yet to write.
        load: Executing and queued tasks.
        ahead: Estimated seconds until it has run all that was sent.
        quota: Tasks that it runs at once; with fewer it is *hungry*.
        capacity: Tasks that it is sent at least: the quota, or no limit without tasks queues.
        eligible: Whether strategies may choose it.
        condemned: Being killed because a task on it would not stop.
        limited: Tasks with a time limit among `sent`.
        ran: Tasks that have run on it, where that matters for recycling.
        task_limit: How many may, before it is replaced.
        memory_limit: Bytes that it may take, before it is replaced.
        successor: Who is to take its slot, or has taken it.
        predecessor: Whose slot it is to take; None once it has one.
    """

    __slots__ = (
        "active",
        "active_since",
        "ahead",
        "capacity",
        "condemned",
        "dynamic",
        "eligible",
        "heard_at",
        "hungry_position",
        "id",
        "idle",
        "in_outbox",
        "kill_behavior",
        "limited",
        "load",
        "max_inactive_time",
        "memory_limit",
        "outbox",
        "predecessor",
        "pressed",
        "queue",
        "quota",
        "ran",
        "ready",
        "sent",
        "sequence",
        "slot",
        "state",
        "stealing",
        "successor",
        "task_limit",
        "usage",
        "watched",
    )

    def __init__(self, node_id: int, slot: int, *, dynamic: bool, options: TasksQueueOptions, now: float) -> None:
        self.id = node_id
        self.slot = slot
        self.dynamic = dynamic
        self.state = PLANNED
        self.ready = False
        self.eligible = False
        self.quota = options.concurrency
        self.capacity = options.concurrency
        self.queue = TaskQueue(self, options)
        self.sent: dict[int, Task] = {}
        self.sequence = 0
        self.outbox: list[Task] = []
        self.in_outbox = False
        self.load = 0
        self.ahead = 0.0
        self.pressed = False
        self.condemned = False
        self.limited = 0
        self.ran = 0
        self.task_limit = UNLIMITED
        self.memory_limit = UNLIMITED
        self.successor: Node | None = None
        self.predecessor: Node | None = None
        self.stealing = False
        self.watched = False
        self.hungry_position = -1
        self.heard_at = now
        self.active_since = now
        self.max_inactive_time = 60.0
        self.kill_behavior = KillBehavior.SOFT
        self.active = 0.0
        self.idle = 0.0
        self.usage = NodeUsage()

    @property
    def executing(self) -> int:
        """Tasks that run on it now."""
        return min(len(self.sent), self.capacity)

    @property
    def queued(self) -> int:
        """Tasks that wait for it, here or at the worker."""
        return self.load - self.executing

    def allowed(self, affinity: Affinity) -> bool:
        """Whether tasks of that affinity may run on it."""
        return affinity.slots is None or self.slot in affinity.slots

    def __repr__(self) -> str:
        return f"<Node {self.id} slot {self.slot} {STATE_NAMES[self.state]} {len(self.sent)} sent {self.load} load>"
