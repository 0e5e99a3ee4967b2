"""Reads what a worker is given by inheritance: locks, queues, values and connections of `multiprocessing`.

They refer to descriptors by number, and to locks that have no name by a number as well: see `backends.inheritance`.
"""

from __future__ import annotations

from poolifier.worker.remote_semaphore import RemoteSemaphore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Descriptor", "rebuild_arena", "rebuild_lock", "receive"]


def _nothing(index: int) -> int:
    raise OSError(f"descriptor {index} is given to workers only")


_take: Callable[[int], int] = _nothing


def receive(take: Callable[[int], int]) -> None:
    """Takes descriptors from here: `take` returns the one of that number, once."""
    global _take
    _take = take


class Descriptor:
    """Stands for a descriptor in a pickle, in the place of what `multiprocessing` passes to its own processes."""

    __slots__ = ("_index",)

    def __init__(self, index: int) -> None:
        self._index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return Descriptor, (self._index,)

    def detach(self) -> int:
        """The descriptor, which is the caller's from now on."""
        return _take(self._index)


def rebuild_arena(size: int, descriptor: Descriptor) -> Any:
    """Memory that shared values are in. Unlike that of `multiprocessing` it closes the descriptor when it is gone.

    Interpreters end without their process, so what they leave open would stay.
    """
    import os
    from multiprocessing.heap import Arena
    from multiprocessing.util import Finalize

    arena = Arena(size, descriptor.detach())
    # Also where it is still referred to at the end.
    Finalize(arena, os.close, (arena.fd,), exitpriority=0)
    return arena


def rebuild_lock(cls: Any, kind: int, maxvalue: int, index: int) -> Any:
    """A lock, or a semaphore, that is in the program."""
    lock: Any = cls.__new__(cls)
    lock._semlock = RemoteSemaphore(kind, maxvalue, index)
    # It cannot be given to processes by its name, for it has none.
    lock._is_fork_ctx = True
    lock._make_methods()
    return lock
