"""Leaving `async with` in good order: waits for all that was submitted, as `asyncio.TaskGroup` does.

What was submitted is: tasks with their retries, calls that still wait in `submit` for room, and calls that other
threads have given to an executor of the pool. An open stream or map counts while somebody reads it. One that nobody
reads would never end, since its worker waits for the reader: it does not keep the pool, and is closed with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import ref

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver

__all__ = ["Consumer", "current_reader", "stirred", "wait_for_tasks"]

_TELL_AFTER: Final = 5.0
"""Seconds of waiting after which the log says what is waited for."""

_BETWEEN_ITEMS: Final = 0.5
"""Seconds that the reader of a stream may take between two items without being taken for gone."""

_TURNS_TO_CLOSE: Final = 3
"""Turns of the event loop in which asyncio closes an iterator that was just left by `break`: it is called in the first,
makes a task in the second, and that runs in the third. Such a map or stream is over, and nothing to be warned of."""

_logger = logging.getLogger("poolifier")


class Consumer(Protocol):
    """What takes results from the pool bit by bit: a stream, a map, or an executor that shares the pool."""

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for what comes next."""
        ...

    @property
    def reader(self) -> asyncio.Task[Any] | None:
        """The asyncio task that opened it, or read it last; None where that is not known."""
        ...

    @property
    def under_way(self) -> int:
        """Tasks of the pool that run, or wait, for it."""
        ...

    @property
    def is_cut_short(self) -> bool:
        """Whether the end of the pool, were it now, would keep something from it."""
        ...

    def refuse(self) -> None:
        """The pool is being left: it takes what was given to it before, and nothing new."""

    def pool_ended(self, name: str) -> None:
        """The pool of that name has ended; whoever waits is to hear of it."""

    def __str__(self) -> str:
        """What it is called in the log."""
        ...


def current_reader() -> Callable[[], asyncio.Task[Any] | None]:
    """Tells the running asyncio task for as long as that exists.

    It must not be kept: the error that ends a reader has its frames, they have the stream, and that would be a cycle,
    in which a stream that nobody reads any more would go on until it is collected.
    """
    task = _current()
    return _nobody if task is None else ref(task)


async def wait_for_tasks(driver: Driver, name: str, seconds: float | None, interrupted: Callable[[], bool]) -> None:
    """Returns when nothing is left to wait for, when the time is up, or when it is `interrupted`."""
    for _ in range(_TURNS_TO_CLOSE if driver.consumers else 0):
        await asyncio.sleep(0)
    begun = monotonic()
    limit = inf if seconds is None else begun + seconds
    tell_at = begun + _TELL_AFTER
    unread: dict[int, float] = {}
    leaver = asyncio.current_task()
    while True:
        now = monotonic()
        count, look_at = _count(driver, leaver, unread, now)
        # Below 0 for a moment where a stream that nobody reads has run too long: its task has ended, and the stream is
        # yet to hear of that.
        if count <= 0 or now >= limit or interrupted():
            return
        if now >= tell_at:
            tell_at = inf
            _logger.warning(
                "pool %r: leaving `async with` has waited %.0f seconds for tasks, of which %d are left; %s",
                name,
                now - begun,
                count,
                "it waits until they have ended, for exit_timeout is None"
                if seconds is None
                else f"after exit_timeout, {seconds:g} seconds, it aborts them",
            )
        await stirred(driver, min(limit, tell_at, look_at) - now)


def _current() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a simulation, or a callback of another kind of loop
        return None


def _nobody() -> None:
    return None


async def stirred(driver: Driver, seconds: float) -> None:
    """Returns once something has changed in the pool, or after so many seconds."""
    if driver.stir is None:
        # Shared by all who wait, and kept: whoever is woken looks and clears it in one turn of the loop, so no change
        # is missed by another.
        driver.stir = asyncio.Event()
    driver.stir.clear()
    try:
        async with asyncio.timeout(None if seconds == inf else max(0.0, seconds)):
            await driver.stir.wait()
    except TimeoutError:
        return


def _count(driver: Driver, leaver: asyncio.Task[Any] | None, unread: dict[int, float], now: float) -> tuple[int, float]:
    """How many tasks, and readers that wait, are left; and when to look again though nothing has changed."""
    count = driver.scheduler.unfinished + driver.room.waiting
    look_at = inf
    for consumer in list(driver.consumers):
        key = id(consumer)
        if consumer.awaited:
            unread.pop(key, None)
            # A map that waits for its input has no task, and is still at work.
            count += not consumer.under_way
            continue
        reader = consumer.reader
        closes_at = now
        if reader is not None and reader is not leaver and not reader.done():
            closes_at = unread.setdefault(key, now) + _BETWEEN_ITEMS
        if closes_at > now:
            look_at = min(look_at, closes_at)
            count += not consumer.under_way
        else:
            count -= consumer.under_way
    return count, look_at
