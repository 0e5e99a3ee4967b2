"""What a pool and a worker say to each other.

Every payload but one is a pickle of `(opcode, body)`. The one is REPLIES, which a worker writes in
memory that it shares with the pool (see `worker.outbox`): a head, then a marshalled list of replies.
Both sides run the same interpreter, so marshal's format is theirs to share, and it is the fastest
way to write a small tuple (a third of pickle's time) one by one and still read all with one call.

| opcode | direction | body |
|---|---|---|
| START | to the worker | (pickle of (source, initializer, initargs), settings, definitions of scripts) |
| TASKS | to the worker | list of tasks, see below |
| ABORT | to the worker | sequence |
| RECLAIM, STOP | to the worker | None |
| CONFIGURE | to the worker | `WorkerSettings` |
| CREDIT | to the worker | (sequence, items more that its stream may yield) |
| ADD_FUNCTION | to the worker | (key, pickle of a task function, definitions of scripts) |
| REMOVE_FUNCTIONS | to the worker | list of keys |
| FLUSH | to a Ray worker | None |
| DEFINE | to a Ray worker | definitions of scripts |
| PARCELS | to the worker | list of tasks, of which some have parcels where others have a pickle (see `parcels`) |
| TRIM | to the worker | None: nothing large has been sent for a while |
| GIVE_AGAIN | to the worker | None: the descriptor of its memory was lost on the way |
| READY | to the pool | `WorkerReady` |
| START_FAILED | to the pool | encoded error |
| REPLIES | to the pool | no pickle, see above: what workers answer with nearly always |
| BULK | to the pool | (generation, active, idle, list of replies): what is too large for REPLIES |
| MESSAGE | to the pool | pickle of a task function's own message |
| FUNCTION_ADDED | to the pool | (key, None or encoded error) |
| LOG | to the pool | a log record, see `log_records` |
| STOOD | to the pool | (sequence, list of (file, line, function)): where a task stood that ran too long |

A task is `(sequence, name, atom, task id)`, where its terms are not the usual ones `(sequence, name,
atom, task id, terms)`, and where its data is no atom `(sequence, name, None, task id, terms or None,
pickle)`. Small containers of atoms go as atoms do; one that was given to several tasks comes once, and the worker
gives each its own (`flat.separate`). What is `(0, "", (None, None, definitions))` is no task: what the scripts of
the program define that tasks behind it need (see `scripts.operations`). Terms are as in `exchange.WireTerms`. The
items of a map are a list in the place of the pickle, or `(sequence, name, None, task id, None, None, marshalled
list)` (see `items`).

A reply is `(sequence, status, atom, run time)` or `(sequence, status, None, run time, pickle)`; the
pickle is a result if the status is DONE, an item if it is ITEM, else an encoded error. A result or an
item may be a parcel. A run of results of a map is `(sequence, MAPPED_RUN, (results, counts, means), run time)`,
where the results are a list or stand in rows (see `rows`).

Replies come in generations, 1, 2, 3 ..., one per REPLIES or BULK: a frame that comes twice, or that is
missing, shows. What a worker says is checked for its form before anything is done about it, for a task
may have written where it should not.
"""

from __future__ import annotations

import io
import marshal
import pickle
import struct

from poolifier.exchange import MAPPED_RUN
from poolifier.wire import frames
from poolifier.wire.frames import FrameError, Payload
from poolifier.wire.reply_form import checked_replies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

__all__ = [
    "ABORT",
    "ADD_FUNCTION",
    "BULK",
    "CONFIGURE",
    "CREDIT",
    "DEFINE",
    "FLUSH",
    "FUNCTION_ADDED",
    "GIVE_AGAIN",
    "LOG",
    "MESSAGE",
    "PARCELS",
    "READY",
    "RECLAIM",
    "REMOVE_FUNCTIONS",
    "REPLIES",
    "REPLIES_HEAD",
    "START",
    "START_FAILED",
    "STOOD",
    "STOP",
    "TASKS",
    "TRIM",
    "WireReply",
    "marshalled_replies",
    "marshalled_values",
    "message",
    "read",
    "read_replies",
    "run_head",
]

