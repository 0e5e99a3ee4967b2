"""What workers are given when they start, and never later: locks, queues, values and connections of `multiprocessing`.

Its own processes inherit them, as it calls that: they are pickled while a process is being started, and descriptors go
to the child beside the pickle. Workers get them likewise. `worker.inherited` reads what is pickled here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from poolifier.wire import codec, multiprocessing_reducers
from poolifier.worker.inherited import Descriptor, rebuild_arena, rebuild_lock

__all__ = ["Inheritance"]


class Inheritance:
    """Pickles what workers start from, and keeps what is to be given to each of them beside that.

    Attributes:
        descriptors: Descriptors to give to each worker, by number; they are this object's own.
        locks: What stands for the locks that have no name, by number: workers use them through the program.
    """

    # Where `multiprocessing` looks for what stands for a descriptor in the pickle.
    DupFd = Descriptor

    def __init__(self) -> None:
        self.descriptors: list[int] = []
        self.locks: list[Any] = []

    @property
    def needed(self) -> bool:
        """Whether there is anything that each worker is to be given."""
        return bool(self.descriptors or self.locks)

    @contextmanager
    def pickling(self) -> Iterator[dict[type, Any]]:
        """For as long as workers' start is pickled, in this thread: gives the reducers that are to be used besides.

        What is given to workers is all that was ever met, and it keeps its numbers: what a script defines is pickled
        once, and read by workers that start later as well.
        """
        import multiprocessing.context as context

        before = context.get_spawning_popen()
        # So `multiprocessing` takes this for a process of its own that is being started.
        context.set_spawning_popen(self)  # type: ignore[arg-type]
        try:
            yield self._reducers()
        finally:
            context.set_spawning_popen(before)

    def close(self) -> None:
        """Lets go of everything."""
        for fd in self.descriptors:
            os.close(fd)
        self.descriptors.clear()
        self.locks.clear()

    def duplicate_for_child(self, fd: int) -> int:
        """Called by `multiprocessing` for each descriptor that is pickled."""
        for number, known in enumerate(self.descriptors):
            if _is_same(known, fd):
                return number
        self.descriptors.append(os.dup(fd))
        return len(self.descriptors) - 1

    def _reducers(self) -> dict[type, Any]:
        reducers = multiprocessing_reducers.reducers()
        synchronize = sys.modules.get("multiprocessing.synchronize")
        if synchronize is not None:
            reducers.update(dict.fromkeys(_subclasses(synchronize.SemLock), self._reduce_lock))
        heap = sys.modules.get("multiprocessing.heap")
        if heap is not None:
            reducers[heap.Arena] = self._reduce_arena
        return reducers

    def _reduce_arena(self, arena: Any) -> Any:
        return rebuild_arena, (arena.size, Descriptor(self.duplicate_for_child(arena.fd)))

    def _reduce_lock(self, lock: Any) -> Any:
        semaphore = lock._semlock
        if semaphore.name is not None:
            return lock.__reduce_ex__(codec.PROTOCOL)
        numbers = [number for number, known in enumerate(self.locks) if known is semaphore]
        if not numbers:
            numbers = [len(self.locks)]
            self.locks.append(semaphore)
        return rebuild_lock, (type(lock), semaphore.kind, semaphore.maxvalue, numbers[0])


def _is_same(fd: int, other: int) -> bool:
    """Whether both are the same file, opened alike: the two ends of a pipe are one file."""
    return os.path.sameopenfile(fd, other) and _access(fd) == _access(other)


def _access(fd: int) -> int:
    import fcntl  # not on Windows, where there are no processes, but this is imported

    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)
