"""An abort waits until a `with` statement has been entered or left (see `with_statements`), unless that takes long.

`__enter__` may wait for a lock or connect to a server, `__exit__` may wait for a process. So what waits, and what goes
on for long, is interrupted like any other code.
"""

from __future__ import annotations

from poolifier.worker.bytecode import Code
from poolifier.worker.next_check import raised_without_harm
from poolifier.worker.with_statements import Place, has_returned, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Final

__all__ = ["ExceptionPatience", "SignalPatience"]

_STEPS: Final = 2000
"""Calls and turns of loops after which it takes long: two hundredths of a second and more."""

_WAITS: Final = 3
"""Looks, a millisecond apart, after which a call that has not returned waits for something."""

_LOOKS: Final = 30
"""Looks after which it takes long, however often it gets on: a sixth of a second and more."""

_MOVES: Final = 50
"""Looks that find another instruction of the same `__enter__` or `__exit__`, after which it takes long."""

_MOST_LOOKS: Final = 150
"""Looks of any kind, of which each finds another instruction. A tenth of a second: the abort has to come in the end."""

_DOUBTS: Final = 20
"""Looks that find a place from which a `with` may be entered next, after which it is unlikely."""


class SignalPatience:
    """For the handler of a signal that is sent again at once, so that it runs at every call and turn of a loop."""

    __slots__ = ("_at", "_first_look", "_look", "_steps", "_waits")

    def __init__(self) -> None:
        self._steps = 0
        self._first_look = 0
        self._look = 0
        self._waits = 0
        self._at = (0, 0)

    def allows(self, frame: FrameType, look: int) -> bool:
        """Whether an abort may be raised in this frame, which the signal has interrupted.

        The number of the look is another one after each millisecond or so, when the signal is sent by another thread,
        which also interrupts what waits.
        """
        try:
            found = place(frame)
            if found is not None and not self._takes_long(frame, look, innermost=found.innermost):
                return False
        except Exception:  # noqa: BLE001 - what the frame's instructions say is not known: no abort is lost for that
            pass
        self._steps = 0
        return True

    def _takes_long(self, frame: FrameType, look: int, *, innermost: bool) -> bool:
        if innermost:
            returned = has_returned(frame)
            if returned is not None:
                # Where it waits for a lock, say, the exception ends that, and the lock is not taken.
                return not returned
        if not self._steps:
            self._first_look = self._look = look
        self._steps += 1
        at = (id(frame), frame.f_lasti)
        if at != self._at:
            self._at = at
            self._waits = 0
        elif look != self._look:
            # Had the call returned at the last look, the handler would have run elsewhere by now.
            self._waits += 1
        self._look = look
        if self._waits >= _WAITS:
            return not has_returned(frame)
        return self._steps >= _STEPS or look - self._first_look >= _LOOKS


class ExceptionPatience:
    """For an asynchronous exception, which is raised when the thread next runs Python code.

    Attributes:
        waits: It was not allowed when it was last asked for.
        gets_on: The thread has got on since it was asked for before.
    """

    __slots__ = ("_at", "_doubts", "_looks", "_moves", "_place", "gets_on", "waits")

    def __init__(self) -> None:
        self._doubts = 0
        self._looks = 0
        self.waits: bool = False
        self.gets_on: bool = False
        self._moves = 0
        self._at = (0, 0)
        self._place = (0, 0)

    def allows(self, frame: FrameType, *, visited: bool = False) -> bool:
        """Whether one may be set in the thread of this frame, its innermost: by another thread, or in a visit."""
        try:
            return self._allows(frame, visited=visited)
        except Exception:  # noqa: BLE001 - as in `SignalPatience`
            self.waits = self.gets_on = False
            return True

    def _allows(self, frame: FrameType, *, visited: bool) -> bool:
        found = place(frame)
        is_harmless = raised_without_harm(frame, in_place=found is not None, visited=visited)
        self.waits = not is_harmless and not self._takes_long(frame, found)
        self._looks = self._looks + 1 if self.waits else 0
        if not self.waits:
            self._doubts = 0
        at = (id(frame), frame.f_lasti)
        self.gets_on = self.waits and (at != self._at or Code(frame.f_code).jumps_back(frame.f_lasti))
        self._at = at
        return not self.waits

    def _takes_long(self, frame: FrameType, found: Place | None) -> bool:
        if self._looks > _MOST_LOOKS and not (found is not None and found.innermost):
            return True
        if found is None and place(frame, calling=True) is not None:
            # It begins, and the exception would be raised in the middle of it.
            return False
        if found is None:
            # A `with` may come next. After so many looks it has not.
            self._doubts += 1
            return self._doubts > _DOUBTS
        if found.innermost:
            # Where the call waits it is not interrupted anyway, and what it waited for would be lost once it returns.
            return False
        if (found.frame, found.at) != self._place:
            self._place = (found.frame, found.at)
            self._moves = 0
        elif (id(frame), frame.f_lasti) != self._at or Code(frame.f_code).jumps_back(frame.f_lasti):
            self._moves += 1
        return self._moves >= _MOVES
