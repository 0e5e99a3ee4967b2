"""The pool's side of the shared memory between it and one worker: what is sent, what arrives, when it is given back.

What takes long to copy is copied in slices (see `copier`). Until that is done, what is to be written
to the worker waits behind it, and so do the replies that came after one that is being copied out:
everything keeps its order.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from poolifier.backends.copier import SLICE, Copier, Job
from poolifier.exchange import Reply
from poolifier.wire import messages
from poolifier.wire.owned import unfilled
from poolifier.wire.parcels import Packer, Parcel, Payload, Unpacker
from poolifier.wire.passing import Passing
from poolifier.wire.sockets import Socket

__all__ = ["IDLE", "Buffers", "Delivery"]

IDLE: Final = 1.0
"""Seconds without anything large after which both sides give their memory back to the system."""

_LATE: Final = 2 * SLICE
_PUNCH: Final = 16 << 20
_RETRY: Final = 0.01
_LONGEST_LOOK: Final = 60.0


class Delivery:
    """Replies that arrived together, some of which may be incomplete.

    Attributes:
        replies: The replies.
        times: The worker's active and idle seconds, as they came with them.
        missing: How many are incomplete.
    """

    __slots__ = ("missing", "replies", "times")

    def __init__(self, replies: list[Any], times: tuple[float, float]) -> None:
        self.replies: list[Any] = replies
        self.times: tuple[float, float] = times
        self.missing: int = 0


class Buffers:
    """One per channel.

    Args:
        loop: The pool's event loop.
        copier: That of the pool.
        beside: The socket for descriptors, which this takes over.
        tell: Tells the worker something about the memory, with this opcode.
        deliver: Called with a delivery that is complete, in order.

    Attributes:
        sent: Something was packed for the next message that is to go through shared memory.
        waiting: Deliveries that wait.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        copier: Copier,
        beside: Socket,
        tell: Callable[[int], object],
        deliver: Callable[[Delivery], object],
    ) -> None:
        self._loop = loop
        self._copier = copier
        self._tell = tell
        self._deliver = deliver
        self._passing = Passing(beside, waits=False)
        self._packer = Packer(self._give)
        self._unpacker = Unpacker(self._passing)
        self._backlog: deque[tuple[int, int]] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._used_at = 0.0
        self._next_look = IDLE
        self._told = False
        self._jobs: list[Job] = []
        self.sent: bool = False
        self.waiting: deque[Delivery] = deque()
        # A worker that passes many may have to wait until they are taken.
        loop.add_reader(beside.fileno(), self._readable)

    def give(self, number: int, fd: int) -> None:
        """Passes a descriptor, which stays the caller's as well, to be taken by that number."""
        self._give(number, fd)

    # ---- to the worker ----------------------------------------------------------------------------

    def pack(self, value: Any) -> Payload:
        """See `Packer.pack`."""
        payload = self._packer.pack(value)
        if type(payload) is tuple:
            self.sent = True
        return payload

    def seal(self, copied: Callable[[], object]) -> Job | None:
        """Makes the copies for what was packed, or begins to: then what was packed is to wait for the job."""
        self.sent = False
        packer = self._packer
        packer.commit()
        self._used()
        if sum(target.nbytes for target, _ in packer.copies) <= SLICE:
            packer.copy()
            return None
        copies, packer.copies = packer.copies, []
        return self._begin(copies, copied)

    # ---- from the worker --------------------------------------------------------------------------

    def receive(self, replies: list[Any], times: tuple[float, float], unpack: Callable[[Any], Reply]) -> None:
        """Takes replies, parcels among them; `unpack` makes a reply of what has a pickle or a parcel."""
        delivery = Delivery(replies, times)
        for at, reply in enumerate(replies):
            if len(reply) == 4:
                continue
            if type(reply[4]) is tuple:
                self._used()
                parcel = self._unpacker.bind(reply[4])
                if not self._copy_late(delivery, at, reply, parcel):
                    replies[at] = unpack((*reply[:4], parcel))
            else:
                replies[at] = unpack(reply)
        if self._unpacker.lost:
            self._unpacker.lost = False
            self._tell(messages.GIVE_AGAIN)
        if delivery.missing or self.waiting:
            self.waiting.append(delivery)
        else:
            self._deliver(delivery)

    def close(self) -> None:
        """Lets go of everything; what has been delivered stays."""
        for job in self._jobs:
            job.drop()
        self._jobs.clear()
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
        self._loop.remove_reader(self._passing.fileno())
        self._loop.remove_writer(self._passing.fileno())
        for _, fd in self._backlog:
            os.close(fd)
        self._backlog.clear()
        self._packer.close()
        self._unpacker.close()
        self._passing.close()

    def _copy_late(self, delivery: Delivery, at: int, reply: tuple[Any, ...], parcel: Parcel) -> bool:
        source = parcel.owned
        if source is None or source.nbytes <= _LATE:
            return False
        try:
            value, room = unfilled(parcel.kind, source.nbytes)
        except MemoryError:
            return False  # opening it will say so
        delivery.missing += 1
        self._begin([(room, source)], partial(self._copied, delivery, at, (*reply[:2], value, reply[3]), room))
        return True

    def _copied(self, delivery: Delivery, at: int, reply: Reply, room: memoryview) -> None:
        room.release()
        delivery.replies[at] = reply
        delivery.missing -= 1
        while self.waiting and not self.waiting[0].missing:
            self._deliver(self.waiting.popleft())

    def _begin(self, copies: list[Any], then: Callable[[], object]) -> Job:
        self._jobs = [job for job in self._jobs if not job.done]
        job = self._copier.begin(copies, then)
        self._jobs.append(job)
        return job

    # ---- memory that is given back ----------------------------------------------------------------

    def _used(self) -> None:
        self._used_at = self._loop.time()
        self._next_look, self._told = IDLE, False
        if self._timer is None:
            self._timer = self._loop.call_later(IDLE, self._look)

    def _look(self) -> None:
        left = self._used_at + IDLE - self._loop.time()
        if left > 0 or self.waiting:
            self._timer = self._loop.call_later(max(left, IDLE / 10), self._look)
            return
        self._timer = None
        if not self._told:
            self._told = True
            self._unpacker.cool()
            self._tell(messages.TRIM)
        # A slice of it at a time, for it takes as long as a copy.
        if self._packer.trim(_PUNCH):
            self._timer = self._loop.call_later(0, self._look)
        elif self._packer.has_pages():
            # A task is still at work on them, or the worker has not come to say that it is not. It may read of the TRIM
            # only when it has let go of them, and then counts on this side.
            self._timer = self._loop.call_later(self._next_look, self._look)
            self._next_look = min(2 * self._next_look, _LONGEST_LOOK)

    # ---- descriptors ------------------------------------------------------------------------------

    def _give(self, number: int, fd: int) -> None:
        if self._backlog or not self._passed(number, fd):
            # The worker waits for it where it needs it.
            self._backlog.append((number, os.dup(fd)))

    def _passed(self, number: int, fd: int) -> bool:
        try:
            if self._passing.try_give(number, fd):
                return True
        except OSError as error:
            # Too many are on their way; the worker is about to take some.
            if error.errno == errno.ETOOMANYREFS:
                if self._retry is None:
                    self._retry = self._loop.call_later(_RETRY, self._pass_on)
                return False
            return True  # the worker is gone, and its end is on its way
        self._loop.add_writer(self._passing.fileno(), self._pass_on)
        return False

    def _pass_on(self) -> None:
        self._retry = None
        self._loop.remove_writer(self._passing.fileno())
        while self._backlog:
            number, fd = self._backlog[0]
            if not self._passed(number, fd):
                return
            os.close(fd)
            self._backlog.popleft()

    def _readable(self) -> None:
        try:
            self._passing.fetch()
        except OSError:
            self._loop.remove_reader(self._passing.fileno())
