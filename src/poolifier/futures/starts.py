"""When it is of no use to start workers any more."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from poolifier.error_attributes import is_a
from poolifier.errors import WorkerCrashedError, WorkerStartError

__all__ = ["RESTART_LIMIT", "Starts"]

_PATIENCE: Final = 5
"""Workers that may end one after another before they are ready."""

_NO_ROOM: Final = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}

RESTART_LIMIT: Final = (1_000_000, 0.5)
"""For the pool of an executor. Calls that end their workers, however many, are no reason to give up the others."""


class Starts:
    """Listens to a pool, and says when its workers cannot be started: the initializer fails, or they all die.

    Attributes:
        hopeless: Whom it tells, with the reason.
    """

    def __init__(self) -> None:
        self.hopeless: Callable[[BaseException], object] = lambda _: None
        self._failed = 0

    @property
    def handlers(self) -> dict[str, Any]:
        """Options for the pool."""
        return {"online_handler": self._online, "error_handler": self._error}

    def _online(self, _: object) -> None:
        self._failed = 0

    def _error(self, _: object, error: BaseException) -> None:
        if is_a(error, WorkerCrashedError):
            return  # those whose calls it ran hear of it
        if is_a(error, WorkerStartError) or (is_a(error, OSError) and _errno_of(error) in _NO_ROOM):
            self._failed += 1
            if self._failed < _PATIENCE:
                return
        self.hopeless(error)


def _errno_of(error: BaseException) -> object:
    """It may be one of the initializer's own, whose class has a say in what its attributes are."""
    return OSError.__dict__["errno"].__get__(error)
