"""Errors that are the library's and the standard library's at once, for code that catches either."""

from __future__ import annotations

import sys
from concurrent.futures import BrokenExecutor
from concurrent.futures.process import BrokenProcessPool
from concurrent.futures.thread import BrokenThreadPool
from pickle import PicklingError, UnpicklingError

from poolifier.error_attributes import is_a
from poolifier.errors import PoolFailedError, SerializationError, WorkerCrashedError

if sys.version_info >= (3, 14):
    # It is a `BrokenThreadPool`.
    from concurrent.futures.interpreter import BrokenInterpreterPool as _BrokenInThread
else:
    _BrokenInThread = BrokenThreadPool

__all__ = [
    "BrokenPoolError",
    "BrokenWorkerError",
    "UnpicklableCallError",
    "UnreadableCallError",
    "afresh",
    "as_standard",
]


class BrokenWorkerError(WorkerCrashedError, BrokenProcessPool, _BrokenInThread):
    """The worker died while it ran this call. The executor is not broken: other calls go on, and so can you."""


class BrokenPoolError(PoolFailedError, BrokenProcessPool, _BrokenInThread):
    """The executor is broken: no worker can be started. `__cause__` says why, such as the initializer's error."""


class UnpicklableCallError(SerializationError, PicklingError):
    """The call or its result cannot be pickled."""


class UnreadableCallError(SerializationError, UnpicklingError, BrokenProcessPool):
    """The call or its result cannot be unpickled, which breaks the standard library's executor, and not this one."""


def afresh(broken: BrokenPoolError) -> BrokenPoolError:
    """The same error anew: one that is raised again and again collects all the tracebacks."""
    fresh = BrokenPoolError(*broken.args)
    fresh.__cause__ = broken.__cause__
    return fresh


def as_standard(error: BaseException) -> BaseException:
    """The same error, as code that knows the standard library's executors expects it."""
    if is_a(error, BrokenExecutor, PicklingError):
        return error
    made: BaseException
    if is_a(error, WorkerCrashedError):
        made = BrokenWorkerError(*error.args)
        vars(made).update(vars(error))
    elif is_a(error, PoolFailedError):
        made = BrokenPoolError(*error.args)
    elif is_a(error, SerializationError):
        if is_a(error.__cause__, SystemExit) and "cannot be pickled" in str(error):
            return error.__cause__  # There an exit that pickling a result asks for arrives as itself.
        made = (UnreadableCallError if "cannot be unpickled" in str(error) else UnpicklableCallError)(*error.args)
    else:
        return error
    made.__cause__ = error.__cause__
    made.__context__ = error.__context__
    return made
