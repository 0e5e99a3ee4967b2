"""What is too large for a pipe: values whose buffers go through shared memory.

A parcel travels as `(how, pickle, refs)`, in the place where a small value has its pickle.
Each ref says where a buffer is: in a slot of the sender's memory (see `segments`), or in memory that
both sides see, whose descriptor comes by another way (see `passing`). The refs are bound on arrival,
so a parcel that nobody opens gives its slots back when it is dropped, wherever that happens.

Bytes get there in one copy. At the other end NumPy arrays, memory views and whatever else is made of
buffers are made over the very memory that arrived, which is theirs until they die; `bytes` and
`bytearray` own their memory, so they are copied out.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable

from poolifier.wire import codec
from poolifier.wire.codec import LARGE, Kept, NeedsPoolError
from poolifier.wire.owned import Owned, copied_out
from poolifier.wire.passing import DescriptorLostError, Passing
from poolifier.wire.segments import AVAILABLE, Inbound, Outbound, Ref, Slot
from poolifier.wire.shared_buffer import Memory, SharedBuffer, Transferred, packing
from poolifier.wire.views import ViewOf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

__all__ = ["Copy", "Packer", "Parcel", "Payload", "Unpacker"]

_SPECIAL: Final = frozenset({bytes, bytearray, memoryview, SharedBuffer, Transferred})

_PICKLE: Final = 0
_SHARED_PICKLE: Final = 1
_BYTES: Final = 2
_BYTEARRAY: Final = 3

_WITH_PICKLE: Final = 6

ARENA: Final = 0
"""The number under which the descriptor of a sender's memory passes."""

Payload: TypeAlias = "Any"
"""A pickle, or a parcel as it travels."""

Copy: TypeAlias = "tuple[memoryview, memoryview]"
"""Where bytes are to go, and the bytes."""


class Packer:
    """The sending side of one direction.

    What is taken for a parcel is pending until `commit` or `roll_back`.

    Args:
        give: Passes a descriptor to the other side; None where it cannot be passed any, so that everything
            is pickled in one.
        guard: Calls what must not be interrupted.

    Attributes:
        copies: What is to be copied before the parcels are sent.
    """

    def __init__(
        self,
        give: Callable[[int, int], object] | None,
        guard: Callable[[Callable[[], Any]], Any] | None = None,
    ) -> None:
        self._give = give if AVAILABLE else None
        self._guard = guard
        self._outbound: Outbound | None = None
        self._pending: list[Slot] = []
        self._giving: list[Memory] = []
        self._kept: Kept | None = None
        self.copies: list[Copy] = []

    def pack(self, value: Any) -> Payload:
        """A pickle of the value, or a parcel whose `copies` are to be made.

        Raises:
            BaseException: What `codec.encode` raises.
        """
        if self._give is None:
            return codec.encode(value)
        if type(value) not in _SPECIAL:
            # The way of most values, which need nothing of all this. What pickling runs may lead back here,
            # and what it raises may leave something in there.
            kept, self._kept = self._kept, None
            if kept is None:
                kept = Kept()
            try:
                body = codec.encode(value, kept)
            except NeedsPoolError:
                pass
            else:
                if not kept.buffers and len(body) < LARGE:
                    self._kept = kept
                    return body
                return self._parcel(value, body, kept.buffers)
        return self._pack_special(value)

    def _pack_special(self, value: Any) -> Payload:
        if type(value) is Transferred:
            value = value.data
        kind = type(value)
        if (kind is bytes or kind is bytearray) and len(value) >= LARGE:
            return self._sent(value, _BYTES if kind is bytes else _BYTEARRAY, b"", [memoryview(value)])
        if kind is memoryview:
            value = ViewOf(value)
        body, buffers = _disassembled(value)
        return self._parcel(value, body, buffers)

    def _parcel(self, value: Any, body: bytes, buffers: list[Any]) -> Payload:
        if len(body) >= LARGE:
            return self._sent(value, _SHARED_PICKLE, b"", [memoryview(body), *buffers])
        if not buffers:
            return body
        return self._sent(value, _PICKLE, body, buffers)

    def _sent(self, value: Any, how: int, body: bytes, buffers: list[Any]) -> Payload:
        refs = self._place(buffers) if self._guard is None else self._guard(lambda: self._place(buffers))
        if refs is None:
            if any(isinstance(buffer, Memory) for buffer in buffers):
                raise OSError("there is no room for what goes through shared memory with a SharedBuffer")
            return codec.encode(value)
        return (how, body, refs)

    def copy(self) -> None:
        """Makes the copies, here and now."""
        copies, self.copies = self.copies, []
        for target, source in copies:
            target[:] = source

    def commit(self) -> None:
        """What was packed is about to be sent."""
        if self._giving:
            give = self._give
            assert give is not None
            for memory in self._giving:
                give(memory.number, memory.fd)
            self._giving.clear()
        self._pending.clear()

    def roll_back(self) -> None:
        """What was packed is not sent after all."""
        self.copies.clear()
        self._giving.clear()
        outbound = self._outbound
        if outbound is not None:
            for slot in self._pending:
                outbound.give_up(slot)
        self._pending.clear()

    def give_again(self) -> None:
        """The other side has lost the descriptor of this side's memory."""
        if self._outbound is not None and self._give is not None:
            self._give(ARENA, self._outbound.fd)

    def trim(self, most: int) -> bool:
        """Gives memory back that nothing is in; see `Outbound.trim`."""
        return self._outbound is not None and self._outbound.trim(most)

    def has_pages(self) -> bool:
        """Whether memory is left that `trim` may give back later."""
        return self._outbound is not None and self._outbound.has_pages()

    def close(self) -> None:
        """Lets go of the memory."""
        self.copies.clear()
        self._pending.clear()
        self._giving.clear()
        if self._outbound is not None:
            self._outbound.close()
            self._outbound = None

    def _place(self, buffers: list[memoryview | Memory]) -> list[Any] | None:
        refs: list[Any] = []
        copies: list[Copy] = []
        taken: list[Slot] = []
        for buffer in buffers:
            if isinstance(buffer, Memory):
                refs.append((buffer.number, buffer.size))
                continue
            slot = self._slot_for(buffer.nbytes)
            if slot is None:
                for other in taken:
                    assert self._outbound is not None
                    self._outbound.give_up(other)
                return None
            taken.append(slot)
            copies.append((slot.room(buffer.nbytes), buffer))
            refs.append(slot.ref(buffer.nbytes, readonly=buffer.readonly))
        self._pending += taken
        self._giving += [buffer for buffer in buffers if isinstance(buffer, Memory)]
        self.copies += copies
        return refs

    def _slot_for(self, length: int) -> Slot | None:
        outbound = self._outbound
        if outbound is None:
            assert self._give is not None
            try:
                outbound = Outbound()
            except (OSError, ValueError):
                return None
            try:
                # An interpreter at the other side takes one of this process's descriptors, too. Where there is none
                # for it what is given would be lost, and with it the worker.
                os.close(os.dup(outbound.fd))
                self._give(ARENA, outbound.fd)
            except OSError:
                outbound.close()
                return None
            self._outbound = outbound
        return outbound.take(length)


