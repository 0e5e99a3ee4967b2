"""Where a task stands: what the error of a time limit says.

It travels as (file, line, function) for each call, the outermost first; the pool looks up the source lines. A task in
Python code is asked when it is told to stop. One that is stuck in C code runs no Python code that could answer: there a
signal interrupts it, and `faulthandler` writes its stack, by C code alone, into the memory that worker and pool share.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal

from poolifier.wire import messages
from poolifier.worker.ledger import DUMP_START, DUMPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Final, TypeAlias

    from poolifier.worker.session import Session

    Frames: TypeAlias = list[tuple[str, int, str]]

__all__ = ["DUMP_SIGNAL", "coroutine_frames", "frames_of", "has_limit", "prepare_dumps", "tell_where"]

_MOST: Final = 100

DUMP_SIGNAL: Final[int] = getattr(signal, "SIGRTMAX", 0) and int(signal.SIGRTMAX) - 2
"""Makes `faulthandler` write where the worker stands: a real-time signal, which means nothing else. 0: none."""


_FRAMELESS: Final = frozenset(
    {"anext_awaitable", "async_generator_asend", "async_generator_athrow", "coroutine_wrapper"}
)
"""What may stand between one that waits and what it waits for: made by `async for`, `anext`, `aclose`, or `__await__`.

These are of C code and have no frame, and only the garbage collector is told what they lead to.
"""


def frames_of(frame: FrameType | None) -> Frames:
    """The calls that a frame is the innermost of."""
    found: Frames = []
    while frame is not None and len(found) < _MOST:
        found.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name))
        frame = frame.f_back
    found.reverse()
    return found


def coroutine_frames(awaitable: Any) -> Frames:
    """Where a coroutine, or a generator of either kind, is suspended: down to what is no such object.

    Nothing where it is in the middle of a step: then it is among the frames of its thread.
    """
    found: Frames = []
    while awaitable is not None and len(found) < _MOST:
        if type(awaitable).__name__ in _FRAMELESS:
            awaitable = _beyond(awaitable)
            continue
        frame, awaitable = _step(awaitable)
        if frame is None:
            break
        found.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name))
    return found


def has_limit(task: tuple[Any, ...]) -> bool:
    """Whether a task, as it came, has a time limit."""
    return len(task) > 4 and task[4] is not None and task[4][1] is not None


def tell_where(session: Session, task: tuple[Any, ...], frames: Frames) -> None:
    """Says where a task stands that is told to stop, if it has a time limit. The worker's own code."""
    if not has_limit(task) or session.forked:
        return
    sequence = task[0]
    stream = session.streams.get(sequence)
    if stream is not None:
        # Where its generator is suspended, what drives that is none of the task's.
        frames = coroutine_frames(stream.source) or frames
    fd = session.ledger.dumps_fd
    with contextlib.suppress(OSError):
        session.link.send(messages.message(messages.STOOD, (sequence, frames)))
        if fd >= 0:
            # Of the next one there is room from here.
            os.lseek(fd, DUMP_START, os.SEEK_SET)


def prepare_dumps(session: Session) -> None:
    """Has `faulthandler` listen to the signal, once, when the first task with a time limit comes."""
    ledger = session.ledger
    if ledger.slots[DUMPS] or ledger.dumps_fd < 0 or not DUMP_SIGNAL or session.forked:
        return
    # Whatever kept it from that keeps the stack out of an error, no more.
    with contextlib.suppress(Exception):
        if signal.getsignal(DUMP_SIGNAL) is not signal.SIG_DFL:
            return
        import faulthandler

        os.lseek(ledger.dumps_fd, DUMP_START, os.SEEK_SET)
        faulthandler.register(DUMP_SIGNAL, ledger.dumps_fd, all_threads=False)
        ledger.slots[DUMPS] = DUMP_SIGNAL


def _step(awaitable: Any) -> tuple[FrameType | None, Any]:
    """The frame of a suspended one, and what it waits for."""
    for kind, inner in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
        if hasattr(awaitable, f"{kind}_frame"):
            frame = getattr(awaitable, f"{kind}_frame")
            # In the middle of a step it has a caller. Not by `ag_running`, which also says so where that step waits.
            if frame is None or frame.f_back is not None:
                return None, None
            return frame, getattr(awaitable, f"{kind}_{inner}")
    return None, None


def _beyond(frameless: Any) -> Any:
    """What such a one leads to; None where that is not known."""
    for found in gc.get_referents(frameless):
        if type(found).__name__ in _FRAMELESS or any(hasattr(found, f"{kind}_frame") for kind in ("cr", "gi", "ag")):
            return found
    return None
