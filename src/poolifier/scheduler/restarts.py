"""When a dead worker may be replaced: at once, later, or never again."""

from __future__ import annotations

from collections import deque
from typing import Final

FIRST_BACK_OFF: Final = 0.05
"""Seconds before the second restart of a slot within the window; doubled each time after."""


class Restarts:
    """Counts the crashes of every slot within a sliding window.

    The first crash costs no delay, the n-th in the window `0.05 * 2 ** (n - 2)` seconds; more than
    the limit ends the pool.
    """

    __slots__ = ("_crashes", "_limit", "_window")

    def __init__(self, limit: tuple[int, float]) -> None:
        self._limit, self._window = limit
        self._crashes: dict[int, deque[float]] = {}

    def crashed(self, slot: int, now: float) -> float | None:
        """Takes in a crash; returns the seconds until a replacement may start, or None for never."""
        crashes = self._recent(slot, now)
        crashes.append(now)
        if len(crashes) > self._limit:
            return None
        return self.delay(slot, now)

    def delay(self, slot: int, now: float) -> float:
        """Seconds from now until a worker may start in the slot."""
        crashes = self._recent(slot, now)
        if len(crashes) < 2:
            return 0.0
        back_off = FIRST_BACK_OFF * 2.0 ** (len(crashes) - 2)
        return max(0.0, crashes[-1] + min(back_off, self._window) - now)

    def _recent(self, slot: int, now: float) -> deque[float]:
        crashes = self._crashes.get(slot)
        if crashes is None:
            crashes = self._crashes[slot] = deque()
        while crashes and crashes[0] <= now - self._window:
            crashes.popleft()
        return crashes
