"""Has a thread look at itself, on builds without the global interpreter lock.

There, other threads do not stand still while one looks at them: their frames change, and end, under its eyes. So
whether an abort may be raised in a thread is decided by that thread, which is *visited*: a function of ours is called
in it at the next place where Python looks for asynchronous exceptions. (Virtual machines for Java call such places
safepoints, and such visits handshakes.)

The way to get there is a finalizer. On these builds the thread that has made an object counts its references without a
lock (PEP 703). Where another thread drops the last of them, the object is handed to the one that has made it, which
finalizes it at its next such place. So the visited thread makes objects for others to drop.

What a visit sets is raised at the place after that, in the code that was interrupted: it is set once the finalizer is
over, by what is written in C alone, so that no instruction of ours, nor of a debugger, comes in between.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from functools import partial
from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, Final, TypeAlias

    Visit: TypeAlias = Callable[[FrameType], Callable[[], object] | None]

__all__ = ["ARE_NEEDED", "Visits"]

ARE_NEEDED: Final = "free-threading" in sys.version
"""Whether threads of this build may run at the same time, and its objects have an owner.

A module that is imported later may turn the lock on, and nothing turns it off again.
"""

_SPARE: Final = 8
"""How many can be lost in a row: the garbage collector finalizes what has been dropped in whatever thread it runs."""


class Visits:
    """The visits to one thread: made by any, one at a time. To be made in that thread.

    Args:
        visit: Called in the thread with the frame that was interrupted. It returns what is to be called last, which is
            written in C, or None. What it raises is lost.
    """

    __slots__ = ("_calls", "_free", "_ident", "_is_last", "_visit")

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._ident = get_ident()
        self._is_last = False
        self._free: list[None] = [None]
        self._calls: list[_Call] = [_Call(self) for _ in range(_SPARE)]

    def call(self) -> None:
        """Asks for a visit, unless one is under way. In any thread."""
        try:
            self._free.pop()
        except IndexError:
            return
        self.call_again()

    def call_again(self) -> None:
        """Asks for the visit that is under way once more."""
        try:
            # Nothing refers to it any more when this instruction is done.
            self._calls.pop()
        except IndexError:
            self._free.append(None)

    def arrive(self, frame: FrameType) -> Callable[[], object]:
        """Makes the visit; returns what is to be called last. In the visited thread."""
        self._calls.extend([_Call(self) for _ in range(_SPARE - len(self._calls))])
        last = self._visit(frame)
        self._is_last = last is not None
        return last or self.leave

    @property
    def are_left(self) -> bool:
        """Whether there can be one more: it may be that all calls were lost. Only a visit makes new ones."""
        return bool(self._calls) or self.is_under_way

    @property
    def is_under_way(self) -> bool:
        """Whether one has been asked for, and is not over."""
        return not self._free

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the visited one."""
        return get_ident() == self._ident

    @property
    def leave(self) -> Callable[[], object]:
        """Lets others visit."""
        return partial(self._free.append, None)

    def settle(self) -> None:
        """What a visit has had called last is over: lets others visit. In the visited thread."""
        if self._is_last:
            self._is_last = False
            self._free.append(None)

    def close(self) -> None:
        """Ends them. In the visited thread."""
        self._free.clear()
        calls, self._calls = self._calls, []
        for call in calls:
            call.is_void = True


class _Last:
    """Has a function called when it is finalized, without an instruction of Python."""

    __slots__ = ("act",)

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    __del__: Any = property(attrgetter("act"))


class _Call:
    """A visit to the thread that makes this, once another one has dropped it."""

    __slots__ = ("_last", "_visits", "is_void")

    def __init__(self, visits: Visits) -> None:
        self._visits = visits
        # Also where the finalizer cannot be called, for the thread is too deep for it.
        self._last = _Last(visits.leave)
        self.is_void: bool = False

    def __del__(self) -> None:
        if self.is_void:
            self._last.act = list
        elif not self._visits.is_here:
            # By the garbage collector of another thread.
            self._last.act = list
            self._visits.call_again()
        else:
            frame = sys._getframe().f_back
            # At the end of the program there may be none.
            self._last.act = list if frame is None else self._visits.arrive(frame)
