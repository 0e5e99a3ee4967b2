"""To whom a pool belongs, and what becomes of one that is forgotten.

It belongs to the process, the event loop and the thread that started it. In a process that is forked off, the
objects are there and the workers are not: what is sent from there would be mixed up with what the pool's own
process sends.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, finalize

if TYPE_CHECKING:
    from poolifier.pool.base import Pool

__all__ = ["FORKED", "forget", "watch"]

FORKED: Final = -1
"""Stands in a driver for the thread that may use it, where there is none."""

_pools: WeakSet[Pool[Any, Any]] = WeakSet()


def watch(pool: Pool[Any, Any]) -> finalize[[str, int], object]:
    """Remembers a pool that is started; warns if it goes, or the interpreter ends, before `forget`."""
    _pools.add(pool)
    return finalize(pool, _warn, repr(pool).replace(" not started", ""), os.getpid())


def forget(watched: finalize[[str, int], object] | None) -> None:
    """The pool has been destroyed."""
    if watched is not None:
        watched.detach()


def _warn(pool: str, owner: int) -> None:
    if os.getpid() == owner:
        warnings.warn(
            f"{pool} was never destroyed; use `async with`, or await pool.destroy()", ResourceWarning, stacklevel=2
        )


def _disown() -> None:
    for pool in list(_pools):
        pool._disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
