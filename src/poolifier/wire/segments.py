"""Shared memory in one direction: its owner places bytes in slots, the other side reads them there.

The memory is one anonymous file, far larger than any machine's memory, of which only what has been
written exists. So a slot is never moved or split: it keeps its place and its size for ever, both
sides keep it mapped, and what is placed in it next finds its pages in place. That is what makes it
fast, for getting pages from the system takes ten times as long as filling them.

The file begins with a byte per slot: 1 from when the owner takes the slot until whoever holds what
is in it lets go. The owner alone writes a 1, the other side a 0, so the slot changes hands without a
message, a lock or a race; when either side dies the kernel keeps the file for as long as the other
has it.

What a slot holds is *leased* to the reader: the lease is the memory's exporter, so it lives as long
as anything that was made from it (a view, a NumPy array), and gives the slot back when it dies.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from pickle import PickleBuffer

from poolifier.wire.sealing import sealed_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, Final, TypeAlias

__all__ = ["AVAILABLE", "KEPT", "Inbound", "Outbound", "Ref", "Slot", "capacity_for", "giving_back"]

AVAILABLE: Final = hasattr(os, "memfd_create") and hasattr(mmap, "MADV_REMOVE")
"""Whether this platform has such files. Elsewhere everything goes the ordinary way."""

KEPT: Final = 128 << 20
"""Bytes of slots that one side has given back and that may wait, with their pages, to be used again."""

Ref: TypeAlias = "tuple[int, int, int, int, int, int, bool]"
"""What is sent in place of the bytes: (slot, start and length of its window, its offset in there, its
capacity, bytes in it, whether they are read-only)."""

_MOST_SLOTS: Final = 1 << 16
_FIRST_WINDOW: Final = 1 << 20
_WINDOW: Final = 64 << 20
_LARGEST_SHARING: Final = _WINDOW // 4
_FILE_SIZE: Final = 1 << 45
_LOOKS: Final = 16
_PUNCH: Final = 16 << 20


def capacity_for(length: int) -> int:
    """The capacity of the slots for so many bytes: at most a quarter more, in whole pages."""
    step = 1 << max(12, (length - 1).bit_length() - 3)
    return max(1, -(-length // step)) * step


class Slot:
    """A place for bytes, as its owner sees it.

    Attributes:
        number: Which byte of the table is its.
        capacity: Bytes that it has room for.
        window: The mapping that it lies in.
        start: Where that begins in the file.
        offset: Where the slot begins in the window.
        dirty: It may have pages.
    """

    __slots__ = ("capacity", "dirty", "number", "offset", "start", "window")

    def __init__(self, number: int, capacity: int, window: mmap.mmap, start: int, offset: int) -> None:
        self.number: int = number
        self.capacity: int = capacity
        self.window: mmap.mmap = window
        self.start: int = start
        self.offset: int = offset
        self.dirty: bool = False

    def ref(self, length: int, *, readonly: bool) -> Ref:
        """What to send, once so many bytes are in it."""
        return (self.number, self.start, len(self.window), self.offset, self.capacity, length, readonly)

    def room(self, length: int) -> memoryview:
        """Where to write so many bytes."""
        return memoryview(self.window)[self.offset : self.offset + length]


class Outbound:
    """The owner's side. Not safe to use from several threads.

    Raises:
        OSError: The system has no room for it.

    Attributes:
        fd: The file, for the other side to map.
    """

    def __init__(self) -> None:
        self.fd: int = sealed_file("poolifier-buffers", _FILE_SIZE)
        try:
            self._states = memoryview(_mapped(self.fd, 0, _MOST_SLOTS))
        except BaseException:
            os.close(self.fd)
            raise
        self._slots: list[Slot] = []
        self._by_capacity: dict[int, list[Slot]] = {}
        self._cursor = 0
        self._window: mmap.mmap | None = None
        self._start = 0
        self._filled = 0
        self._end = _FIRST_WINDOW

    def take(self, length: int) -> Slot | None:
        """A slot for so many bytes, or None where there is no room. O(1)."""
        capacity = capacity_for(length)
        slots = self._by_capacity.setdefault(capacity, [])
        slot = self._free_of(slots)
        if slot is None:
            slot = self._make(capacity)
            if slot is None:
                return None
            slots.append(slot)
        self._states[slot.number] = 1
        slot.dirty = True
        return slot

    def give_up(self, slot: Slot) -> None:
        """Takes back a slot that was not sent."""
        self._states[slot.number] = 0

    def busy(self) -> int:
        """The slots that are taken. O(slots)."""
        return sum(self._states[slot.number] for slot in self._slots)

    def trim(self, most: int) -> bool:
        """Gives about so many bytes of free slots back to the system; returns whether there may be more."""
        for slot in self._slots:
            if slot.dirty and not self._states[slot.number]:
                if most <= 0:
                    return True
                _punch(slot.window, slot.offset, slot.capacity)
                slot.dirty = False
                most -= slot.capacity
        return False

    def has_pages(self) -> bool:
        """Whether any slot may have pages, among them those that are taken. O(slots)."""
        return any(slot.dirty for slot in self._slots)

    def close(self) -> None:
        """Lets go of the file. What the other side holds stays with it."""
        os.close(self.fd)
        self._slots.clear()
        self._by_capacity.clear()
        self._window = None

    def _free_of(self, slots: list[Slot]) -> Slot | None:
        # The first ones are used first, so that few are warm; a few others in turn, so that no
        # search is long and none is forgotten.
        states = self._states
        for slot in slots[:_LOOKS]:
            if not states[slot.number]:
                return slot
        later = len(slots) - _LOOKS
        for _ in range(min(_LOOKS, later)):
            self._cursor = (self._cursor + 1) % later
            slot = slots[_LOOKS + self._cursor]
            if not states[slot.number]:
                return slot
        return None

    def _make(self, capacity: int) -> Slot | None:
        number = len(self._slots)
        if number >= _MOST_SLOTS:
            return None
        alone = capacity > _LARGEST_SHARING
        window, start, offset = self._window, self._start, self._filled
        if alone or window is None or offset + capacity > _WINDOW:
            length = capacity if alone else _WINDOW
            start, offset = self._end, 0
            try:
                window = _mapped(self.fd, start, length)
            except (OSError, ValueError):
                return None
            self._end += length
        if not alone:
            self._window, self._start, self._filled = window, start, offset + capacity
        slot = Slot(number, capacity, window, start, offset)
        self._slots.append(slot)
        return slot


class Inbound:
    """The reader's side. Slots may be given back from any thread, and in the middle of anything.

    Args:
        fd: The file, which this takes over.

    Raises:
        OSError: The system has no room for it.

    Attributes:
        held: Bytes of slots that are leased.
        idle: Bytes of slots that were given back with their pages.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pid = os.getpid()
        try:
            self._states = memoryview(_mapped(fd, 0, _MOST_SLOTS))
        except BaseException:
            os.close(fd)
            raise
        self._windows: dict[int, mmap.mmap] = {}
        self._lock = threading.RLock()
        self._cold = False
        self._kept: dict[int, int] = {}
        self.held: int = 0
        self.idle: int = 0

    def cool(self) -> None:
        """Nothing has been leased for a while: until something is, slots that are given back lose their pages."""
        lock = self._lock
        # As in `returned`.
        try:
            lock.acquire()
            self._cold = True
            # The owner takes the pages of these.
            self._kept.clear()
            self.idle = 0
        finally:
            try:  # noqa: SIM105 - that is a call
                lock.release()
            except RuntimeError:
                pass

    def lease(self, ref: Ref) -> memoryview:
        """What is in a slot. The slot is given back once nothing refers to the view's memory any more.

        Raises:
            OSError: It cannot be mapped.
        """
        number, start, window_length, offset, capacity, length, readonly = ref
        window = self._windows.get(start)
        if window is None:
            window = self._windows[start] = _mapped(self._fd, start, window_length)
        lease = _lease_type(capacity).from_buffer(window, offset)
        lock = self._lock
        # As in `returned`.
        try:
            lock.acquire()
            self._cold = False
            self.idle -= self._kept.pop(number, 0)
            self.held += capacity
        finally:
            try:  # noqa: SIM105 - that is a call
                lock.release()
            except RuntimeError:
                pass
        lease.back = giving_back(self, window, offset, capacity, number)
        next(lease.back)
        # The way to plain bytes from an exporter of ctypes, whose format memoryview.cast does not know.
        view = PickleBuffer(lease).raw()[:length]
        return view.toreadonly() if readonly else view

    def returned(self, window: mmap.mmap, offset: int, capacity: int, number: int) -> None:
        """A lease has died. In a process that was forked off since, that is of no account."""
        if os.getpid() != self._pid:
            return
        lock, kept = self._lock, True
        # Not by `with`: this runs in whatever thread lets go of the memory last, and in Python 3.14 a handler of
        # signals may raise between the beginning of a `with` and its body (python/cpython#148874). In a `finally`
        # nothing is raised before its first call.
        try:
            lock.acquire()
            self.held -= capacity
            kept = not self._cold and self.idle + capacity <= KEPT
            if kept:
                self._kept[number] = capacity
                self.idle += capacity
        finally:
            try:  # noqa: SIM105 - that is a call
                lock.release()
            except RuntimeError:
                pass
        if not kept:
            _punch(window, offset, capacity)
        # Last, for the slot is the owner's from here on.
        self._states[number] = 0

    def close(self) -> None:
        """Lets go of the file; what is leased stays until its holders let go."""
        os.close(self._fd)
        self._windows.clear()
        self.cool()


