"""Waiting for room: back pressure on whoever submits, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from poolifier.pool.future import Waiter

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver


class Room:
    """How many more tasks the pool takes, and who waits for that.

    There is room while fewer than `max_queued` tasks wait (by default the sum of the workers' queue
    sizes), or while a worker has nothing to do.
    """

    __slots__ = ("_driver", "_most", "_promised", "_scheduler", "_waiters")

    def __init__(self, driver: Driver, max_queued: int | None) -> None:
        self._driver = driver
        self._scheduler = driver.scheduler
        self._most = max_queued
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._promised = 0

    def free(self) -> int:
        """Tasks that may be submitted before one would have to wait; negative where too many were. O(workers)."""
        scheduler = self._scheduler
        most = self._most
        nodes = scheduler.sizing.by_slot
        if most is None:
            most = (scheduler.placement.options.size or 1) * max(1, len(nodes))
        running = sum(node.quota for node in nodes.values())
        return most + running - scheduler.unfinished - self._promised

    @property
    def waiting(self) -> int:
        """How many wait, or have been let in and have yet to submit. O(those who wait)."""
        return self._promised + sum(not waiter.done() for waiter in self._waiters)

    @property
    def awaited(self) -> bool:
        """Whether anyone waits."""
        return bool(self._waiters)

    async def wait(self) -> None:
        """Returns when there is room for one task, which the caller then submits in the same turn of the loop."""
        if not self._waiters and self.free() > 0:
            return
        waiter = Waiter(self._driver)
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # Room had been found for it; the next in line gets it.
                self._promised -= 1
                self.grew()
            self._driver.stirred()
            raise
        self._promised -= 1

    def grew(self) -> None:
        """Tasks have ended, or there are more workers: lets in as many as there is room for."""
        waiters = self._waiters
        if not waiters:
            return
        free = self.free()
        while waiters and free > 0:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._promised += 1
                free -= 1

    def close(self) -> None:
        """Lets everyone in, to be told by `execute` that the pool takes no more."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._promised += 1
