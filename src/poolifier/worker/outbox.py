"""The outbox: replies that wait to travel together, in memory that outlives the worker.

A worker with many tiny tasks answers them in batches. What it holds back stands in the shared
memory, so a worker that is killed loses none of it: the pool takes it from there. It stands there in
the very form in which it is sent, a frame, so holding back costs no second encoding.
"""

from __future__ import annotations

import marshal

from poolifier.wire.messages import REPLIES_HEAD, WireReply, replies_head
from poolifier.worker.ledger import COUNT, GENERATION, LENGTH, Ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["HOLD", "REPLIES_START", "Outbox"]

HOLD: Final = 0.0005
"""Seconds that a reply is held back at most while others follow."""

REPLIES_START: Final = REPLIES_HEAD.size
"""Where the first reply stands in the outbox; the head of the frame comes before it."""

# Version 2 has no references between values, so values that were written one by one can be read
# together as one list.
_MARSHAL_VERSION: Final = 2


class Outbox:
    """The worker's side.

    Attributes:
        count: The replies in it.
    """

    __slots__ = ("_end", "_generation", "_pickles", "_room", "_slots", "_view", "count")

    def __init__(self, ledger: Ledger) -> None:
        self._slots = ledger.slots
        self._view = ledger.outbox
        self._room = len(ledger.outbox)
        self._end = REPLIES_START
        self._pickles = False
        self.count: int = 0
        self._generation = self._slots[GENERATION] = 1

    def add(self, reply: WireReply) -> bool:
        """Puts a reply in; returns False where it does not fit."""
        try:
            data = marshal.dumps(reply, _MARSHAL_VERSION)
        except ValueError:  # more than marshal can hold
            return False
        start = self._end
        end = start + len(data)
        if end > self._room:
            return False
        self._view[start:end] = data
        self._end = end
        if len(reply) > 4:
            self._pickles = True
        slots = self._slots
        slots[LENGTH] = end
        self.count = count = self.count + 1
        # Last, for it is what makes the reply count if the worker dies now.
        slots[COUNT] = count
        return True

    def seal(self, active: float, idle: float) -> memoryview:
        """The frame to send; call `clear` once it has been sent."""
        head = replies_head(self._end - REPLIES_START, self._generation, active, idle, self._pickles, self.count)
        REPLIES_HEAD.pack_into(self._view, 0, *head)
        return self._view[: self._end]

    def skip(self) -> int:
        """The number of a frame of replies that goes past the empty outbox."""
        generation = self._generation
        self.clear()
        return generation

    def clear(self) -> None:
        """Empties it."""
        # In this order a death in between leaves an empty outbox, or one whose generation the pool
        # has already received.
        self._slots[COUNT] = 0
        self._generation += 1
        self._slots[GENERATION] = self._generation
        self._end = REPLIES_START
        self._pickles = False
        self.count = 0
