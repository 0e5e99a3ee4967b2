"""Calls the `__exit__` that an asynchronous exception was raised at the beginning of.

Since Python 3.13 such an exception is raised where its thread looks next (see `next_check`), and that may be where an
`__exit__` that is written in Python begins, with nothing of it done. It can be called again then, when the exception
has come through to the worker.
"""

from __future__ import annotations

import contextlib
import sys

from poolifier.error_attributes import context_of, is_a, traceback_of
from poolifier.worker.bytecode import Code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, Final

__all__ = ["call_missed_exit"]

_VARARGS: Final = 0x04
"""A flag of code objects; `inspect` has it by name."""


def call_missed_exit(error: BaseException | None, kind: type[BaseException]) -> None:
    """Does so where an error of that kind, or what it led to, was raised there."""
    if sys.version_info < (3, 13):
        return
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        # Not by `isinstance` nor by the attributes: a class of the user's may answer these with an error.
        if is_a(error, kind):
            call = _missed(traceback_of(error))
            if call is not None:
                with contextlib.suppress(BaseException):
                    call[0](*call[1])
            return
        error = context_of(error)


def _missed(traceback: TracebackType | None) -> tuple[Any, list[Any]] | None:
    """What was to be called, and its arguments."""
    before = None
    while traceback is not None and traceback.tb_next is not None:
        before, traceback = traceback, traceback.tb_next
    if traceback is None or before is None:
        return None
    frame = traceback.tb_frame
    if not Code(frame.f_code).begins_function(traceback.tb_lasti):
        return None
    caller = Code(before.tb_frame.f_code)
    if not caller.exits(caller.start(before.tb_lasti)):
        return None
    arguments = _arguments(frame)
    function = getattr(type(arguments[0]), "__exit__", None) if arguments else None
    return (function, arguments) if getattr(function, "__code__", None) is frame.f_code else None


def _arguments(frame: FrameType) -> list[Any]:
    code, values = frame.f_code, frame.f_locals
    arguments = [values[name] for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & _VARARGS:
        arguments += values[code.co_varnames[code.co_argcount + code.co_kwonlyargcount]]
    return arguments
