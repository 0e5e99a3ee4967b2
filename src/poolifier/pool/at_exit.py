"""The end of the process, for pools whose event loop still runs then: one in a daemon thread, as in a web application.

Such a loop goes on until Python stops the thread, somewhere. Its workers end meanwhile, and it would replace them, when
no thread and no interpreter can be started any more, or would be left half made. So its pools are destroyed before.
Pools of other loops are not touched: these loops are over, and nothing replaces what ends.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError, wait
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from poolifier.backends.end_of_process import before_end

if TYPE_CHECKING:
    from concurrent.futures import Future

    from poolifier.pool.life_cycle import LifeCycle

__all__ = ["watch"]

_PATIENCE: Final = 1.0
"""Seconds that an event loop gets to turn once. One that does not is stuck in code of the user's."""

_lives: WeakSet[LifeCycle] = WeakSet()
_watching = False


def watch(life: LifeCycle) -> None:
    """Has a pool destroyed at the end of the process, if its event loop runs then."""
    global _watching
    _lives.add(life)
    if not _watching:
        _watching = True
        before_end(_end)


def _end() -> None:
    global _watching
    _watching = False
    ends: list[tuple[Future[None], float]] = []
    turned: list[Future[None]] = []
    for life in list(_lives):
        driver = life.driver
        # Not where the process was forked from the pool's, either: the thread of that loop is not here.
        if driver is None or driver.thread < 0 or driver.thread == get_ident() or not driver.loop.is_running():
            continue
        with suppress(RuntimeError):
            life.process_ends = True
            turned.append(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), driver.loop))
            ends.append((asyncio.run_coroutine_threadsafe(life.destroy(patience=0.0), driver.loop), life.longest_end))
    if not wait(turned, timeout=_PATIENCE).not_done:
        for end, longest in ends:
            with suppress(Exception, CancelledError):
                end.result(longest)
