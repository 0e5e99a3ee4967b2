"""To whom a pool belongs, and what becomes of one that is forgotten.

It belongs to the process, the event loop and the thread that started it. In a process that is forked off, the
objects are there and the workers are not: what is sent from there would be mixed up with what the pool's own
process sends.
"""

from __future__ import annotations

import os
import warnings
from asyncio import Task
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakSet, finalize, ref

from poolifier.pool.start_and_end import end
from poolifier.worker.lazy_tasks import create_lazy_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from poolifier.pool.anchor import Anchor
    from poolifier.pool.driver import Driver
    from poolifier.pool.life_cycle import LifeCycle

__all__ = ["FORKED", "elsewhere", "forget", "watch"]

FORKED: Final = -1
"""Stands in a driver for the thread that may use it, where there is none."""

_lives: WeakSet[LifeCycle] = WeakSet()
_ending: set[Task[None]] = set()
"""The ends of forgotten pools that are under way."""


def watch(life: LifeCycle, driver: Driver) -> finalize[..., object]:
    """Remembers a pool that is started, for the case that it goes, or the interpreter ends, before `forget`.

    Its driver goes on then, as long as the event loop does, so it is ended there. It is not kept for that: its task
    functions or its strategy may refer to the pool, which would never go.
    """
    _lives.add(life)
    return finalize(life, _forgotten, life.name, os.getpid(), ref(driver.anchor))


def forget(watched: finalize[..., object] | None) -> None:
    """The pool has been destroyed."""
    if watched is not None:
        watched.detach()


def elsewhere(pool: str, thread: int) -> RuntimeError:
    """Why a pool cannot be used here, whose driver belongs to that thread."""
    if thread == FORKED:
        return RuntimeError(
            f"{pool} belongs to the process that started it, and process {os.getpid()} was forked off that one; "
            "create a pool here"
        )
    return RuntimeError(
        f"{pool} belongs to the event loop that it was started on; from another thread use "
        "asyncio.run_coroutine_threadsafe(pool.submit(...), loop)"
    )


def _forgotten(pool: str, owner: int, find: Callable[[], Anchor | None]) -> None:
    """Nothing refers to a pool any more that was never destroyed. In whatever thread collected it."""
    if os.getpid() != owner:
        return
    anchor = find()
    if anchor is not None:
        with suppress(RuntimeError):  # the loop is closed
            anchor.driver.loop.call_soon_threadsafe(_begin_end, anchor.driver)
    warnings.warn(
        f"<{pool}> was never destroyed; use `async with`, or await pool.destroy()", ResourceWarning, stacklevel=2
    )


def _begin_end(driver: Driver) -> None:
    if not driver.closed:
        ending = create_lazy_task(driver.loop, end(driver))
        # The event loop itself remembers tasks only weakly.
        _ending.add(ending)
        ending.add_done_callback(_ending.discard)


def _disown() -> None:
    for life in list(_lives):
        life.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
