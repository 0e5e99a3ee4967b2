"""Raising an exception in another thread: what CPython calls an asynchronous exception.

One is *set* at some moment and *delivered* at a later one, when that thread runs its next Python
instructions: at once, or never where it stays in C. Until then it can be cleared again. Who sets one
must see to it that it is delivered, or cleared, before the code that it is meant for is left.

None is set while the thread is in the middle of an import (see `worker.imports`), or where a `with` statement is being
entered or left (see `worker.patience`). To see that, it is looked at the thread's stack. The thread runs on meanwhile,
whenever this one has to let it: where it has got on, it is looked again. Nothing lets it between the last look and the
call that sets the exception, for Python does so only at calls of its own functions, after other calls, and at the end
of loops. So where it begins an import next, the exception is delivered before that has done anything.

Before Python 3.13, setting one or clearing it raises a flag of the whole interpreter, which goes down when an exception
is delivered, to whichever thread, and not otherwise. While it is up, all threads run slower, at half their speed in
the worst case; in Python 3.11 a thread that is traced, by a debugger or for coverage, never gets past its next call.
So the calling thread delivers an exception to itself each time, but not while a thread of `look_until` begins: until
that runs it has, in Python 3.11, the identifier of the thread that has started it, and would get the exception. A
thread that has one coming raises the flag again when its turn comes.
"""

from __future__ import annotations

import sys
from functools import partial
from threading import get_ident

from poolifier.backends import stacks
from poolifier.worker import with_statements
from poolifier.worker.imports import beginning, importing, shelter_log_records
from poolifier.worker.patience import ExceptionPatience

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, Final

__all__ = ["clear_exception", "exception_setter", "is_held_back", "load", "set_exception"]

_TRIES: Final = 10

_FLAG_STAYS: Final = sys.version_info < (3, 13)
"""Whether there is a flag to be taken down: see the module."""

_ctypes: Any = None
_set_async_exc: Any = None


def load() -> bool:
    """Imports what the others need, which is not needed before the first abort. False where it is not there."""
    global _ctypes, _set_async_exc
    with_statements.load()
    shelter_log_records()
    if _set_async_exc is None:
        try:
            import ctypes

            set_async_exc: Any = ctypes.pythonapi.PyThreadState_SetAsyncExc
        except Exception:  # noqa: BLE001 - whatever kept it from that: the abort is found in `wanted`, or comes again
            return False
        _ctypes, _set_async_exc = ctypes, set_async_exc
    return True


def set_exception(ident: int, stack: int, error: type[BaseException], patience: ExceptionPatience) -> bool:
    """Sets an exception in the thread of that identifier and stack, instead of one that has not been delivered.

    Returns false, and has not done so, where the thread is in the middle of an import or of the beginning or end of a
    `with` statement. Call `load` before.
    """
    number, raised = _ctypes.c_ulong(ident), _ctypes.py_object(error)
    if ident == get_ident():
        # No variable for the frame: see `InterpreterSession.serve`.
        if is_held_back(sys._getframe(), patience):
            return False
        _set_async_exc(number, raised)
        return True
    looks = stacks.looks(ident, stack)
    for _ in range(_TRIES):
        frame: FrameType | None = None
        at = 0
        try:
            for frame in looks or ():
                at = frame.f_lasti
                break
            if frame is not None:
                if importing(frame):
                    # That may take long.
                    patience.gets_on = False
                    return False
                if not patience.allows(frame):
                    return False
        except Exception:  # noqa: BLE001 - where it stands cannot be told; no abort is lost for that
            frame = None
        if _set(number, raised, looks, frame, at):
            return True
    return False


def exception_setter(ident: int, error: type[BaseException]) -> Callable[[], object]:
    """What sets an exception in the thread of that identifier, and is written in C. Call `load` before."""
    return partial(_set_async_exc, _ctypes.c_ulong(ident), _ctypes.py_object(error))


def is_held_back(own: FrameType, patience: ExceptionPatience, *, visited: bool = False) -> bool:
    """Whether nothing may be raised now in the calling thread, which stands in that frame.

    `visited` says that it is in the middle of a visit (see `visits`).
    """
    try:
        if importing(own):
            # That may take long.
            patience.gets_on = False
            return True
        return not patience.allows(own, visited=visited)
    except Exception:  # noqa: BLE001 - the calling code may be too deep for it; no abort is lost for that
        return False


def clear_exception(ident: int) -> None:
    """Clears what was set and has not been delivered. By that thread itself it is done once this returns."""
    if _set_async_exc is None:
        return
    if _FLAG_STAYS and ident == get_ident():
        # In the place of what was set, which is cleared thereby.
        _set(_ctypes.c_ulong(ident), _ctypes.py_object(_Flag))
    else:
        # An empty `py_object` is the null pointer, which clears; None would be raised.
        _set(_ctypes.c_ulong(ident), _ctypes.py_object())


class _Flag(BaseException):
    """What a thread delivers to itself for the sake of the flag: see the module."""


def _set(
    number: Any, error: Any, looks: Iterator[FrameType] | None = None, frame: FrameType | None = None, at: int = 0
) -> bool:
    """Sets or clears what is coming in that thread, and takes the flag down.

    Does nothing and returns false where the thread has left that frame, if one is given, or has got on in it.
    """
    own, flag, nothing = _ctypes.c_ulong(get_ident()), _ctypes.py_object(_Flag), _ctypes.py_object()
    try:
        if looks is not None and frame is not None:
            # From here to the exception nothing is called, not even what makes its arguments (see `stacks.looks`). That
            # it stands at the same instruction is not enough: a frame that has been left stands at its last for good.
            now = None
            try:
                for now in looks:  # noqa: B007 - it is used below, and no call is
                    break
            except (KeyError, ValueError):
                return False
            if now is not frame or frame.f_lasti != at:
                return False
        _set_async_exc(number, error)
        # Not in a function of its own: a call is what a traced thread would not get past.
        while _FLAG_STAYS and not beginning:
            _set_async_exc(own, flag)
    except _Flag:
        pass
    except BaseException:
        # Raised by the handler of a signal, which came first: nothing is to come behind it.
        if _FLAG_STAYS:
            _set_async_exc(own, nothing)
        raise
    return True
