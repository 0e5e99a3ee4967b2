"""What a pool and a worker say to each other.

Every payload but one is a pickle of `(opcode, body)`. The one is REPLIES, which a worker writes in
memory that it shares with the pool (see `worker.outbox`): a head, then a marshalled list of replies.
Both sides run the same interpreter, so marshal's format is theirs to share, and it is the fastest
way to write a small tuple (a third of pickle's time) one by one and still read all with one call.

| opcode | direction | body |
|---|---|---|
| START | to the worker | (pickle of (source, initializer, initargs), settings) |
| TASKS | to the worker | list of tasks, see below |
| ABORT | to the worker | sequence |
| RECLAIM, STOP | to the worker | None |
| CONFIGURE | to the worker | `WorkerSettings` |
| CREDIT | to the worker | (sequence, items more that its stream may yield) |
| ADD_FUNCTION | to the worker | (key, pickle of a task function) |
| REMOVE_FUNCTIONS | to the worker | list of keys |
| FLUSH | to a Ray worker | None |
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

A task is `(sequence, name, atom, task id)`, where its terms are not the usual ones `(sequence, name,
atom, task id, terms)`, and where its data is no atom `(sequence, name, None, task id, terms or None,
pickle)`. Terms are as in `protocols.WireTerms`. The items of a map are a list in the place of the pickle, or
`(sequence, name, None, task id, None, None, marshalled list)` (see `items`).

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
from operator import itemgetter

from poolifier.exchange import MAPPED_RUN
from poolifier.wire import frames
from poolifier.wire.frames import FrameError, Payload
from poolifier.wire.rows import are_rows, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

__all__ = [
    "ABORT",
    "ADD_FUNCTION",
    "BULK",
    "CONFIGURE",
    "CREDIT",
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
    "STOP",
    "TASKS",
    "TRIM",
    "WireReply",
    "checked_replies",
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
READY: Final = 16
START_FAILED: Final = 17
BULK: Final = 18
MESSAGE: Final = 19
REPLIES: Final = 20
FUNCTION_ADDED: Final = 21
LOG: Final = 22

REPLIES_TAG: Final = ord("R")
"""First byte of a REPLIES payload; a pickle's first byte is 0x80."""

REPLIES_HEAD: Final = struct.Struct("<QBQdd?cI")
"""Frame header, tag, generation, active, idle, whether any reply has a pickle, and the head of a
marshalled list (its code and its length); the marshalled replies follow."""

_LIST_CODE: Final = b"["
_PAYLOAD_HEAD: Final = struct.Struct("<BQdd?")
_LIST_HEAD: Final = struct.Struct("<cI")
_TUPLE_CODE: Final = b"("

_sequence, _status, _run_time = itemgetter(0), itemgetter(1), itemgetter(3)
_TUPLES: Final = frozenset({tuple})
_INTS: Final = frozenset({int})
_FLOATS: Final = frozenset({float})
_SHORT: Final = frozenset({4})
_RUN_LENGTH: Final = 4
_EITHER: Final = frozenset({4, 5})
_STATUSES: Final = frozenset(range(MAPPED_RUN + 1))
_FOREVER: Final = 1e12

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


def checked_replies(replies: Any, active: Any, idle: Any, *, pickles: bool = True) -> list[WireReply]:
    """The replies, their form and that of the times that come with them checked, and those opened that stand in rows.

    Raises:
        FrameError: They are not replies, or have pickles although `pickles` is False.
    """
    runs = False
    try:
        # By built-in functions, which look at a thousand replies in the time of one task.
        lengths = set(map(len, replies))
        seconds = list(map(_run_time, replies))
        right = (
            type(replies) is list
            and set(map(type, replies)) <= _TUPLES
            and (lengths <= _EITHER if pickles else lengths <= _SHORT)
            and set(map(type, map(_sequence, replies))) <= _INTS
            and (statuses := set(map(_status, replies))) <= _STATUSES
            and set(map(type, seconds)) <= _FLOATS
            # In this order, which is false for what is no number.
            and 0.0 <= sum(seconds) < _FOREVER
            and 0.0 <= active < _FOREVER
            and 0.0 <= idle < _FOREVER
            and (
                not (runs := MAPPED_RUN in statuses)
                or all(_is_run(reply) for reply in replies if reply[1] == MAPPED_RUN)
            )
        )
    except (TypeError, LookupError, ValueError):
        right = False
    if not right:
        raise FrameError(f"expected replies, got {repr(replies)[:80]}")
    checked: list[WireReply] = replies
    return list(map(_opened, checked)) if runs else checked


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


def _is_run(reply: WireReply) -> bool:
    values, counts, means = reply[2]
    return (
        len(reply) == _RUN_LENGTH
        and type(counts) is list
        and type(means) is list
        and len(counts) == len(means) > 0
        and set(map(type, counts)) <= _INTS
        and set(map(type, means)) <= _FLOATS
        and min(counts) > 0
        and (sum(counts) == len(values) if type(values) is list else are_rows(values, sum(counts)))
        and min(means) >= 0.0
        and 0.0 <= sum(means) < _FOREVER
    )


def _opened(reply: WireReply) -> WireReply:
    if reply[1] != MAPPED_RUN or type(reply[2][0]) is list:
        return reply
    sequence, status, (rows, counts, means), run_time = reply
    return (sequence, status, (opened(rows), counts, means), run_time)
