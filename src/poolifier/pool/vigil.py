"""Keeps the event loop awake for the answer to a lone task, where that pays."""

from __future__ import annotations

import asyncio
from time import monotonic

from poolifier.wire.patience import Patience

__all__ = ["Vigil"]


class Vigil:
    """While it lasts the loop goes on looking for events, all of which it serves as ever, without falling asleep.

    That is a fraction of a millisecond, and only where answers have been that quick: see `Patience`.

    Attributes:
        asked_at: When the task was sent whose answer is waited for; 0.0 while there is none.
    """

    __slots__ = ("_loop", "_patience", "_turning", "_until", "asked_at")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asked_at: float = 0.0
        self._loop = loop
        self._patience = Patience()
        self._until = 0.0
        # A turn of the loop is asked for.
        self._turning = False

    def asked(self) -> None:
        """A task was sent to a worker that has nothing else to do."""
        if self.asked_at:
            return
        self.asked_at = now = monotonic()
        stay = self._patience.begin()
        if not stay:
            return
        self._until = now + stay
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def heard(self, now: float) -> None:
        """A worker has answered."""
        self._patience.end(now - self.asked_at, stayed=self._until > 0.0)
        self.asked_at = self._until = 0.0

    def _turn(self) -> None:
        self._turning = monotonic() < self._until
        if self._turning:
            self._loop.call_soon(self._turn)
