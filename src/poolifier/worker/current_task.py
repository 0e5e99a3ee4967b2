"""`current_task()`: what a task function can ask about the task it runs for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from poolifier.worker.ledger import ABORT
from poolifier.worker.session import Session

__all__ = ["CurrentTask", "current_task", "use_lookup", "use_session"]

_Lookup: TypeAlias = Callable[[], tuple[tuple[Any, ...], bool] | None]

_session: Session | None = None
_lookup: _Lookup | None = None


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """The task that the calling code runs for.

    Attributes:
        id: Its number on this worker.
        name: The name it was called by.
        attempt: 1 for the first try, 2 for the first retry.
        deadline: When its running time is over, by `time.monotonic`, or None for no limit.
        abort_requested: Its caller no longer wants it.
    """

    id: int
    name: str
    attempt: int = 1
    deadline: float | None = None
    abort_requested: bool = False


def current_task() -> CurrentTask | None:
    """The task that the calling code runs for, or None outside of any."""
    session = _session
    if session is not None and session.current:
        sequence, name = session.task[:2]
        wanted = sequence in (session.aborted, session.wanted, session.ledger.slots[ABORT])
        return CurrentTask(sequence, name, abort_requested=wanted)
    found = _lookup() if _lookup is not None else None
    if found is None:
        return None
    task, aborted = found
    return CurrentTask(task[0], task[1], abort_requested=aborted)


def use_session(session: Session | None) -> None:
    """Makes `current_task` answer for a worker that runs one task at a time."""
    global _session
    _session = session


def use_lookup(lookup: _Lookup | None) -> None:
    """Makes `current_task` answer for tasks that interleave."""
    global _lookup
    _lookup = lookup