START: Final = 0
TASKS: Final = 1
ABORT: Final = 2
RECLAIM: Final = 3
STOP: Final = 4
CONFIGURE: Final = 5
CREDIT: Final = 6
ADD_FUNCTION: Final = 7
REMOVE_FUNCTIONS: Final = 8
FLUSH: Final = 9
PARCELS: Final = 10
TRIM: Final = 11
GIVE_AGAIN: Final = 12
DEFINE: Final = 13
READY: Final = 16
START_FAILED: Final = 17
BULK: Final = 18
MESSAGE: Final = 19
REPLIES: Final = 20
FUNCTION_ADDED: Final = 21
LOG: Final = 22
STOOD: Final = 23

REPLIES_TAG: Final = ord("R")
"""First byte of a REPLIES payload; a pickle's first byte is 0x80."""

REPLIES_HEAD: Final = struct.Struct("<QBQdd?cI")
"""Frame header, tag, generation, active, idle, whether any reply has a pickle, and the head of a
marshalled list (its code and its length); the marshalled replies follow."""

_LIST_CODE: Final = b"["
_PAYLOAD_HEAD: Final = struct.Struct("<BQdd?")
_LIST_HEAD: Final = struct.Struct("<cI")
_TUPLE_CODE: Final = b"("

WireReply: TypeAlias = "tuple[Any, ...]"


def message(opcode: int, body: Any) -> bytes:
    """A whole frame that says `opcode` with `body`."""
    return frames.frame(pickle.dumps((opcode, body), 5))


def read(payload: Payload) -> tuple[int, Any]:
    """The opcode and body of any payload but REPLIES.

    Raises:
        FrameError: It is not one.
    """
    try:
        opcode, body = pickle.loads(payload)
    except Exception as error:
        raise FrameError(f"expected a message, got {bytes(payload[:32])!r}") from error
    return opcode, body


def replies_head(
    length: int, generation: int, active: float, idle: float, pickles: bool, count: int
) -> tuple[Any, ...]:
    """The values for `REPLIES_HEAD` before `length` bytes of marshalled replies."""
    word = frames.header_word(REPLIES_HEAD.size - frames.HEADER.size + length)
    return (word, REPLIES_TAG, generation, active, idle, pickles, _LIST_CODE, count)


def read_replies(payload: Payload) -> tuple[int, float, float, bool, list[WireReply]]:
    """Generation, active, idle, whether any has a pickle, and the replies of a REPLIES payload.

    Raises:
        FrameError: It is not one.
    """
    try:
        _, generation, active, idle, pickles = _PAYLOAD_HEAD.unpack_from(payload)
        replies = marshal.loads(payload[_PAYLOAD_HEAD.size :])
    except Exception as error:
        raise FrameError(f"expected replies, got {bytes(payload[:32])!r}") from error
    return generation, active, idle, pickles, checked_replies(replies, active, idle, pickles=pickles)


def marshalled_replies(count: int, data: bytes) -> list[WireReply]:
    """The first `count` replies of those that stand marshalled in `data`.

    Raises:
        FrameError: They are not there.
    """
    try:
        if count > len(data):
            raise ValueError(f"{count} replies in {len(data)} bytes")
        replies = marshal.loads(_LIST_HEAD.pack(_LIST_CODE, count) + data)
    except Exception as error:
        raise FrameError(f"expected replies, got {data[:32]!r}") from error
    return checked_replies(replies, 0.0, 0.0)


def run_head(sequence: int, count: int) -> bytes:
    """What stands before the marshalled results of a run: after them come its counts, its means and its run time."""
    return b"".join(
        (
            _LIST_HEAD.pack(_TUPLE_CODE, 4),
            marshal.dumps(sequence, 2),
            marshal.dumps(MAPPED_RUN, 2),
            _LIST_HEAD.pack(_TUPLE_CODE, 3),
            _LIST_HEAD.pack(_LIST_CODE, count),
        )
    )


def marshalled_values(data: bytes) -> list[Any]:
    """All values that stand marshalled in `data`, however many there are.

    Raises:
        FrameError: There is anything else.
    """
    values: list[Any] = []
    file = io.BytesIO(data)
    try:
        while file.tell() < len(data):
            values.append(marshal.load(file))
    except Exception as error:
        raise FrameError(f"expected results, got {data[:32]!r}") from error
    return values
