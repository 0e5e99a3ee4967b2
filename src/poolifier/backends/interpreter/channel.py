"""The pool's end of one worker interpreter: how it is poked and ended, and how its end is found out.

An interpreter cannot be ended from outside while it runs. `kill` asks it to leave and stops what runs in
it. Where that was asked before, or does not help within a grace period, it is *abandoned*: its end is
reported as though it were gone, nothing it says is heard any more, and it leaves as soon as its code
lets it. What had not started then never does: see `LEAVE` in the ledger.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from poolifier.backends.buffered_channel import BufferedChannel, BufferedOwner
from poolifier.backends.interpreter.host import InterpreterHost
from poolifier.exchange import ABORTED, DONE, EXHAUSTED, FAILED, RETURNED, WorkerExit
from poolifier.wire.messages import WireReply
from poolifier.wire.sockets import Socket
from poolifier.worker.ledger import LEAVE, Ledger

__all__ = ["InterpreterChannel"]

_ENDS: Final = frozenset({DONE, FAILED, ABORTED, RETURNED, EXHAUSTED})

_logger = logging.getLogger("poolifier")


class _Owner(BufferedOwner, Protocol):
    grace: float

    def channel_ended(self, worker_id: int, thread: threading.Thread, *, abandoned: bool) -> None: ...


class InterpreterChannel(BufferedChannel):
    """A `Channel` to a worker that is an interpreter.

    Args:
        owner: The backend.
        worker_id: The worker's number.
        sock: This end of the channel.
        ledger: This view of the ledger.
        beside: This end of the socket for descriptors, which this takes over.
        start: Starts the worker's thread, which calls what it is given when the worker has ended.
    """

    __slots__ = ("_backend", "_host", "_leaving", "_patience", "_unanswered")

    def __init__(
        self,
        owner: _Owner,
        worker_id: int,
        sock: Socket,
        ledger: Ledger,
        beside: Socket,
        start: Callable[[Callable[[BaseException | None], object]], InterpreterHost],
    ) -> None:
        super().__init__(owner, worker_id, sock, ledger, beside)
        self._backend = owner
        self._leaving = False
        self._patience: asyncio.TimerHandle | None = None
        self._unanswered: set[int] = set()
        try:
            self._host = start(self._ended_elsewhere)
        except OSError:
            self._conclude(lambda _started, _loading: None)
            raise
        self._listen()

    @property
    def pid(self) -> None:
        """None: an interpreter has no process of its own."""
        return None

    @property
    def memory(self) -> None:
        """None: what an interpreter takes cannot be told from what the others take."""
        return None

    def abort(self, sequence: int) -> None:
        """Stops that task, or drops it if it has not started. Its reply tells how it went."""
        if not self._is_answered(sequence):
            self._unanswered.add(sequence)
        super().abort(sequence)

    def kill(self) -> None:
        """Ends the worker as far as that can be done: see the module."""
        if self._is_ending or self._leaving:
            return
        # What is done is done, and is not taken for what does not stop.
        self._readable()
        if self._is_ending:
            return
        self._leave()
        if self._unanswered:
            self._abandon()
            return
        self._patience = self._loop.call_later(self._backend.grace, self._abandon)

    def abandon(self) -> None:
        """Reports the end of a worker that may go on for a while."""
        if not self._is_ending:
            self._leave()
            self._abandon()

    @property
    def _is_ending(self) -> bool:
        """Whether its end has come, though it may not have been reported yet."""
        return self._closed or self._then is not None

    def _is_answered(self, sequence: int) -> bool:
        """Whether that task's last reply has arrived, and is kept from the pool by what has yet to be copied."""
        return any(
            reply[0] == sequence and reply[1] in _ENDS
            for delivery in self._buffers.waiting
            for reply in delivery.replies
        )

    def _interrupt(self) -> None:
        self._host.poke()

    def _astray(self) -> None:
        # Otherwise its thread is about to end, or is stuck, which the pool finds out as ever.
        if self.garbled is not None and not self._leaving:
            self._leave()
            self._patience = self._loop.call_later(self._backend.grace, self._abandon)

    def _deliver(self, replies: list[WireReply], pickles: bool, active: float, idle: float) -> None:
        if self._unanswered:
            for reply in replies:
                if reply[1] in _ENDS:
                    self._unanswered.discard(reply[0])
        super()._deliver(replies, pickles, active, idle)

    def _leave(self) -> None:
        self._leaving = True
        # Before the started mark is read.
        self._ledger.slots[LEAVE] = 1
        self._host.poke()

    def _abandon(self) -> None:
        if self._is_ending:
            return
        _logger.warning(
            "worker %d does not stop: its interpreter, in thread %r, is abandoned and goes on until its code ends",
            self._worker_id,
            self._host.thread.name,
        )
        self._conclude(self._report_abandoned)

    def _ended_elsewhere(self, error: BaseException | None) -> None:
        """The worker has ended. Called in its thread."""
        try:
            self._loop.call_soon_threadsafe(self._ended, error)
        except RuntimeError:
            return  # the loop is closed, and nobody is left to tell

    def _ended(self, error: BaseException | None) -> None:
        if self._is_ending:
            return
        if self._patience is not None:
            self._patience.cancel()
        self._conclude(partial(self._report_ended, error))

    def _report_ended(self, error: BaseException | None, started: int, loading: bool) -> None:
        error = error if self._error is None else self._error
        self._report(WorkerExit(0 if error is None else 1, None, "", started, error, loading, reason=self._reason))

    def _report_abandoned(self, started: int, loading: bool) -> None:
        # In the next turn of the loop: the pool is not told while it tells.
        exited = WorkerExit(started=started, loading=loading, abandoned=True, reason=self._reason)
        self._loop.call_soon(self._report, exited)

    def _report(self, exited: WorkerExit) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._backend.channel_ended(self._worker_id, self._host.thread, abandoned=exited.abandoned)
        self._backend.listener.worker_exited(self._worker_id, exited)
