"""The pool's end of one worker process: how it is poked and ended, and how its end is found out.

A worker has ended when the fork server says so. Then, in this order: its channel is read to the end
(see `wire_channel`), what is still to be copied out of shared memory is copied, its output is passed
on, and its end is reported with the ledger's started mark.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Any, Final, Protocol

from poolifier.backends.process.buffers import Buffers, Delivery
from poolifier.backends.process.copier import Copier
from poolifier.backends.process.output import OutputPipe
from poolifier.backends.process.process_handle import ProcessHandle
from poolifier.backends.unpacking import unpacked
from poolifier.backends.wire_channel import WireChannel, WireOwner
from poolifier.exchange import WorkerExit
from poolifier.wire import codec, messages
from poolifier.wire.messages import WireReply
from poolifier.worker.ledger import Ledger
from poolifier.worker.memory import resident_memory
from poolifier.worker.session import POKE

__all__ = ["ProcessChannel"]


_PATIENCE: Final = 1.0


class _Owner(WireOwner, Protocol):
    copier: Copier

    def channel_ended(self, worker_id: int) -> None: ...


class ProcessChannel(WireChannel):
    """A `Channel` to a worker process."""

    __slots__ = ("_backend", "_buffers", "_ending", "_patience", "_process", "_stderr", "_stdout")

    _large = codec.LARGE

    def __init__(
        self,
        owner: _Owner,
        worker_id: int,
        sock: socket.socket,
        ledger: Ledger,
        outputs: tuple[OutputPipe, OutputPipe],
        beside: socket.socket,
    ) -> None:
        super().__init__(owner, worker_id, sock, ledger)
        self._backend = owner
        self._stdout, self._stderr = outputs
        self._process = ProcessHandle()
        self._buffers = Buffers(self._loop, owner.copier, beside, lambda opcode: self._say(opcode, None), self._hand_on)
        self._pack = self._buffers.pack
        self._ending: tuple[int | None, str | None] | None = None
        self._patience: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process once known, or None."""
        return self._process.pid

    @property
    def memory(self) -> int | None:
        """Bytes that the worker keeps resident, or None where that cannot be told."""
        return resident_memory(self.pid)

    def kill(self) -> None:
        """Ends the worker now, or as soon as it exists."""
        if self._closed:
            return
        self._process.kill()
        if self.pid is None and self._patience is None:
            # The fork server may be stuck in a module that it was to load.
            self._patience = self._loop.call_later(_PATIENCE, self._stillborn)

    def _stillborn(self) -> None:
        """There is no process that could be ended; should there be one yet, the backend ends it."""
        if self.pid is None:
            self._finish(None, "SIGKILL")

    def process_started(self, pid: int, pidfd: int) -> None:
        """The fork server made the process; the descriptor is the channel's from now on."""
        self._process.started(pid, pidfd)
        # Not before, so that nobody hears of a worker whose process is not known.
        self._listen()

    def process_ended(self, status: int) -> None:
        """The process has ended with this wait status."""
        code = os.waitstatus_to_exitcode(status)
        self._finish(code, None) if code >= 0 else self._finish(None, _signal_name(-code))

    def process_refused(self, error: BaseException) -> None:
        """There will be no process."""
        self._error = self._error or error
        self._finish(None, None)

    def process_lost(self) -> None:
        """The fork server is gone, so this worker goes too, and its end is seen by its pidfd."""
        self._process.kill()
        self._process.when_ended(self._loop, lambda: self._finish(None, "SIGKILL"))

    def _interrupt(self) -> None:
        self._process.signal(POKE)

    def _astray(self) -> None:
        self._process.kill()

    def _say_tasks(self, batch: list[tuple[Any, ...]]) -> None:
        buffers = self._buffers
        if not buffers.sent:
            self._say(messages.TASKS, self._with_definitions(batch))
            return
        job = buffers.seal(self._go_on)
        if job is not None and not self._closed:
            self._outgoing.append(job)
        self._say(messages.PARCELS, self._with_definitions(batch))

    def _deliver(self, replies: list[WireReply], pickles: bool, active: float, idle: float) -> None:
        if pickles or self._buffers.waiting:
            self._times = (active, idle)
            self._buffers.receive(replies, self._times, unpacked)
        else:
            super()._deliver(replies, pickles, active, idle)

    def _hand_on(self, delivery: Delivery) -> None:
        self._backend.listener.replies(self._worker_id, delivery.replies, *delivery.times)
        if self._ending is not None and not self._buffers.waiting:
            self._loop.call_soon(self._finish, *self._ending)

    def _finish(self, exit_code: int | None, signal_name: str | None) -> None:
        if self._closed:
            return
        if self._ending is None:
            self._ending = (exit_code, signal_name)
            self._hear_out()
        if self._buffers.waiting:
            return  # its last words are being copied
        started, loading = self._close()
        if self._patience is not None:
            self._patience.cancel()
        self._buffers.close()
        self._stdout.close()
        self._stderr.close()
        self._process.close(self._loop)
        self._backend.channel_ended(self._worker_id)
        self._backend.listener.worker_exited(
            self._worker_id,
            WorkerExit(exit_code, signal_name, self._stderr.tail, started, self._error, loading, reason=self._reason),
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
