"""A clock that only moves when it is told to, and what is to happen when it does."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any

__all__ = ["VirtualClock"]


class VirtualClock:
    """Virtual time and a timetable of calls. Two calls for the same moment come in the order they were planned.

    Attributes:
        now: The present, in seconds. Call `run` or `advance` to move it.
    """

    __slots__ = ("_planned", "_timetable", "now")

    def __init__(self, now: float = 0.0) -> None:
        self.now: float = now
        self._planned = 0
        self._timetable: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []

    def at(self, when: float, call: Callable[..., object], *arguments: Any) -> None:
        """Has `call(*arguments)` called then, or as soon as the clock moves if that is past. O(log n)."""
        self._planned += 1
        heappush(self._timetable, (when, self._planned, call, arguments))

    def after(self, seconds: float, call: Callable[..., object], *arguments: Any) -> None:
        """Has `call(*arguments)` called so many seconds from now. O(log n)."""
        self.at(self.now + seconds, call, *arguments)

    @property
    def pending(self) -> int:
        """How many calls are planned."""
        return len(self._timetable)

    @property
    def next_at(self) -> float:
        """When the next call is due; infinity where none is planned."""
        return self._timetable[0][0] if self._timetable else inf

    def step(self) -> bool:
        """Moves on to the next call and makes it; False where none is planned."""
        if not self._timetable:
            return False
        when, _, call, arguments = heappop(self._timetable)
        self.now = max(self.now, when)
        call(*arguments)
        return True

    def run(self, until: float = inf) -> None:
        """Makes every call that is due by `until`, those planned meanwhile included; then it is `until`."""
        timetable = self._timetable
        while timetable and timetable[0][0] <= until:
            when, _, call, arguments = heappop(timetable)
            if when > self.now:
                self.now = when
            call(*arguments)
        if until < inf:
            self.now = max(self.now, until)

    def advance(self, seconds: float) -> None:
        """Runs for so many seconds."""
        self.run(self.now + seconds)
