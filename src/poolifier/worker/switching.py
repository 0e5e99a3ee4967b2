"""For a few milliseconds, threads let each other run after microseconds instead of milliseconds.

One that waits for the global interpreter lock gets it after `sys.getswitchinterval()`, five milliseconds, from a thread
that computes. That is too long for who looks at such a thread again and again until it is where it should be.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["Turns"]

_SHORT: Final = 0.0002

_lock = allocate_lock()
_wanted: int = 0
_usual: float = 0.0


class Turns:
    """How long a thread's turns are, as one thread wants it: short, or as the program has set it."""

    __slots__ = ("_short",)

    def __init__(self) -> None:
        self._short = False

    def shorten(self) -> None:
        """Makes turns short. In a thread that nothing interrupts."""
        global _wanted, _usual
        if self._short:
            return
        self._short = True
        with _lock:
            if not _wanted:
                _usual = sys.getswitchinterval()
                if _usual > _SHORT:
                    sys.setswitchinterval(_SHORT)
            _wanted += 1

    def restore(self) -> None:
        """Makes them as they were, unless another thread wants them short, or the program has set them meanwhile."""
        global _wanted
        if not self._short:
            return
        self._short = False
        with _lock:
            _wanted -= 1
            if not _wanted and abs(sys.getswitchinterval() - _SHORT) < _SHORT / 10:
                sys.setswitchinterval(_usual)
