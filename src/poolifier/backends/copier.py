"""Copies that would keep the event loop from its other work: made a slice at a time, a slice in each turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from poolifier.wire.parcels import Copy

__all__ = ["SLICE", "Copier", "Job"]

SLICE: Final = 2 << 20
"""Bytes copied in a turn: about a millisecond, where the memory is fresh."""


class Job:
    """Copies to make, in order.

    Attributes:
        done: They have been made.
    """

    __slots__ = ("_at", "_copies", "_then", "done")

    def __init__(self, copies: list[Copy], then: Callable[[], object]) -> None:
        self._copies = copies[::-1]
        self._at = 0
        self._then: Callable[[], object] | None = then
        self.done: bool = False

    def drop(self) -> None:
        """Nobody wants them any more."""
        self._copies.clear()
        self._then = None
        self.done = True

    def step(self) -> None:
        """Copies a slice, and tells when it was the last."""
        left = SLICE
        while self._copies and left > 0:
            target, source = self._copies[-1]
            end = min(self._at + left, target.nbytes)
            target[self._at : end] = source[self._at : end]
            left -= end - self._at
            self._at = end
            if end == target.nbytes:
                self._copies.pop()
                self._at = 0
        if not self._copies and not self.done:
            self.done = True
            # What is told has the results that were copied, and a job that is done is not to keep them.
            then, self._then = self._then, None
            if then is not None:
                then()


class Copier:
    """Makes the copies of a pool's channels, each in turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: deque[Job] = deque()

    def begin(self, copies: list[Copy], then: Callable[[], object]) -> Job:
        """Begins to copy; calls `then` once that is done, unless it is dropped before."""
        job = Job(copies, then)
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._loop.call_soon(self._turn)
        return job

    def _turn(self) -> None:
        job = self._jobs[0]
        try:
            if not job.done:
                job.step()
        finally:
            self._jobs.popleft()
            if not job.done:
                self._jobs.append(job)
            if self._jobs:
                self._loop.call_soon(self._turn)
