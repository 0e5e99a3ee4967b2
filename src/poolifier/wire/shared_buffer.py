"""Memory that several processes or interpreters see, and that a task can be given for nothing."""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Generator, Iterable
from operator import is_not
from pickle import PickleBuffer
from types import TracebackType
from weakref import ReferenceType, WeakValueDictionary, ref

from poolifier.errors import UnsupportedError
from poolifier.wire.codec import NeedsPoolError
from poolifier.wire.sealing import shared_file
from poolifier.wire.segments import AVAILABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Self

__all__ = ["Memory", "SharedBuffer", "Transferred", "check_transfer", "closing", "handed_over", "packing"]


class _Packing(threading.local):
    # What a pickle in the making refers to, by the identity of the buffers that stand for it.
    memories: dict[int, tuple[PickleBuffer, Memory]] | None = None


packing: Final = _Packing()
"""Where a pool that pickles says so, and finds what memory the pickle refers to."""


class Memory:
    """Memory that is a file without a name, mapped here.

    Attributes:
        number: Tells it from all others, in all processes.
        fd: Its descriptor, to be passed on.
        size: Its bytes.
        map: The mapping.
    """

    __slots__ = ("__weakref__", "_closing", "fd", "map", "number", "size")

    def __init__(self, number: int, fd: int, size: int) -> None:
        self.number: int = number
        self.fd: int = fd
        self.size: int = size
        # The mapping lives as long as anything that was made from it, the descriptor as long as this.
        self._closing = closing(fd)
        next(self._closing)
        self.map: mmap.mmap
        try:
            if sys.version_info >= (3, 13):
                self.map = mmap.mmap(fd, size, trackfd=False)
            else:
                self.map = mmap.mmap(fd, size)
        except BaseException:
            self._closing.close()
            raise
        _known[number] = self

    @classmethod
    def create(cls, size: int) -> Memory:
        """New memory, all zeros."""
        # Random, because processes make numbers without asking one another.
        return cls(int.from_bytes(os.urandom(8), "little") | 1, shared_file("poolifier-buffers", size), size)

    @classmethod
    def arrived(cls, number: int, fd: int, size: int) -> Memory:
        """The memory of that number, whose descriptor has arrived."""
        known = _known.get(number)
        if known is not None:
            os.close(fd)
            return known
        return cls(number, fd, size)


def closing(fd: int) -> Generator[None]:
    """Closes the descriptor when it dies. For why it is no `__del__` see `segments.giving_back`."""
    close = os.close  # at the end of an interpreter modules may be empty
    try:
        yield
    finally:
        close(fd)


# So that memory which comes back is the same mapping, whose pages are in place.
_known: WeakValueDictionary[int, Memory] = WeakValueDictionary()


