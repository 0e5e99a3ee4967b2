"""A wire channel beside which large data goes through shared memory (see `buffers`), until the worker has ended.

The memory is a file without a name, of which each side has a mapping of its own: that of a worker that is an
interpreter of this process, too. So who looks at it last keeps it, whatever has become of the other side, and to
interpreters it is as fast as to processes. A mapping that both shared would spare some page tables, and need somebody
to know when the last interpreter has let go of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from poolifier.backends.buffers import Buffers, Delivery
from poolifier.backends.copier import Copier
from poolifier.backends.unpacking import unpacked
from poolifier.backends.wire_channel import WireChannel, WireOwner
from poolifier.wire import codec, messages
from poolifier.wire.messages import WireReply
from poolifier.wire.sockets import Socket
from poolifier.worker.ledger import Ledger

__all__ = ["BufferedChannel", "BufferedOwner"]


class BufferedOwner(WireOwner, Protocol):
    """The backend, as its channels see it.

    Attributes:
        copier: Makes what copies take long.
    """

    copier: Copier


class BufferedChannel(WireChannel):
    """Most of a `Channel` to a worker of this machine.

    Args:
        owner: The backend.
        worker_id: The worker's number.
        sock: This end of the channel.
        ledger: This view of the ledger.
        beside: This end of the socket for descriptors, which this takes over.
    """

    __slots__ = ("_buffers", "_then")

    _large = codec.LARGE

    def __init__(self, owner: BufferedOwner, worker_id: int, sock: Socket, ledger: Ledger, beside: Socket) -> None:
        super().__init__(owner, worker_id, sock, ledger)
        self._buffers = Buffers(self._loop, owner.copier, beside, lambda opcode: self._say(opcode, None), self._hand_on)
        self._pack = self._buffers.pack
        # What follows the end of the worker, once that has come.
        self._then: Callable[[int, bool], object] | None = None

    def _say_tasks(self, batch: list[tuple[Any, ...]]) -> None:
        buffers = self._buffers
        if not buffers.sent:
            self._say(messages.TASKS, self._with_definitions(batch))
            return
        job = buffers.seal(self._go_on)
        if job is not None and not self._closed:
            self._outgoing.append(job)
        self._say(messages.PARCELS, self._with_definitions(batch))

    def _deliver(self, replies: list[WireReply], pickles: bool, active: float, idle: float) -> None:
        if pickles or self._buffers.waiting:
            self._times = (active, idle)
            self._buffers.receive(replies, self._times, unpacked)
        else:
            super()._deliver(replies, pickles, active, idle)

    def _hand_on(self, delivery: Delivery) -> None:
        self._owner.listener.replies(self._worker_id, delivery.replies, *delivery.times)
        if self._then is not None and not self._buffers.waiting:
            # In the next turn of the loop: the pool is not told while it tells.
            self._loop.call_soon(self._conclude_copied)

    def _conclude(self, then: Callable[[int, bool], object]) -> None:
        """Takes the worker's last words, closes the channel and calls `then`, with the marks of `_close`.

        Where last words have yet to be copied that is some turns of the loop later. Only the first call counts.
        """
        if self._then is not None or self._closed:
            return
        self._then = then
        self._hear_out()
        self._conclude_copied()

    def _conclude_copied(self) -> None:
        if self._closed or self._buffers.waiting:
            return
        then, self._then = self._then, None
        assert then is not None
        marks = self._close()
        self._buffers.close()
        then(*marks)
