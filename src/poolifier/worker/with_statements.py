"""Where a frame stands in a `with` statement that is being entered or left, told by the instruction it stands at.

An exception that is raised in there may leave a lock held, or a file open, for good:

- Between the return of `__enter__` and the body, `__exit__` is not called yet. Until Python 3.13 nothing can be raised
  there. Python 3.14 looks for signals and asynchronous exceptions at the end of the call of `__enter__`, which the
  exception table does not cover (python/cpython#148874). Python 3.15 does not look there any more.
- In an `__enter__` or `__exit__` that is written in Python, on every Python: that of `threading.Condition` calls that
  of its lock, and then returns; those of `contextlib.contextmanager` run a generator up to its `try`, or its
  `finally`; `contextlib.ExitStack` enters what it is given, and then takes note of it.
"""

from __future__ import annotations

import contextlib
import sys

from poolifier.worker.bytecode import Code, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Final

__all__ = ["Place", "enters_without_with", "has_returned", "load", "place"]

_HEADER: Final = 10
"""Words of a frame in front of its variables, since Python 3.14 (`_PyInterpreterFrame`)."""

_CODE: Final = 0
_FRAME: Final = 6
_STACK_END: Final = 8

_ENTERS: Final = frozenset(
    map(id, (contextlib.ExitStack.enter_context.__code__, contextlib.AsyncExitStack.enter_async_context.__code__))
)
"""What enters a context without a `with`."""

# What reads a word of memory, and how long a word is.
_word: Any = None
_size: int = 0


class Place:
    """Where a `with` statement is being entered or left.

    Attributes:
        frame: Identifies the frame that has the statement.
        at: Identifies the statement, and which end of it.
        innermost: No other frame has been called from it: either a function that is written in C is at work, or it has
            returned.
    """

    __slots__ = ("at", "frame", "innermost")

    def __init__(self, frame: int, at: int, *, innermost: bool) -> None:
        self.frame: int = frame
        self.at: int = at
        self.innermost: bool = innermost


def load() -> None:
    """Imports what `has_returned` needs. Takes half a millisecond."""
    global _word, _size
    if _word is None and sys.version_info >= (3, 14):
        try:
            # What `ctypes` is made of. That takes six times as long, and the first abort of a worker waits for it.
            foundation: Any = __import__("_ctypes")
            simple: Any = foundation._SimpleCData
            word: Any = type(simple)("Word", (simple,), {"_type_": "Q" if sys.maxsize >> 32 else "L"})
            _size = foundation.sizeof(word)
        except Exception:  # noqa: BLE001 - an abort may be waiting, which is not to be lost for that
            return
        _word = word


def place(frame: FrameType | None, *, calling: bool = False) -> Place | None:
    """Which `with` statement is being entered or left by the code in this frame, the innermost of its thread.

    Returns the innermost such statement, or None: where the frame stands in a body, say. `calling` is for a frame that
    has called others.
    """
    begins = False
    while frame is not None:
        at = frame.f_lasti
        if id(frame.f_code) in _ENTERS:
            if calling or at > 0:
                return Place(id(frame), at, innermost=False)
        elif at < 0:
            begins = not calling
        elif not plain(frame.f_code.co_code, at):
            code = Code(frame.f_code)
            at = code.start(at)
            if calling:
                # Where `__enter__` has just been called, it has not done anything.
                if (code.enters(at) and not begins) or code.exits(at):
                    return Place(id(frame), at, innermost=False)
            # At the end of a call, and at that of no other instruction which calls, Python looks for exceptions.
            elif code.is_enter_call(at) or code.is_exit_call_awaited(at):
                return Place(id(frame), at, innermost=True)
            begins = not calling and code.begins_function(at)
        else:
            begins = False
        calling = True
        frame = frame.f_back
    return None


def enters_without_with(frame: FrameType) -> bool:
    """Whether the function of this frame enters a context, and takes note of it afterwards."""
    return id(frame.f_code) in _ENTERS


def has_returned(frame: FrameType) -> bool | None:
    """Whether the call that the innermost frame of a thread stands at has returned, or is about to; None: unknown.

    It says something of a thread that is asked to run a signal handler, or to let others run: Python does that in the
    middle of calls that wait, and at the end of all.
    """
    depth = _stack_depth(frame)
    if depth is None:
        return None
    code = Code(frame.f_code)
    expected = 1
    if code.is_enter_call(frame.f_lasti):
        # What the handler of exceptions in the body finds, and what `__enter__` returned.
        within = code.depth(code.after(frame.f_lasti))
        if within is None:
            return None
        expected = within + 1
    # While a function runs, it is on the stack itself.
    return depth <= expected


def _stack_depth(frame: FrameType) -> int | None:
    """How many values are on the frame's stack, or None where that cannot be told.

    There is no other way to see whether a call has returned: read where the interpreter keeps it, which is checked.
    """
    if _word is None:
        return None
    code = frame.f_code
    address = _word.from_address(id(frame) + object.__basicsize__ + _size).value
    cells = (_word * _HEADER).from_address(address)
    # The lowest bits of a reference on the stack are tags.
    if cells[_FRAME] != id(frame) or cells[_CODE] & ~7 != id(code):
        return None
    variables = len({*code.co_varnames, *code.co_cellvars, *code.co_freevars})
    depth: int = (cells[_STACK_END] - address) // _size - _HEADER - variables
    return depth if 0 <= depth <= code.co_stacksize else None
