"""The outbox: replies that wait to travel together, in memory that outlives the worker.

A worker with many tiny tasks answers them in batches. What it holds back stands in the shared
memory, so a worker that is killed loses none of it: the pool takes it from there. It stands there in
the very form in which it is sent, a frame, so holding back costs no second encoding.

The items of a map are often so tiny that even a reply for each would cost more than they do. Their
results are written one after another into a single reply, the *run*. While it is being written it is
the last in the outbox. Each result counts from the moment at which it stands there (see `run`),
so that whenever a worker is killed, all items that have ended are known, and their results.
"""

from __future__ import annotations

import marshal

from poolifier.exchange import MAPPED_RUN
from poolifier.wire.messages import REPLIES_HEAD, WireReply, replies_head, run_head
from poolifier.worker.ledger import (
    COUNT,
    FORM_START,
    GENERATION,
    LENGTH,
    OUTBOX_START,
    ROWS_END,
    RUN_AFTER,
    RUN_END,
    RUN_NANOSECONDS,
    RUN_SEQUENCE,
    RUN_START,
    Ledger,
)
from poolifier.worker.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["HOLD", "MOST_GROUPS", "REPLIES_START", "Outbox"]

HOLD: Final = 0.0005
"""Seconds that a reply is held back at most while others follow."""

REPLIES_START: Final = REPLIES_HEAD.size
"""Where the first reply stands in the outbox; the head of the frame comes before it."""

MOST_GROUPS: Final = 512
"""Groups of items that a run may have."""

# What follows the results: for each group 5 bytes for its size and 9 for its mean, and a few around them.
_TAIL_ROOM: Final = (MOST_GROUPS + 1) * 14 + 64

# Version 2 has no references between values, so values that were written one by one can be read
# together as one list.
_MARSHAL_VERSION: Final = 2


class Outbox:
    """The worker's side.

    Attributes:
        count: The replies in it, without a run that is being written.
        run: The run, for `runs` to write.
        counts: How many items each group of the run has, as far as they are timed.
        means: The mean run time of each of those groups.
        typical: How long an item takes that ended and is not timed yet.
    """

    __slots__ = (
        "_end",
        "_generation",
        "_ledger",
        "_pickles",
        "_room",
        "_run_room",
        "_slots",
        "_timed",
        "_view",
        "count",
        "counts",
        "means",
        "run",
        "typical",
    )

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._slots = ledger.slots
        self._view = ledger.outbox
        self._room = len(ledger.outbox)
        self._end = REPLIES_START
        self._pickles = False
        self.count: int = 0
        self.counts: list[int] = []
        self.means: list[float] = []
        self.typical: float = 0.0
        self._timed = 0
        self._run_room = OUTBOX_START + self._room - _TAIL_ROOM
        self.run: Run = Run(ledger, self._run_room)
        self._generation = self._slots[GENERATION] = 1

    def add(self, reply: WireReply) -> bool:
        """Puts a reply in, behind a run that ends with that; returns False where it does not fit."""
        if self.run.open:
            self.end_run()
        try:
            data = marshal.dumps(reply, _MARSHAL_VERSION)
        except ValueError:  # more than marshal can hold
            return False
        start = self._end
        end = start + len(data)
        if end > self._room:
            return False
        self._view[start:end] = data
        if len(reply) > 4:
            self._pickles = True
        self._count_in(end)
        return True

    def begin_run(self, sequence: int) -> bool:
        """Begins a run of results of that chunk's items; returns False where there is no room."""
        head = run_head(sequence, 0)
        start = OUTBOX_START + self._end + len(head)
        if start + ROWS_END - FORM_START > self._run_room:
            return False
        self._view[self._end : self._end + len(head)] = head
        slots = self._slots
        # First, so that what the other numbers say of results is not believed until there is one.
        slots[RUN_END] = 0
        slots[RUN_NANOSECONDS] = 0
        slots[RUN_SEQUENCE] = sequence
        slots[RUN_START] = start
        slots[RUN_AFTER] = self.count
        self.counts.clear()
        self.means.clear()
        self._timed = 0
        self.run.begin(start)
        return True

    def add_group(self, count: int, seconds: float) -> None:
        """Notes that the next items of the run have taken so many seconds together."""
        self.counts.append(count)
        self.means.append(seconds / count)
        slots = self._slots
        slots[RUN_NANOSECONDS] += int(seconds * 1e9)
        self._timed += count

    def untimed(self, count: int, seconds: float) -> float:
        """How much of that time goes to so many results, of which nothing is known but that they were part of it.

        The rest was something else's, of which there was one.
        """
        if self.run.open and self.typical * (count + 1) > seconds:
            self.typical = seconds / (count + 1)
        return min(self.typical * count, seconds)

    def end_run(self) -> None:
        """Makes a reply of the run, if it has results. Those that have not been timed are taken to be `typical`."""
        run = self.run
        run.open = False
        if not run.count:
            run.clear()
            return
        if run.count > self._timed:
            self.counts.append(run.count - self._timed)
            self.means.append(self.typical)
        seconds = sum([count * mean for count, mean in zip(self.counts, self.means, strict=True)])
        slots = self._slots
        memory = self._ledger.memory
        rows = run.rows()
        if rows is None:
            start, end = slots[RUN_START], run.end
            head = run_head(slots[RUN_SEQUENCE], run.count)
            tail = b"".join([marshal.dumps(part, _MARSHAL_VERSION) for part in (self.counts, self.means, seconds)])
            memory[start - len(head) : start] = head
        else:
            # The rows stand elsewhere until this counts.
            reply = (slots[RUN_SEQUENCE], MAPPED_RUN, (rows, self.counts, self.means), seconds)
            end = OUTBOX_START + self._end
            tail = marshal.dumps(reply, _MARSHAL_VERSION)
        memory[end : end + len(tail)] = tail
        self._count_in(end + len(tail) - OUTBOX_START)
        run.clear()

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
        self._slots[RUN_END] = 0
        self._slots[COUNT] = 0
        self._generation += 1
        self._slots[GENERATION] = self._generation
        self._end = REPLIES_START
        self._pickles = False
        self.count = 0

    def _count_in(self, end: int) -> None:
        self._end = end
        slots = self._slots
        slots[LENGTH] = end
        self.count = count = self.count + 1
        # Last, for it is what makes the reply count if the worker dies now.
        slots[COUNT] = count
