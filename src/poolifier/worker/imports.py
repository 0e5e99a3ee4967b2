"""An abort does not strike in the middle of an import: it is held back until that is over.

Python does not recover from an exception in there. It forgets the package and keeps those of its modules that
were done, and many a package cannot be imported again like that; or the lock of a module is left as it was, and
whoever imports that next waits for ever.
"""

from __future__ import annotations

import sys
from _thread import start_new_thread
from collections.abc import Callable
from time import sleep

from poolifier.worker.remote_scripts import is_remote_script
from poolifier.worker.switching import Turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Final

__all__ = [
    "FIRST_PAUSE",
    "IMPORT_SYSTEM",
    "SHORT_PAUSE",
    "beginning",
    "importing",
    "longer",
    "look_until",
    "shelter",
    "shelter_log_records",
]

FIRST_PAUSE: Final = 0.001
"""Seconds after which it is looked for the first time whether an import has ended."""

SHORT_PAUSE: Final = 0.00001
"""The same for whether a `with` statement has been entered, which takes microseconds."""

_LONGEST_PAUSE: Final = 0.05

IMPORT_SYSTEM: Final = frozenset({"<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>"})


_sheltered: set[CodeType] = set()

beginning: list[None] = []
"""One for each thread of `look_until` that has been started and does not run yet."""


def shelter(code: CodeType) -> None:
    """Counts this code, and what it calls, as part of an import: what is raised there would be lost."""
    _sheltered.add(code)


def shelter_log_records() -> None:
    """Does so with what makes a record of `logging`, where that has been imported: it passes over exceptions."""
    logging = sys.modules.get("logging")
    code = getattr(getattr(getattr(logging, "LogRecord", None), "__init__", None), "__code__", None)
    if code is not None:
        shelter(code)


def importing(frame: FrameType | None) -> bool:
    """Whether code that stands in this frame is part of an import: of its beginning, its end or a module's body.

    So are a debugger's scripts: what is raised in one is lost.
    """
    while frame is not None:
        if frame.f_code.co_filename in IMPORT_SYSTEM or frame.f_code in _sheltered or is_remote_script(frame):
            return True
        frame = frame.f_back
    return False


def longer(pause: float) -> float:
    """How long to wait after that pause: at first to be there when a short import ends, later not to cost much."""
    return min(pause * 1.1, _LONGEST_PAUSE)


def look_until(over: Callable[[], bool], gets_on: Callable[[], bool] | None = None) -> bool:
    """Calls back from a thread of its own, now and then, until that returns true. Safe in a signal handler.

    As long as `gets_on` says that it will not be long, it does so again and again, with the shortest pauses. Returns
    false where there is no room for a thread.
    """

    def look() -> None:
        beginning.pop()
        pause = FIRST_PAUSE
        turns = Turns()
        try:
            while True:
                if gets_on is not None and gets_on():
                    turns.shorten()
                    sleep(SHORT_PAUSE)
                else:
                    turns.restore()
                    sleep(pause)
                    pause = longer(pause)
                if over():
                    return
        finally:
            turns.restore()

    # Not by `threading`, whose locks may be held by what was interrupted.
    beginning.append(None)
    try:
        start_new_thread(look, ())
    except RuntimeError:
        beginning.pop()
        return False
    return True
