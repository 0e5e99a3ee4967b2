"""How a pool's driver is started and brought to its end: what takes time, and is waited for.

Apart from the driver, which is compiled: an error that reaches a compiled coroutine at an `await` goes through a
signature of `throw` that Python has deprecated, so where warnings are errors the warning would take its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from poolifier.errors import PoolNotStartedError
from poolifier.exchange import WorkerExit
from poolifier.pool.driver import Driver
from poolifier.pool.function_changes import destroyed
from poolifier.scheduler.effects import KillWorker
from poolifier.scheduler.node import PLANNED, READY, STARTING
from poolifier.scheduler.scheduler import Scheduler

__all__ = ["close", "finish", "start", "stop"]


async def start(driver: Driver) -> None:
    """Starts the minimum of workers and waits until they are ready, or raises what kept one from it."""
    await driver.backend.start(driver)
    driver.ready = driver.loop.create_future()
    try:
        driver.changed(driver.scheduler.start)
        await driver.ready
    finally:
        driver.ready = None


async def finish(driver: Driver, seconds: float) -> bool:
    """Waits until no task is left, for so long at the most. True where none is."""
    return await _wait_until(driver, lambda: driver.scheduler.unfinished == 0, seconds)


async def stop(driver: Driver, seconds: float, grace: float) -> None:
    """Ends all tasks and workers: asks, and kills what has not gone after the grace period."""
    driver.scheduler.close()
    driver.room.close()
    driver.functions.close(destroyed())
    if driver.ready is not None and not driver.ready.done():
        driver.ready.set_exception(PoolNotStartedError("the pool was destroyed while it was starting"))
    driver.changed(lambda now: _let_go(driver.scheduler, now))
    # However long the grace, some of the time is left to see off those that have to be killed.
    grace = min(grace, seconds / 2)
    if not await _wait_until(driver, lambda: not driver.channels, grace):
        for channel in list(driver.channels.values()):
            channel.kill()
        await _wait_until(driver, lambda: not driver.channels, seconds - grace)


async def close(driver: Driver) -> None:
    """Lets go of the backend and of the timer."""
    driver.rest()
    await driver.backend.close()


def _let_go(scheduler: Scheduler, now: float) -> None:
    """Ends all tasks, and asks the workers to leave."""
    scheduler.drop_all(now)
    for node in list(scheduler.sizing.nodes.values()):
        if node.state == READY:
            scheduler.retire(node, now)
        elif node.state == STARTING:
            scheduler.effects.append(KillWorker(node))
        elif node.state == PLANNED:
            scheduler.worker_lost(node.id, WorkerExit(), now)


async def _wait_until(driver: Driver, condition: Callable[[], bool], seconds: float) -> bool:
    deadline = monotonic() + seconds
    driver.stir = stir = asyncio.Event()
    try:
        while not condition():
            stir.clear()
            try:
                async with asyncio.timeout(max(0.0, deadline - monotonic())):
                    await stir.wait()
            except TimeoutError:
                return condition()
        return True
    finally:
        driver.stir = None