class SharedBuffer:
    """Memory that this process and the workers of its pools see, without a copy.

    Give it to a task as its data, or anywhere in its data, and return it from a task likewise: whatever
    its size, what travels is a reference. Both sides then see the same memory, and nothing keeps them from
    writing at the same time. Listed in `transfer=`, it is given away instead: the task has it, and the
    caller's object cannot be used any more.

    It lives until nobody has it: no `SharedBuffer`, and nothing that was made from its `buffer`. It can
    be pickled only on its way through a pool.

    Args:
        size: Its bytes, at least 1. They are zero at first.

    Raises:
        TypeError: The size is not an integer.
        ValueError: The size is below 1.
        UnsupportedError: This platform has no such memory (only Linux has).
        OSError: The system has no room for it.
    """

    __slots__ = ("__weakref__", "_given", "_memory")

    def __init__(self, size: int) -> None:
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"size must be an integer of at least 1, not {size!r}")
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        if not AVAILABLE:
            raise UnsupportedError("SharedBuffer needs memory that a descriptor stands for, which only Linux has")
        self._memory: Memory | None = Memory.create(size)
        self._given: ReferenceType[Transferred] | None = None

    @classmethod
    def copy_of(cls, data: Any) -> SharedBuffer:
        """A new one that holds a copy of `data`: bytes, an array, anything with a C-contiguous buffer.

        Raises:
            TypeError: `data` has no buffer.
            ValueError: It is empty.
        """
        try:
            view = memoryview(data)
        except TypeError:
            raise TypeError(f"data must have a buffer, as bytes and arrays have, not {type(data).__name__}") from None
        if not view.nbytes:
            raise ValueError("data must not be empty: a SharedBuffer has at least 1 byte")
        shared = cls(view.nbytes)
        shared.buffer[:] = PickleBuffer(view).raw() if view.c_contiguous else view.tobytes()
        return shared

    @property
    def buffer(self) -> memoryview:
        """Its bytes, to read and to write: `numpy.frombuffer(shared.buffer)` is an array that is the memory.

        What is made from it keeps the memory, also after `release` or a transfer.

        Raises:
            ValueError: It was released or given away.
        """
        return memoryview(self._usable().map)

    @property
    def released(self) -> bool:
        """Whether it cannot be used any more: it was released or given away."""
        return self._memory is None

    def release(self) -> None:
        """Lets go of the memory. What was made from `buffer` keeps it. Does nothing the second time."""
        self._memory = None
        self._given = None

    def __len__(self) -> int:
        """Its bytes."""
        return self._usable().size

    def __enter__(self) -> Self:
        """Itself."""
        self._usable()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Releases it."""
        self.release()

    def __repr__(self) -> str:
        if self._memory is None:
            return f"<SharedBuffer {'released' if self._given is None else 'given away'}>"
        return f"<SharedBuffer of {self._memory.size} bytes>"

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        memories = packing.memories
        if memories is None:
            raise NeedsPoolError(
                "a SharedBuffer can be pickled only on its way through a pool of processes or interpreters; "
                "bytes(shared.buffer) is a copy that can go anywhere"
            )
        memory = self._memory
        task = self._given() if memory is None and self._given is not None else None
        if task is not None:
            memory = task.memories[id(self)]
        if memory is None:
            memory = self._usable()
        stand_in = PickleBuffer(memory.map)
        memories[id(stand_in)] = (stand_in, memory)
        return (_arrived, (stand_in,))

    def _usable(self) -> Memory:
        if self._memory is None:
            what = "has been released" if self._given is None else "was given away by transfer="
            raise ValueError(f"this SharedBuffer {what}, so it cannot be used any more")
        return self._memory


class Transferred:
    """A task's data of which some is given away. It keeps what was given for as long as the task may run.

    Args:
        data: The data, in which the given buffers stand as they stood.
        shared: The buffers to give, which cannot be used any more from here on.

    Attributes:
        data: The data.
        memories: What was given, by the identity of the object in the data.
    """

    __slots__ = ("__weakref__", "_shared", "data", "memories")

    def __init__(self, data: Any, shared: list[SharedBuffer]) -> None:
        self.data: Any = data
        self.memories: dict[int, Memory] = {id(one): one._usable() for one in shared}
        # Identities are theirs for as long as they live.
        self._shared = shared
        for one in shared:
            one._memory = None
            one._given = ref(self)


def _arrived(memory: Any) -> SharedBuffer:
    if not isinstance(memory, Memory):
        raise NeedsPoolError("a SharedBuffer can be unpickled only where a pool brought it")
    return handle(memory)


def handle(memory: Memory) -> SharedBuffer:
    """A `SharedBuffer` for memory that is there."""
    shared = SharedBuffer.__new__(SharedBuffer)
    shared._memory = memory
    shared._given = None
    return shared


def check_transfer(transfer: object) -> list[SharedBuffer]:
    """What is listed in `transfer=`; raises where it cannot be given away.

    Raises:
        TypeError: It is no list of `SharedBuffer`s.
        ValueError: One of them was released or given away before.
    """
    if isinstance(transfer, SharedBuffer | str | bytes) or not isinstance(transfer, Iterable):
        raise TypeError(f"transfer must be a list of SharedBuffer objects, not {transfer!r}")
    shared = list(transfer)
    for one in shared:
        if not isinstance(one, SharedBuffer):
            raise TypeError(
                f"transfer must list SharedBuffer objects, not {type(one).__name__}: no other memory can be "
                "given away without a copy; SharedBuffer.copy_of makes one of anything that has a buffer"
            )
        one._usable()
    return shared


def handed_over(data: Any, shared: list[SharedBuffer]) -> Any:
    """The data with other objects for the given buffers, which cannot be used any more from here on.

    For workers that share this process's memory. What holds a buffer is copied: lists, tuples and
    dictionaries (exact, no subclasses), at any depth.

    Raises:
        ValueError: A buffer is not in there.
    """
    fresh = {id(one): handle(one._usable()) for one in shared}
    found: set[int] = set()
    data = _replaced(data, fresh, found)
    if len(found) < len(fresh):
        raise ValueError(
            "transfer lists a SharedBuffer that is not in the data: for thread workers it must be the data, "
            "or in lists, tuples and dictionaries of it"
        )
    for one in shared:
        one._memory = None
        one._given = _nobody
    return data


def _replaced(data: Any, fresh: dict[int, SharedBuffer], found: set[int]) -> Any:
    kind = type(data)
    if kind is SharedBuffer:
        if id(data) in fresh:
            found.add(id(data))
            return fresh[id(data)]
    elif kind is list or kind is tuple:
        members = [_replaced(member, fresh, found) for member in data]
        if any(map(is_not, members, data)):
            return kind(members)
    elif kind is dict:
        values = [_replaced(member, fresh, found) for member in data.values()]
        if any(map(is_not, values, data.values())):
            return dict(zip(data, values, strict=True))
    return data


# What was handed over to a thread: nobody keeps it but the task itself.
_nobody: ReferenceType[Transferred] = ref(Transferred(None, []))
