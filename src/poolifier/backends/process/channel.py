"""The pool's end of one worker process: how it is poked and ended, and how its end is found out.

A worker has ended when the fork server says so. Then, in this order: its channel is read to the end
(see `wire_channel`), what is still to be copied out of shared memory is copied, its output is passed
on, and its end is reported with the ledger's started mark.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from poolifier.backends.buffered_channel import BufferedChannel, BufferedOwner
from poolifier.backends.process.child import INHERITED
from poolifier.backends.process.memory_kills import Before, memory_kills
from poolifier.backends.process.output import OutputPipe
from poolifier.backends.process.process_handle import ProcessHandle
from poolifier.exchange import WorkerExit
from poolifier.wire.frame_lists import Frames, frames_in_dump
from poolifier.wire.sockets import Socket
from poolifier.worker.ledger import DUMP_END, DUMP_START, DUMPS, ENDING, Ledger
from poolifier.worker.memory import resident_memory
from poolifier.worker.session import POKE
from poolifier.worker.standing import DUMP_SIGNAL

__all__ = ["ProcessChannel"]


_PATIENCE: Final = 1.0

_SOON: Final = 0.015
"""Seconds in which a worker hears of an abort, or is taken to be in C code."""
_BETWEEN_LOOKS: Final = 0.005
"""Seconds between looks at what it writes then. Each line takes microseconds, unless others have the CPU."""


class _Owner(BufferedOwner, Protocol):
    leave_timeout: float

    def channel_ended(self, worker_id: int) -> None: ...


class ProcessChannel(BufferedChannel):
    """A `Channel` to a worker process."""

    __slots__ = (
        "_asked",
        "_backend",
        "_killed",
        "_kills",
        "_leaving",
        "_lost",
        "_out_of_memory",
        "_patience",
        "_process",
        "_stderr",
        "_stdout",
    )

    def __init__(
        self,
        owner: _Owner,
        worker_id: int,
        sock: Socket,
        ledger: Ledger,
        outputs: tuple[OutputPipe, OutputPipe],
        beside: Socket,
    ) -> None:
        super().__init__(owner, worker_id, sock, ledger, beside)
        self._backend = owner
        self._stdout, self._stderr = outputs
        self._process = ProcessHandle()
        self._patience: asyncio.TimerHandle | None = None
        # Tasks whose time is up, and of which the worker has not said where they stand.
        self._asked: set[int] = set()
        self._kills: Before | None = None
        self._out_of_memory = False
        # By its pool: where its end of the channel is gone it is killed, too, but as a rule it is dead by then.
        self._killed = False
        self._leaving: asyncio.TimerHandle | None = None
        self._lost = ("", "")

    @property
    def pid(self) -> int | None:
        """The worker's process once known, also when it has ended, or None."""
        return self._process.pid

    @property
    def memory(self) -> int | None:
        """Bytes that the worker keeps resident, or None where that cannot be told."""
        return None if self._closed else resident_memory(self.pid)

    @property
    def is_ending(self) -> bool:
        """Whether the worker has finished, and waits for what its tasks have left at work."""
        return not self._closed and bool(self._ledger.slots[ENDING])

    def give(self, descriptors: Sequence[int]) -> None:
        """Passes what the worker inherits."""
        for index, fd in enumerate(descriptors):
            self._buffers.give(INHERITED + index, fd)

    def stop(self) -> None:
        """Asks the worker to leave once it has finished what it was sent, and ends it where that takes too long."""
        super().stop()
        self._expect_end()

    def kill(self) -> None:
        """Ends the worker now, or as soon as it exists."""
        if self._closed:
            return
        self._killed = True
        self._process.kill()
        if self.pid is None and self._patience is None:
            # The fork server may be stuck in a module that it was to load.
            self._patience = self._loop.call_later(_PATIENCE, self._stillborn)

    def _stillborn(self) -> None:
        """There is no process that could be ended; should there be one yet, the backend ends it."""
        if self.pid is None:
            self._finish(None, "SIGKILL")

    def stack_of(self, sequence: int) -> None:
        """None: the worker tells it when it hears of the abort. Where it is stuck in C code, it is made to."""
        super().stack_of(sequence)
        self._asked.add(sequence)
        self._loop.call_later(_SOON, self._ask_again, sequence)

    def _stood(self, sequence: int, frames: Frames) -> None:
        self._asked.discard(sequence)
        super()._stood(sequence, frames)

    def _ask_again(self, sequence: int) -> None:
        """The worker has not heard of the abort: its thread has no time for Python code, so a C one is to tell."""
        if self._closed or sequence not in self._asked:
            return
        number = self._ledger.slots[DUMPS]
        if number == DUMP_SIGNAL and number:
            self._ledger.memory[DUMP_START:DUMP_END] = bytes(DUMP_END - DUMP_START)
            self._process.signal(number)
            self._read_dump(sequence, b"")

    def _read_dump(self, sequence: int, before: bytes) -> None:
        """Looks again and again, until there is something and nothing has been added since the last look."""
        if self._closed or sequence not in self._asked:
            return
        dump = self._ledger.memory[DUMP_START:DUMP_END].replace(b"\0", b"")
        if dump and dump == before:
            self._stood(sequence, frames_in_dump(dump.decode(errors="replace")))
        else:
            self._loop.call_later(_BETWEEN_LOOKS, self._read_dump, sequence, dump)

    def process_started(self, pid: int, pidfd: int) -> None:
        """The fork server made the process; the descriptor is the channel's from now on."""
        self._process.started(pid, pidfd)
        self._became_ready()
        # Not before, so that nobody hears of a worker whose process is not known.
        self._listen()

    def process_ended(self, status: int, groups: str) -> None:
        """The process has ended with this wait status, in these control groups."""
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL and not self._killed and self._kills is not None:
            self._out_of_memory = memory_kills.explain(self._kills, groups)
        self._finish(code, None) if code >= 0 else self._finish(None, _signal_name(-code))

    def process_refused(self, error: BaseException) -> None:
        """There will be no process."""
        if self._error is None:
            self._error = error
        self._finish(None, None)

    def process_lost(self, how: str, stderr: str = "") -> None:
        """The fork server is gone, so this worker goes too, and its end is seen by its pidfd.

        How the server ended is told in place of how this worker did, of which nobody knows any more.
        """
        self._lost = (f"was ended because the pool's fork server {how}", stderr)
        self._process.kill()
        self._process.when_ended(self._loop, lambda: self._finish(None, None))

    @property
    def _reason(self) -> str:
        return super()._reason or self._lost[0]

    def _became_ready(self) -> None:
        # Looked at when it is made, and again once its initializer may have moved it to another control group.
        if self.pid is not None:
            self._kills = memory_kills.before(memory_kills.groups(self.pid))

    def _expect_end(self) -> None:
        if self._leaving is None and not self._closed:
            # It has nothing more to do, but what its tasks have left at work it waits for: threads, and processes.
            self._leaving = self._loop.call_later(self._backend.leave_timeout, self.kill)

    def _interrupt(self) -> None:
        self._process.signal(POKE)

    def _astray(self) -> None:
        self._process.kill()

    def _finish(self, exit_code: int | None, signal_name: str | None) -> None:
        self._conclude(partial(self._report, exit_code, signal_name))

    def _report(self, exit_code: int | None, signal_name: str | None, started: int, loading: bool) -> None:
        for timer in (self._patience, self._leaving):
            if timer is not None:
                timer.cancel()
        self._stdout.close()
        self._stderr.close()
        self._process.close(self._loop)
        self._backend.channel_ended(self._worker_id)
        self._backend.listener.worker_exited(
            self._worker_id,
            WorkerExit(
                exit_code,
                signal_name,
                self._stderr.tail or self._lost[1],
                started,
                self._error,
                loading,
                reason=self._reason,
                pid=self.pid,
                out_of_memory=self._out_of_memory,
            ),
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
