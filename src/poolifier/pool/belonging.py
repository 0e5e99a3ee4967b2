"""To whom a pool belongs, and what becomes of one that is forgotten.

It belongs to the process, the event loop and the thread that started it. In a process that is forked off, the
objects are there and the workers are not: what is sent from there would be mixed up with what the pool's own
process sends.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Final
from weakref import WeakSet, finalize

if TYPE_CHECKING:
    from poolifier.pool.life_cycle import LifeCycle

__all__ = ["FORKED", "elsewhere", "forget", "watch"]

FORKED: Final = -1
"""Stands in a driver for the thread that may use it, where there is none."""

_lives: WeakSet[LifeCycle] = WeakSet()


def watch(life: LifeCycle) -> finalize[[str, int], object]:
    """Remembers a pool that is started; warns if it goes, or the interpreter ends, before `forget`."""
    _lives.add(life)
    return finalize(life, _warn, life.name, os.getpid())


def forget(watched: finalize[[str, int], object] | None) -> None:
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


def _warn(pool: str, owner: int) -> None:
    if os.getpid() == owner:
        warnings.warn(
            f"<{pool}> was never destroyed; use `async with`, or await pool.destroy()", ResourceWarning, stacklevel=2
        )


def _disown() -> None:
    for life in list(_lives):
        life.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