def giving_back(inbound: Inbound, window: mmap.mmap, offset: int, capacity: int, number: int) -> Generator[None]:
    """What a lease has, and what gives its slot back when the two die: at the `yield`, where it is closed.

    No `__del__`, which is not called to its end where an abort is on its way to its thread: that is raised at the first
    instruction of any function, before it could try anything, and the slot would be taken for ever. A worker
    holds back those that come later (see `shelter`).
    """
    try:
        yield
    finally:
        try:
            _be_struck()
        finally:
            inbound.returned(window, offset, capacity, number)


def _be_struck() -> None:
    """Raises what is on its way to this thread."""


_lease_types: dict[int, Any] = {}


def _lease_type(capacity: int) -> Any:
    # One per capacity, of which there are few: a class takes long to make.
    found = _lease_types.get(capacity)
    if found is None:
        # Importing it takes a worker some milliseconds, and most never need it.
        import ctypes

        # Of a class of its own, because a plain array has no room for `back`.
        found = _lease_types[capacity] = type("Lease", (ctypes.c_ubyte * capacity,), {})
    return found


def _mapped(fd: int, start: int, length: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        # Spares one descriptor per mapping.
        return mmap.mmap(fd, length, offset=start, trackfd=False)
    return mmap.mmap(fd, length, offset=start)


def _punch(window: mmap.mmap, offset: int, length: int) -> None:
    for at in range(offset, offset + length, _PUNCH):
        try:
            window.madvise(mmap.MADV_REMOVE, at, min(_PUNCH, offset + length - at))
        except OSError:
            return  # gVisor has no MADV_REMOVE: the pages stay, for what is placed there next