class Parcel:
    """A parcel that has arrived. It is opened once, or dropped."""

    __slots__ = ("_body", "_buffers", "_error", "_how")

    def __init__(self, how: int, body: bytes, buffers: list[Any], error: Exception | None = None) -> None:
        self._how = how
        self._body = body
        self._buffers = buffers
        self._error = error

    @property
    def owned(self) -> memoryview | None:
        """The bytes of what is copied out as a whole, or None for a pickle."""
        return self._buffers[0] if self._how >= _BYTES and self._error is None else None

    @property
    def kind(self) -> Owned:
        """What is copied out as a whole."""
        return bytearray if self._how == _BYTEARRAY else bytes

    def open(self) -> Any:
        """The value. What it is made over is its own from now on.

        Raises:
            BaseException: Whatever reading the pickle raised, or what was wrong with the memory.
        """
        buffers, self._buffers = self._buffers, []
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                # Its traceback has this frame: the two would keep each other.
                del error
        if self._how >= _BYTES:
            return copied_out(buffers[0], self.kind)
        body: bytes | memoryview = self._body
        if self._how == _SHARED_PICKLE:
            body = buffers.pop(0)
        return pickle.loads(body, buffers=buffers)


class Unpacker:
    """The receiving side of one direction.

    Attributes:
        lost: The descriptor of the sender's memory came when there was no room for it. Until it is given
            again nothing that is in there can be read.
    """

    def __init__(self, passing: Passing) -> None:
        self._passing = passing
        self._inbound: Inbound | None = None
        self.lost: bool = False

    def bind(self, payload: tuple[Any, ...]) -> Parcel:
        """Takes over what a parcel refers to. Never raises: where that fails, opening the parcel does."""
        how, body, refs = payload
        buffers: list[Any] = []
        error: Exception | None = None
        for ref in refs:
            try:
                buffers.append(self._memory(*ref) if len(ref) == 2 else self._leased(ref))
            except Exception as failure:  # noqa: BLE001 - where memory is short, even an import fails, and in its own way
                error = failure
        try:
            return Parcel(how, body, buffers, error)
        finally:
            # Its traceback has this frame: the two would keep each other, and all that has arrived.
            del error

    def bind_tasks(self, tasks: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Wire tasks, with parcels in place of what stood for them."""
        return [self._bind_task(task) if len(task) == _WITH_PICKLE else task for task in tasks]

    def cool(self) -> None:
        """Nothing has arrived for a while: what is given back from now on goes back to the system."""
        if self._inbound is not None:
            self._inbound.cool()

    def close(self) -> None:
        """Lets go of the memory; what was opened keeps what it is made over."""
        if self._inbound is not None:
            self._inbound.close()
            self._inbound = None

    def _bind_task(self, task: tuple[Any, ...]) -> tuple[Any, ...]:
        payload = task[5]
        if type(payload) is tuple:
            return (*task[:5], self.bind(payload))
        if type(payload) is list:
            return (*task[:5], [self._bind_item(item) for item in payload])
        return task

    def _bind_item(self, item: Any) -> Any:
        if type(item) is tuple and len(item) == 1 and type(item[0]) is tuple:
            return (self.bind(item[0]),)
        return item

    def _leased(self, ref: Ref) -> memoryview:
        if self._inbound is None:
            try:
                self._inbound = Inbound(self._passing.take(ARENA))
            except DescriptorLostError:
                self.lost = True
                raise
        return self._inbound.lease(ref)

    def _memory(self, number: int, size: int) -> Memory:
        return Memory.arrived(number, self._passing.take(number), size)


def _disassembled(value: Any) -> tuple[bytes, list[Any]]:
    memories: dict[int, tuple[Any, Memory]] = {}
    packing.memories = memories
    try:
        kept = Kept(memories)
        return codec.encode(value, kept), kept.buffers
    finally:
        packing.memories = None
