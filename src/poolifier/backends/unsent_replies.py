"""What a worker had to say and did not send, for it has ended or is stuck: it stands in the memory that they share."""

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

__all__ = ["held_back", "replies_held", "replies_left"]


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


def held_back(ledger: Ledger) -> tuple[int, int]:
    """The number of the frame that the outbox is to become, and how many replies stand in there."""
    return ledger.slots[GENERATION], ledger.slots[COUNT]


def replies_held(ledger: Ledger, generation: int, held: tuple[int, int]) -> list[WireReply]:
    """The replies of a worker that goes on, if there still are as many as a while ago; without an unfinished run.

    None where they have changed, so that what is read is not what is being written, nor what the writer's processor
    has yet to show to this one. None where those of that generation, the last to arrive, are not the ones before.
    """
    length = ledger.slots[LENGTH]
    if held[0] != generation + 1 or held_back(ledger) != held:
        return []
    data = bytes(ledger.outbox[REPLIES_START:length])
    if held_back(ledger) != held or ledger.slots[LENGTH] != length:
        return []
    with contextlib.suppress(FrameError):
        return messages.marshalled_replies(held[1], data)
    return []


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
