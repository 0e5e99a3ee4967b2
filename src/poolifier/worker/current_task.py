"""`current_task()`: what a task function can ask about the task it runs for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident

from poolifier.exchange import KEY_MARK
from poolifier.worker.invoke import terms_of
from poolifier.worker.ledger import ABORT
from poolifier.worker.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, TypeAlias

    class TaskHost(Protocol):
        """A worker that is a thread of this process, of which there may be many; or one of its asynchronous tasks."""

        @property
        def worker_id(self) -> int:
            """Its number in its pool."""
            ...

        @property
        def pool_name(self) -> str | None:
            """The name of its pool, where that is known."""
            ...

        def find(self) -> Found | None:
            """The task that runs there now, or None."""

        def say(self, message: Any) -> None:
            """Sends a message to its pool."""


__all__ = [
    "CurrentTask",
    "Found",
    "current_host",
    "current_session",
    "current_task",
    "host_here",
    "host_of_thread",
    "use_lookup",
    "use_session",
]

Found: TypeAlias = "tuple[tuple[Any, ...], float | None, Callable[[], bool]]"
"""A task as it came, when its running time is over, and what tells whether it is to stop."""

_session: Session | None = None
_lookup: Callable[[], Found | None] | None = None


_hosts: dict[int, TaskHost] = {}

host_here: ContextVar[TaskHost] = ContextVar("poolifier_host")
"""What an asynchronous task of a worker thread runs for, also in a thread that works for it."""


@contextmanager
def host_of_thread(host: TaskHost) -> Iterator[None]:
    """Makes `current_task` answer for a worker in the calling thread."""
    ident = get_ident()
    _hosts[ident] = host
    try:
        yield
    finally:
        del _hosts[ident]


def current_host() -> TaskHost | None:
    """The worker thread, or its asynchronous task, that the calling code belongs to; None where it is neither."""
    return _hosts.get(get_ident()) or host_here.get(None)


class CurrentTask:
    """The task that the calling code runs for.

    Attributes:
        id: Its number, as in `TaskFuture.task_id` and in errors; never reused within a pool.
        name: The name of its task function.
        attempt: 1 for the first try, 2 for the first retry.
        deadline: When its running time is over, by `time.monotonic`, or None for no limit.
    """

    __slots__ = ("_abort_requested", "attempt", "deadline", "id", "name")

    def __init__(
        self, task_id: int, name: str, attempt: int, deadline: float | None, abort_requested: Callable[[], bool] | bool
    ) -> None:
        self.id: int = task_id
        self.name: str = name
        self.attempt: int = attempt
        self.deadline: float | None = deadline
        self._abort_requested = abort_requested

    @property
    def abort_requested(self) -> bool:
        """Whether its caller no longer wants it: as it is now, not as it was when `current_task` was called."""
        wanted = self._abort_requested
        return wanted if isinstance(wanted, bool) else wanted()

    def __repr__(self) -> str:
        return (
            f"CurrentTask(id={self.id}, name={self.name!r}, attempt={self.attempt}, deadline={self.deadline}, "
            f"abort_requested={self.abort_requested})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # As it is now, for elsewhere nobody can tell.
        return (CurrentTask, (self.id, self.name, self.attempt, self.deadline, self.abort_requested))


def current_task() -> CurrentTask | None:
    """The task that the calling code runs for, or None outside of any.

    It answers in a task function and in what that calls, also in a thread started with
    `asyncio.to_thread`. A thread of another kind is told of the plain task that runs at the time.
    """
    found = _found_in_thread()
    # Tasks in an event loop come first: a thread that works for one of them may ask while a plain task runs.
    if found is None and _lookup is not None:
        found = _lookup()
    if found is None:
        session = _session
        # The task is taken first: asked from a thread, it may end between any two of these lines.
        task = session.task if session is not None else ()
        if session is None or not session.current or not task:
            return None
        found = (task, session.deadline, _PlainAbort(session, task[0]))
    task, deadline, abort_requested = found
    attempt, timeout, _ = terms_of(task) or (1, None, 0)
    name, _, _ = task[1].partition(KEY_MARK)
    return CurrentTask(task[3], name, attempt, None if timeout is None else deadline, abort_requested)


def _found_in_thread() -> Found | None:
    host = _hosts.get(get_ident())
    found = host.find() if host is not None else None
    if found is None:
        # Not a plain task of this thread, so one that interleaves with others.
        host = host_here.get(None)
        found = host.find() if host is not None else None
    return found


class _PlainAbort:
    """Whether the plain task that runs now is to be aborted."""

    __slots__ = ("_sequence", "_session")

    def __init__(self, session: Session, sequence: int) -> None:
        self._session = session
        self._sequence = sequence

    def __call__(self) -> bool:
        session = self._session
        return self._sequence in (session.aborted, session.wanted, session.ledger.slots[ABORT])


def current_session() -> Session | None:
    """The worker that this process is, or None where it is none."""
    return _session


def use_session(session: Session | None) -> None:
    """Makes `current_task` answer for a worker, for its plain tasks to begin with."""
    global _session
    _session = session


def use_lookup(lookup: Callable[[], Found | None] | None) -> None:
    """Makes `current_task` answer for tasks that interleave."""
    global _lookup
    _lookup = lookup
