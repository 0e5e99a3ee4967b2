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
"""Its worker will be started once the back-off after failed starts is over."""
STARTING: Final = 1
"""Its worker is on its way; whether it gets tasks meanwhile is the strategy's policy."""
READY: Final = 2
"""Its worker runs tasks."""
RETIRING: Final = 3
"""Told to leave: it finishes what it was sent and gets nothing more."""
GONE: Final = 4
"""Its worker has ended. What it had not started runs elsewhere, and a replacement is a node of its own."""

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
        busy_since: When it was last done with a task, or was sent one when it had none.
        reach: While it is ahead for less than that, it is sent more. Of no account while it has been sent nothing.
        quota: Tasks that it runs at once; with fewer it is *hungry*. Below the option where it may run but few more.
        capacity: Tasks that it is sent at least: the quota, or no limit without tasks queues.
        most: Tasks that may be at the worker: what is sent ahead has a bound, and so have workers that are recycled.
        surplus: Items of chunks at the worker beyond the first of each.
        eligible: Whether strategies may choose it.
        condemned: Being killed because a task on it would not stop.
        limited: Tasks with a time limit among `sent`.
        ready_at: When it got ready; below 0 before.
        ran: Tasks that have run on it, items of maps included, where that matters for recycling.
        task_limit: How many may.
        replace_at: At how many its successor is started.
        overdue: Its successor takes over as soon as it is ready, however few tasks this one has run.
        memory_limit: Bytes that it may take, before it is replaced.
        successor: Who is to take its slot, or has taken it.
        predecessor: Whose slot it is to take; None once it has one.
        pid: Its process, once that has ended; None where it had none of its own.
    """

    __slots__ = (
        "active",
        "active_since",
        "ahead",
        "busy_since",
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
        "most",
        "outbox",
        "overdue",
        "pid",
        "predecessor",
        "pressed",
        "queue",
        "quota",
        "ran",
        "reach",
        "ready",
        "ready_at",
        "replace_at",
        "sent",
        "sequence",
        "slot",
        "state",
        "stealing",
        "successor",
        "surplus",
        "task_limit",
        "usage",
        "watched",
    )

    def __init__(self, node_id: int, slot: int, *, dynamic: bool, options: TasksQueueOptions, now: float) -> None:
        self.id: int = node_id
        self.slot: int = slot
        self.dynamic: bool = dynamic
        self.state: int = PLANNED
        self.ready: bool = False
        self.ready_at: float = -1.0
        self.eligible: bool = False
        self.quota: int = options.concurrency
        self.capacity: int = options.concurrency
        self.most: int = UNLIMITED
        self.surplus: int = 0
        self.queue: TaskQueue = TaskQueue(self, options)
        self.sent: dict[int, Task] = {}
        self.sequence: int = 0
        self.outbox: list[Task] = []
        self.in_outbox: bool = False
        self.load: int = 0
        self.ahead: float = 0.0
        self.reach: float = 0.0
        self.pressed: bool = False
        self.condemned: bool = False
        self.limited: int = 0
        self.ran: int = 0
        self.task_limit: int = UNLIMITED
        self.replace_at: int = UNLIMITED
        self.overdue: bool = False
        self.memory_limit: int = UNLIMITED
        self.successor: Node | None = None
        self.predecessor: Node | None = None
        self.pid: int | None = None
        self.stealing: bool = False
        self.watched: bool = False
        self.hungry_position: int = -1
        self.heard_at: float = now
        self.busy_since: float = now
        self.active_since: float = now
        self.max_inactive_time: float = 60.0
        self.kill_behavior: KillBehavior = KillBehavior.SOFT
        self.active: float = 0.0
        self.idle: float = 0.0
        self.usage: NodeUsage = NodeUsage()

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

    def forget(self) -> None:
        """Lets go of its tasks, for there is nobody left to run them."""
        self.queue.forget()
        self.sent.clear()
        self.outbox.clear()

    def __repr__(self) -> str:
        return f"<Node {self.id} slot {self.slot} {STATE_NAMES[self.state]} {len(self.sent)} sent {self.load} load>"
