"""The pool's end of one worker process: how it is poked and ended, and how its end is found out.

A worker has ended when the fork server says so. Then, in this order: its channel is read to the end
(see `wire_channel`), its output is passed on, and its end is reported with the ledger's started mark.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import Protocol

from poolifier.backends.process.output import OutputPipe
from poolifier.backends.process.process_handle import ProcessHandle
from poolifier.backends.wire_channel import WireChannel, WireOwner
from poolifier.exchange import WorkerExit
from poolifier.worker.ledger import Ledger
from poolifier.worker.memory import resident_memory
from poolifier.worker.session import POKE

__all__ = ["ProcessChannel"]


class _Owner(WireOwner, Protocol):
    def channel_ended(self, worker_id: int) -> None: ...


class ProcessChannel(WireChannel):
    """A `Channel` to a worker process."""

    __slots__ = ("_backend", "_process", "_stderr", "_stdout")

    def __init__(
        self,
        owner: _Owner,
        worker_id: int,
        sock: socket.socket,
        ledger: Ledger,
        outputs: tuple[OutputPipe, OutputPipe],
    ) -> None:
        super().__init__(owner, worker_id, sock, ledger)
        self._backend = owner
        self._stdout, self._stderr = outputs
        self._process = ProcessHandle()

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
        if not self._closed:
            self._process.kill()

    def process_started(self, pid: int, pidfd: int) -> None:
        """The fork server made the process; the descriptor is the channel's from now on."""
        self._process.started(pid, pidfd)

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

    def _finish(self, exit_code: int | None, signal_name: str | None) -> None:
        if self._closed:
            return
        started, loading = self._conclude()
        self._stdout.close()
        self._stderr.close()
        self._process.close(self._loop)
        self._backend.channel_ended(self._worker_id)
        self._backend.listener.worker_exited(
            self._worker_id, WorkerExit(exit_code, signal_name, self._stderr.tail, started, self._error, loading)
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
