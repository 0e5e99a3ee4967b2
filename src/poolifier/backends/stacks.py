"""The stacks of other threads of this interpreter.

`sys._current_frames` tells them, but it also touches those of other interpreters, which run meanwhile under locks of
their own: a process that has any does not survive that. There a thread has to say beforehand what its stack is found
by. That takes ctypes, which takes some milliseconds to import.

Without the global interpreter lock other threads run while their frames are looked at, which is not safe. There
`faulthandler` stops them all, and writes where they are; it knows no other interpreters than this one.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from functools import partial
from operator import itemgetter

from poolifier.worker.standing import frames_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any, Final

    from poolifier.worker.standing import Frames

__all__ = ["calls", "innermost", "looks", "own_stack", "share"]

_MAKERS: Final = ("concurrent.interpreters", "interpreters_backport.interpreters", "_xxsubinterpreters")
"""What other interpreters are made by, whoever makes them. Once it is loaded there may be one at any moment."""

_THREAD: Final = re.compile(rb"(?:Current thread|Thread) 0x([0-9a-f]+)")
_CALL: Final = re.compile(rb'(?m)^  File "(.*)", line (\d+) in (.*)$')
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
"""How `faulthandler` writes what is no ASCII."""

shared: bool = False
"""There may be other interpreters in this process."""

_own: Any = None
_frame_of: Any = None


def share() -> None:
    """There are other interpreters in this process, or there will be."""
    global shared
    shared = True


def own_stack() -> int:
    """What the calling thread's stack is found by, as long as it lives; 0 where that is not needed, or cannot be."""
    global _own, _frame_of
    if _is_alone() or not _has_lock():
        return 0
    if _frame_of is None:
        try:
            import ctypes

            own: Any = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_Get", ctypes.pythonapi))
            frame_of: Any = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(
                ("PyThreadState_GetFrame", ctypes.pythonapi)
            )
        except (ImportError, AttributeError):
            return 0
        _own, _frame_of = own, frame_of
    found: int = _own()
    return found


def innermost(ident: int, stack: int) -> FrameType | None:
    """The frame in which a thread is that has not ended; None where that cannot be told."""
    if stack:
        try:
            frame: FrameType = _frame_of(stack)
        except ValueError:  # it runs no Python code
            return None
        return frame
    return sys._current_frames().get(ident) if _is_alone() and _has_lock() else None


def looks(ident: int, stack: int) -> Iterator[FrameType] | None:
    """As `innermost`, anew for each turn of a `for` statement; None where that cannot be told.

    After a call, Python may let that thread run on before the frame is so much as seen. A `for` calls nothing that is
    written in Python here, so it lets nobody run: until something is called, the thread stands in that frame.

    Raises, from the iterator:
        ValueError: The thread runs no Python code.
        KeyError: The same.
    """
    if stack:
        return iter(partial(_frame_of, stack), None)
    if not (_is_alone() and _has_lock()):
        return None
    return map(itemgetter(ident), iter(sys._current_frames, None))


def calls(ident: int, stack: int) -> Frames:
    """The calls that a thread is in, the outermost first; empty where that cannot be told.

    Without the global interpreter lock it waits until all threads have stopped for a moment.
    """
    return frames_of(innermost(ident, stack)) if _has_lock() else _written(ident)


def _written(ident: int) -> Frames:
    """The same, as `faulthandler` writes it."""
    import faulthandler
    from tempfile import TemporaryFile

    text = b""
    # Where there is no room for a file, nothing is told.
    with suppress(OSError), TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        text = file.read()
    for thread in re.split(rb"(?m)^(?=(?:Current thread|Thread) 0x)", text):
        start = _THREAD.match(thread)
        if start is not None and int(start[1], 16) == ident:
            found = [(_readable(file), int(line), _readable(name)) for file, line, name in _CALL.findall(thread)]
            return found[::-1]
    return []


def _readable(written: bytes) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[found.lastindex or 0], 16)), written.decode("ascii", "replace"))


def _is_alone() -> bool:
    """Whether this is the only interpreter of the process."""
    if shared or any(name in sys.modules for name in _MAKERS):
        return False
    # By itself it tells nothing: from Python 3.14 on `concurrent.futures`, and so asyncio, loads it to see if it is
    # there.
    module = sys.modules.get("_interpreters")
    return module is None or len(module.list_all()) == 1


def _has_lock() -> bool:
    """Whether other threads stand still while this one looks at them."""
    enabled: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
    return enabled
