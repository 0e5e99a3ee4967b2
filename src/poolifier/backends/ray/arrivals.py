"""What replies bring: results that are here, and those that have to be fetched from Ray's object store.

What a task says after something that is being fetched (a stream, a map) waits for that, so that everything
arrives in the order in which it was said; what other tasks say does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from poolifier.backends.ray.parcels import Parcel
from poolifier.errors import SerializationError
from poolifier.exchange import BAD_ITEM, DONE, FAILED, ITEM, MAP_FAILED, MAPPED, Reply
from poolifier.wire import codec
from poolifier.wire.remote_errors import decode_error

__all__ = ["Arrivals", "tell"]

_UNREADABLE: Final = {
    DONE: ("the result", FAILED),
    ITEM: ("an item", BAD_ITEM),
    MAPPED: ("the result", MAP_FAILED),
}


class Arrivals:
    """Makes replies of what one actor says.

    Args:
        deliver: Is given replies that had to wait.
        lost: Is told where something cannot be fetched.
    """

    __slots__ = ("_deliver", "_held", "_loop", "_lost")

    def __init__(self, deliver: Callable[[list[Reply]], None], lost: Callable[[BaseException], None]) -> None:
        self._deliver = deliver
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._held: dict[int, deque[Reply | Parcel]] = {}

    def __len__(self) -> int:
        """How many tasks have something to wait for."""
        return len(self._held)

    def take(self, word: tuple[Any, ...], refs: Sequence[Any]) -> Reply | None:
        """The reply, or None where it has to wait."""
        if len(word) == 4:
            reply: Reply = word
            return None if self._hold(reply) else reply
        sequence, status, _, run_time, carried = word
        if status in (FAILED, MAP_FAILED):
            reply = (sequence, status, decode_error(carried), run_time)
            return None if self._hold(reply) else reply
        parcel = Parcel(carried, refs)
        if parcel.awaited is None:
            reply = _opened(sequence, status, parcel, run_time)
            return None if self._hold(reply) else reply
        self._held.setdefault(sequence, deque()).append(parcel)
        fetched = partial(self._fetched, sequence, status, parcel, run_time)
        parcel.awaited.future().add_done_callback(partial(tell, self._loop, fetched))
        return None

    def drop(self) -> None:
        """Nobody waits for any of it any more."""
        self._held.clear()

    def _hold(self, reply: Reply) -> bool:
        held = self._held.get(reply[0])
        if held is None:
            return False
        held.append(reply)
        return True

    def _fetched(self, sequence: int, status: int, parcel: Parcel, run_time: float, future: Any) -> None:
        held = self._held.get(sequence)
        if held is None:
            return
        error = future.exception()
        if error is not None:
            # Its owner is the actor, so that is on its way out, and the task is of those that were lost with it.
            self._lost(error)
            return
        parcel.arrived(future.result(), None)
        held[held.index(parcel)] = _opened(sequence, status, parcel, run_time)
        replies: list[Reply] = []
        while held and not isinstance(held[0], Parcel):
            reply = held.popleft()
            assert not isinstance(reply, Parcel)
            replies.append(reply)
        if not held:
            del self._held[sequence]
        self._deliver(replies)


def tell(loop: asyncio.AbstractEventLoop, heard: Callable[[Any], None], future: Any) -> None:
    """Has a future of Ray's heard on the event loop. Called in a thread of Ray's."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to hear it
        loop.call_soon_threadsafe(heard, future)


def _opened(sequence: int, status: int, parcel: Parcel, run_time: float) -> Reply:
    try:
        return (sequence, status, parcel.open(), run_time)
    except BaseException as error:  # noqa: BLE001 - a result's own code ran, and it must not end the pool's loop
        what, status = _UNREADABLE[status]
        failure = SerializationError(f"{what} of the task cannot be unpickled: {codec.describe(error)}")
        failure.__cause__ = error
        return (sequence, status, failure, run_time)
