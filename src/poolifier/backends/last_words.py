"""What a worker that has ended had to say and had not sent: it stands in the memory that it shared with the pool."""

from __future__ import annotations

import contextlib
from typing import Any

from poolifier.exchange import MAPPED_RUN
from poolifier.wire import messages
from poolifier.wire.frames import FrameError
from poolifier.wire.messages import WireReply
from poolifier.wire.reply_form import checked_replies
from poolifier.wire.rows import rows_left, written
from poolifier.worker.ledger import (
    COUNT,
    FORM_LENGTH,
    FORM_START,
    GENERATION,
    LENGTH,
    ROWS_END,
    ROWS_START,
    RUN_AFTER,
    RUN_END,
    RUN_NANOSECONDS,
    RUN_SEQUENCE,
    RUN_START,
    Ledger,
)
from poolifier.worker.outbox import REPLIES_START

__all__ = ["replies_left"]


def replies_left(ledger: Ledger, generation: int) -> list[WireReply]:
    """The replies in the outbox, or none where those of that generation, which has arrived, still stand there."""
    slots = ledger.slots
    if slots[GENERATION] != generation + 1:
        return []
    count, length = slots[COUNT], slots[LENGTH]
    replies: list[WireReply] = []
    # A task's code may have written where it should not; then its worker's tasks count as started.
    with contextlib.suppress(FrameError):
        if count:
            replies += messages.marshalled_replies(count, bytes(ledger.outbox[REPLIES_START:length]))
        replies += _unfinished_run(ledger, count)
    return replies


def _unfinished_run(ledger: Ledger, count: int) -> list[WireReply]:
    """The run of results that the worker was writing behind so many replies, if it was."""
    slots = ledger.slots
    if slots[RUN_AFTER] != count:
        return []
    length = slots[FORM_LENGTH]
    results: Any
    if length:
        if length > ROWS_START - FORM_START:
            raise FrameError(f"expected the form of rows, got one of {length} bytes")
        memory = ledger.memory
        results = rows_left(memory[FORM_START : FORM_START + length], memory[ROWS_START:ROWS_END])
        some = written(results)
        if not some:
            return []
    else:
        start, end = slots[RUN_START], slots[RUN_END]
        if end <= start:
            return []
        results = messages.marshalled_values(ledger.memory[start:end])
        some = len(results)
        if not some:
            raise FrameError(f"expected results from {start} to {end}, where there is no memory")
    run_time = slots[RUN_NANOSECONDS] / 1e9
    run = (slots[RUN_SEQUENCE], MAPPED_RUN, (results, [some], [run_time / some]), run_time)
    return checked_replies([run], 0.0, 0.0)
