"""Replies of workers, with what was pickled in them read."""

from __future__ import annotations

from typing import Final

from poolifier.errors import SerializationError
from poolifier.exchange import BAD_ITEM, DONE, FAILED, ITEM, MAP_FAILED, MAPPED, Reply
from poolifier.wire import codec
from poolifier.wire.frames import FrameError
from poolifier.wire.messages import WireReply
from poolifier.wire.remote_errors import decode_error

__all__ = ["unpacked"]

_UNREADABLE: Final = {
    DONE: ("the result", FAILED),
    ITEM: ("an item", BAD_ITEM),
    MAPPED: ("the result", MAP_FAILED),
}


def unpacked(reply: WireReply) -> Reply:
    """A reply with its value or its error in place of what stood for it.

    Raises:
        FrameError: It is none that has either.
    """
    if len(reply) == 4:
        return reply
    sequence, status, _, run_time, payload = reply
    if status in (FAILED, MAP_FAILED):
        return (sequence, status, decode_error(payload), run_time)
    if status not in _UNREADABLE:
        raise FrameError(f"a reply of status {status} came with a pickle")
    try:
        return (sequence, status, codec.decode(payload), run_time)
    except BaseException as error:  # noqa: BLE001 - a result's own code ran, and it must not end the pool's loop
        what, status = _UNREADABLE[status]
        return (sequence, status, _unreadable(what, error), run_time)


def _unreadable(what: str, error: BaseException) -> SerializationError:
    """By itself, for in the frame that stands in the traceback it would be kept by its own cause."""
    failure = SerializationError(f"{what} of the task cannot be unpickled: {codec.describe(error)}")
    failure.__cause__ = error
    return failure
