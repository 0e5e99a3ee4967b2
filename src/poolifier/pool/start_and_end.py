"""How a pool's driver is started and brought to its end: what takes time, and is waited for.

Apart from the driver, which is compiled: an error that reaches a compiled coroutine at an `await` goes through a
signature of `throw` that Python has deprecated, so where warnings are errors the warning would take its place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from poolifier.errors import PoolNotStartedError
from poolifier.exchange import WorkerExit
from poolifier.pool.driver import Driver
from poolifier.pool.function_changes import destroyed
from poolifier.pool.leaving import stirred
from poolifier.scheduler.effects import KillWorker
from poolifier.scheduler.node import PLANNED, READY, STARTING
from poolifier.scheduler.scheduler import Scheduler

__all__ = ["discard", "end", "start"]

_MOST_NAMED: Final = 5
"""Streams and maps that a warning names."""

_logger = logging.getLogger("poolifier")

_FOR_KILLS: Final = 0.1
"""The share of the time that is left to see off workers that have to be killed."""


async def start(driver: Driver) -> None:
    """Starts the minimum of workers and waits until they are ready, or raises what kept one from it."""
    await driver.backend.start(driver)
    driver.ready = driver.loop.create_future()
    try:
        driver.changed(driver.scheduler.start)
        await driver.ready
    finally:
        driver.ready = None


async def end(driver: Driver, patience: float | None = None) -> None:
    """Lets tasks finish for so many seconds, or as long as the options say, and ends what the pool has."""
    options = driver.scheduler.options
    left = monotonic() + options.destroy_timeout
    if patience is None:
        patience = options.tasks_queue_options.tasks_finished_timeout
    driver.refuses = True
    try:
        if patience > 0.0:
            seconds = min(patience, options.destroy_timeout)
            await _wait_until(driver, lambda: driver.scheduler.unfinished == 0, seconds)
        await _stop(driver, options.name, max(0.1, left - monotonic()), options.abort_grace)
    finally:
        driver.rest()
        await driver.backend.close()


async def _stop(driver: Driver, name: str, seconds: float, grace: float) -> None:
    """Ends all tasks and workers: asks, and kills what has not gone.

    A worker that has not begun to end is killed after the grace period. One that has may take nearly all of the time:
    it waits for threads and processes that its tasks have left at work. Where that cancels tasks, one warning in the
    log says how many.
    """
    driver.scheduler.close()
    driver.room.close()
    driver.functions.close(destroyed(name))
    if driver.ready is not None and not driver.ready.done():
        driver.ready.set_exception(PoolNotStartedError(f"pool {name!r} was destroyed while it was starting"))
    consumers = list(driver.consumers)
    dropped = driver.scheduler.drop_all(monotonic())
    _tell_of_end(name, dropped, [str(consumer) for consumer in consumers if consumer.is_cut_short])
    driver.changed(lambda now: _let_go(driver.scheduler, now))
    for consumer in consumers:
        consumer.pool_ended(name)
    # However long the grace, some of the time is left to see off those that have to be killed.
    grace = min(grace, seconds / 2)
    last = seconds * _FOR_KILLS
    for patience, killed in ((grace, _stuck), (seconds - last - grace, lambda _driver: list(driver.channels))):
        if await _wait_until(driver, lambda: not driver.channels, patience):
            return
        for worker_id in killed(driver):
            driver.channels[worker_id].kill()
    await _wait_until(driver, lambda: not driver.channels, last)


def _stuck(driver: Driver) -> list[int]:
    """The workers that have not begun to end."""
    # Channels of other kinds do not tell.
    return [number for number, channel in driver.channels.items() if not getattr(channel, "is_ending", False)]


def discard(driver: Driver) -> None:
    """Forgets the workers that have not gone in time. Called after `end`."""
    for node in list(driver.scheduler.sizing.nodes.values()):
        driver.worker_exited(node.id, WorkerExit(abandoned=True))


def _let_go(scheduler: Scheduler, now: float) -> None:
    """Asks the workers to leave."""
    for node in list(scheduler.sizing.nodes.values()):
        if node.state == READY:
            scheduler.retire(node, now)
        elif node.state == STARTING:
            scheduler.effects.append(KillWorker(node))
        elif node.state == PLANNED:
            scheduler.worker_lost(node.id, WorkerExit(), now)


def _tell_of_end(name: str, dropped: int, consumers: list[str]) -> None:
    if not dropped and not consumers:
        return
    closed = ""
    if consumers:
        more = len(consumers) - _MOST_NAMED
        closed = f"; closed {', '.join(consumers[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"
    _logger.warning("pool %r: its end cancelled %d %s%s", name, dropped, "task" if dropped == 1 else "tasks", closed)


async def _wait_until(driver: Driver, condition: Callable[[], bool], seconds: float) -> bool:
    deadline = monotonic() + seconds
    while not condition():
        left = deadline - monotonic()
        if left <= 0:
            return False
        await stirred(driver, left)
    return True
