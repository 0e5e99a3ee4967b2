"""What the scheduler wants done. The driver carries it out, in order, after every call.

Sending tasks is not among them: that is the hot path, and goes through `Node.outbox`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from poolifier.scheduler.node import Node
    from poolifier.scheduler.task import Task


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a worker for the node."""

    node: Node


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Ask the worker to leave; it has nothing left to do."""

    node: Node


@dataclass(frozen=True, slots=True)
class KillWorker:
    """End the worker now."""

    node: Node


@dataclass(frozen=True, slots=True)
class AbortTask:
    """Tell the worker to stop or drop the task it was sent under that sequence."""

    node: Node
    sequence: int


@dataclass(frozen=True, slots=True)
class Reclaim:
    """Ask the worker for finished replies and for tasks that it has not started."""

    node: Node


@dataclass(frozen=True, slots=True)
class MeasureMemory:
    """See how much memory the worker takes, and tell `memory_measured`."""

    node: Node


@dataclass(frozen=True, slots=True)
class FailTask:
    """The task has ended with an error; its caller is to be told."""

    task: Task
    error: BaseException


@dataclass(frozen=True, slots=True)
class TimeOutTask:
    """As `FailTask`, for a task that has run too long: the error is to tell where it stands at the worker."""

    task: Task
    error: BaseException
    node: Node
    sequence: int


@dataclass(frozen=True, slots=True)
class CancelTask:
    """The task has ended because the pool dropped it; its future is to be cancelled."""

    task: Task


@dataclass(frozen=True, slots=True)
class FailPool:
    """The pool has given up."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Emit:
    """Something happened that listeners may want to hear of. `detail` is an error, or the node it is about."""

    event: str
    node: Node | None = None
    detail: object = None


Effect: TypeAlias = (
    StartWorker
    | StopWorker
    | KillWorker
    | AbortTask
    | Reclaim
    | MeasureMemory
    | FailTask
    | TimeOutTask
    | CancelTask
    | FailPool
    | Emit
)
