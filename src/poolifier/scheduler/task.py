"""A task as the scheduler sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from poolifier.scheduler.hints import mypyc_attr

if TYPE_CHECKING:
    from poolifier.errors import WorkerCrashedError
    from poolifier.scheduler.functions import Function
    from poolifier.scheduler.node import Node

QUEUED: Final = 0
"""In a worker's queue, or in the lobby."""
SENT: Final = 1
"""With a worker, which runs it or will."""
ABORTING: Final = 2
"""With a worker, which has been asked to stop it. Its caller has been answered."""
ENDED: Final = 3
"""Over. A task ends once."""

STATE_NAMES: Final = ("queued", "sent", "aborting", "ended")


@mypyc_attr(acyclic=True)
class Task:
    """One call of a task function. `node` is the single truth of where it is.

    What few tasks have (time limits, retries) is in `extra`, so that the many pay nothing for it.

    A million tasks may wait, and Python's garbage collector looks at all that may be part of a cycle again and again:
    so it is not shown compiled tasks. For that, nothing that a task has leads to the scheduler, to the pool or to
    anything of the user's; and where the two lead to each other, as the node and its queue do, the scheduler takes
    them apart at its end.

    Attributes:
        note: Whatever a driver notes of it, such as how it went. What callers gave and wait for drivers find by the
            number.
    """

    __slots__ = (
        "estimate",
        "extra",
        "function",
        "id",
        "node",
        "note",
        "priority",
        "sequence",
        "state",
        "submitted_at",
    )

    def __init__(self, task_id: int, function: Function, priority: int, note: Any = None) -> None:
        self.id: int = task_id
        self.function: Function = function
        self.note: Any = note
        self.priority: int = priority
        self.node: Node | None = None
        self.sequence: int = 0
        self.state: int = QUEUED
        self.submitted_at: float = 0.0
        self.estimate: float = 0.0
        self.extra: TaskExtra | None = None

    def __repr__(self) -> str:
        state = STATE_NAMES[self.state]
        where = "the lobby" if self.node is None else f"worker {self.node.id}"
        return f"<Task {self.id} {self.function.name!r} {state} at {where}>"


class TaskExtra:
    """What a task has that most have not.

    Attributes:
        retries: How often it may still run again after a crash.
        timeout: Seconds that it may run, or None.
        buffer: Items that its stream may be ahead of the reader; 0 where it is no stream.
        started_at: When it began to run, as far as the pool can tell; below 0 before.
        timed_out: It ran too long, and its caller has been told.
        items: The items of a map that it still has to run, each of which counts as a task; 1 for a plain task.
        ended: The items of a map that have ended.
        history: The crashes it has caused so far.
        lost: It has crashed, and any of its items may have run.
    """

    __slots__ = ("buffer", "ended", "history", "items", "lost", "retries", "started_at", "timed_out", "timeout")

    def __init__(self, retries: int = 0, timeout: float | None = None, buffer: int = 0) -> None:
        self.retries: int = retries
        self.timeout: float | None = timeout
        self.buffer: int = buffer
        self.started_at: float = -1.0
        self.timed_out: bool = False
        self.items: int = 1
        self.ended: int = 0
        self.lost: bool = False
        self.history: list[WorkerCrashedError] = []


def by_id(task: Task) -> int:
    """The key that puts the oldest first."""
    return task.id
