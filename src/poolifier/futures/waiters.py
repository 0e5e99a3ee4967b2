"""Those who wait for a future by `concurrent.futures.wait` or `as_completed`, which a handler of signals may interrupt.

Each leaves a waiter, which has an event and a lock, both of the kind that its thread takes by `with`. A handler that
raises just then leaves it taken for good. Whoever settles a future would wait for it, and that is the event loop.
"""

from __future__ import annotations

import threading
from typing import Any, Final

__all__ = ["Waiters"]

_PATIENCE: Final = 1.0
"""Seconds after which the lock of a waiter counts as one that is not given back: it is had for a few statements."""


class Waiters(list[Any]):
    """Those who wait for a future."""

    def append(self, waiter: Any) -> None:
        """Adds one. It is told nothing meanwhile: it holds the conditions of all futures that it waits for."""
        # The same one waits for other futures, too.
        if type(waiter.event) is threading.Event:
            waiter.event = _Event()
            if hasattr(waiter, "lock"):
                waiter.lock = _Lock()
        super().append(waiter)


class _Event:
    """As `threading.Event`, for one thread that waits. What it does to its lock is one call in C each time."""

    def __init__(self) -> None:
        self._set = False
        # Taken where it is not set.
        self._lock = threading.Lock()
        self._lock.acquire()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        self._release()

    def clear(self) -> None:
        self._set = False
        self._lock.acquire(blocking=False)

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set and self._lock.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            self._release()
        return self._set

    def _release(self) -> None:
        try:  # noqa: SIM105 - that takes several calls, and the thread that waits may be interrupted in each
            self._lock.release()
        except RuntimeError:
            pass


class _Lock:
    """A lock for `with` that is not waited for without end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire(timeout=_PATIENCE)

    def __exit__(self, *_: object) -> None:
        try:  # noqa: SIM105 - see above
            self._lock.release()
        except RuntimeError:
            pass
