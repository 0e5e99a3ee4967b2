"""The pool's end of one worker process: what it is sent, what it says, and how it ends.

A worker has ended when the fork server says so. Then, in this order: its channel is read to the end,
the replies that it had not sent are taken from the outbox in shared memory, its output is passed on,
and its end is reported with the ledger's started mark. So every task that it finished is answered,
and nothing is reported twice: a frame of replies has a generation, and the outbox is the next one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Protocol

from poolifier.backends.process.buffers import Buffers, Delivery
from poolifier.backends.process.copier import Copier, Job
from poolifier.backends.process.output import OutputPipe
from poolifier.backends.process.process_handle import ProcessHandle, resident_memory
from poolifier.errors import SerializationError
from poolifier.exchange import (
    BAD_ITEM,
    DONE,
    FAILED,
    ITEM,
    MAP_FAILED,
    MAPPED,
    Items,
    Reply,
    WireTask,
    WorkerExit,
    WorkerReady,
    WorkerSettings,
)
from poolifier.protocols import WorkerListener
from poolifier.wire import codec, messages
from poolifier.wire.frames import FrameDecoder, FrameError, Payload
from poolifier.wire.items import encode_items
from poolifier.wire.messages import WireReply
from poolifier.wire.remote_errors import decode_error
from poolifier.worker.ledger import ABORT, COUNT, GENERATION, LENGTH, LOADING, STARTED, Ledger
from poolifier.worker.outbox import REPLIES_START
from poolifier.worker.session import POKE

__all__ = ["ProcessChannel"]

_READS_PER_TURN: Final = 4
"""Reads of one worker before the event loop gets its turn."""

_DRAIN_LIMIT: Final = 1 << 16


class _Owner(Protocol):
    listener: WorkerListener
    buffer: memoryview
    copier: Copier

    def channel_ended(self, worker_id: int) -> None: ...


class ProcessChannel:
    """A `Channel` to a worker process."""

    __slots__ = (
        "_buffers",
        "_closed",
        "_decoder",
        "_ending",
        "_error",
        "_generation",
        "_ledger",
        "_loop",
        "_outgoing",
        "_owner",
        "_poke_again",
        "_process",
        "_sock",
        "_stderr",
        "_stdout",
        "_times",
        "_worker_id",
    )

    def __init__(
        self,
        owner: _Owner,
        worker_id: int,
        sock: socket.socket,
        ledger: Ledger,
        outputs: tuple[OutputPipe, OutputPipe],
        beside: socket.socket,
    ) -> None:
        self._owner = owner
        self._worker_id = worker_id
        self._sock = sock
        self._ledger = ledger
        self._stdout, self._stderr = outputs
        self._loop = asyncio.get_running_loop()
        self._process = ProcessHandle()
        self._decoder = FrameDecoder()
        self._outgoing: deque[memoryview | Job] = deque()
        self._buffers = Buffers(self._loop, owner.copier, beside, lambda: self._say(messages.TRIM, None), self._hand_on)
        self._ending: tuple[int | None, str | None] | None = None
        self._poke_again = False
        self._generation = 0
        self._times = (0.0, 0.0)
        self._error: BaseException | None = None
        self._closed = False
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def pid(self) -> int | None:
        """The worker's process once known, or None."""
        return self._process.pid

    @property
    def memory(self) -> int | None:
        """Bytes that the worker keeps resident, or None where that cannot be told."""
        return resident_memory(self.pid)

    def begin(self, launch: bytes, settings: WorkerSettings) -> None:
        """Sends what the worker is to be."""
        self._say(messages.START, (launch, settings))

    def send(self, tasks: Sequence[WireTask]) -> list[tuple[int, Exception]]:
        """Sends tasks, in one write. Returns those that cannot be pickled, which were not sent, with why."""
        atoms, sized = codec.ATOMS, codec.SIZED
        batch: list[tuple[Any, ...]] = []
        refused: list[tuple[int, Exception]] = []
        inline: set[int] = set()
        pack = self._buffers.pack
        for task in tasks:
            kind = type(task[2])
            if kind in atoms or (kind in sized and len(task[2]) < codec.LARGE):
                batch.append(task)
                continue
            if codec.is_flat(task[2]) and id(task[2]) not in inline:
                # One pickle for the batch, so two tasks that were given this very object would share it.
                inline.add(id(task[2]))
                batch.append(task)
                continue
            terms = None
            if len(task) == 4:
                sequence, name, data, task_id = task
            else:
                sequence, name, data, task_id, terms = task
            if type(data) is Items:
                batch.append((sequence, name, None, task_id, None, encode_items(name, data, pack)))
                continue
            try:
                batch.append((sequence, name, None, task_id, terms, codec.encode_data(name, data, pack)))
            except SerializationError as error:
                refused.append((sequence, error))
        if self._buffers.sent:
            job = self._buffers.seal(self._go_on)
            if job is not None and not self._closed:
                self._outgoing.append(job)
            self._say(messages.PARCELS, batch)
        elif batch:
            self._say(messages.TASKS, batch)
        return refused

    def abort(self, sequence: int) -> None:
        """Stops that task, or drops it if it has not started. Its reply tells how it went."""
        if self._closed:
            return
        self._ledger.slots[ABORT] = sequence
        self._say(messages.ABORT, sequence)
        self._poke()

    def reclaim(self) -> None:
        """Asks for all that has not started (`RETURNED`), and for the replies that are held back."""
        self._say(messages.RECLAIM, None)
        self._poke()

    def credit(self, sequence: int, count: int) -> None:
        """Lets that stream yield so many items more."""
        self._say(messages.CREDIT, (sequence, count))

    def flush(self) -> None:
        """Asks for replies that are held back, if there are any."""
        if not self._closed and self._ledger.slots[COUNT]:
            self._poke()

    def stop(self) -> None:
        """Asks the worker to leave once it has finished what it was sent."""
        self._say(messages.STOP, None)

    def kill(self) -> None:
        """Ends the worker now, or as soon as it exists."""
        if not self._closed:
            self._process.kill()

    def configure(self, settings: WorkerSettings) -> None:
        """Changes the worker's settings."""
        self._say(messages.CONFIGURE, settings)

    def add_function(self, key: str, carried: bytes) -> None:
        """Gives the worker a task function. `function_added` is the answer."""
        self._say(messages.ADD_FUNCTION, (key, carried))
        # One that is in the middle of a task loads it before all that waits behind that task.
        self._poke()

    def remove_functions(self, keys: Sequence[str]) -> None:
        """Lets the worker forget task functions."""
        self._say(messages.REMOVE_FUNCTIONS, list(keys))

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

    def _say(self, opcode: int, body: Any) -> None:
        if self._closed:
            return
        frame = memoryview(messages.message(opcode, body))
        if self._outgoing:
            self._outgoing.append(frame)
            return
        try:
            sent = self._sock.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the worker is gone, and its end is on its way
        if sent < len(frame):
            self._outgoing.append(frame[sent:])
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _go_on(self) -> None:
        """What the writing waits for has been copied."""
        if not self._closed:
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _writable(self) -> None:
        outgoing = self._outgoing
        try:
            while outgoing:
                head = outgoing[0]
                if isinstance(head, Job):
                    if not head.done:
                        self._loop.remove_writer(self._sock.fileno())
                        break
                    outgoing.popleft()
                    continue
                sent = self._sock.send(head)
                if sent < len(head):
                    outgoing[0] = head[sent:]
                    break
                outgoing.popleft()
        except BlockingIOError:
            pass
        except OSError:
            outgoing.clear()
        if self._poke_again:
            # A worker in the middle of a task reads only when poked, and what it was poked for is
            # behind what it has yet to read.
            self._process.signal(POKE)
        if not outgoing:
            self._poke_again = False
            self._loop.remove_writer(self._sock.fileno())

    def _poke(self) -> None:
        if self._closed:
            return
        self._poke_again = bool(self._outgoing)
        self._process.signal(POKE)

    def _readable(self) -> None:
        for _ in range(_READS_PER_TURN):
            if not self._read() or not self._decoder.more:
                return

    def _read(self) -> bool:
        """Reads once; returns whether there may be more."""
        if self._closed:
            return False
        try:
            payloads = self._decoder.read(self._sock, self._owner.buffer)
            if payloads is not None:
                for payload in payloads:
                    self._receive(payload)
                return True
        except BlockingIOError:
            return False
        except FrameError as error:
            self._error = self._error or error
        except OSError:
            pass
        # Whatever closed or broke its end of the channel is no use as a worker.
        self._loop.remove_reader(self._sock.fileno())
        self._process.kill()
        return False

    def _receive(self, payload: Payload) -> None:
        if payload and payload[0] == messages.REPLIES_TAG:
            generation, active, idle, pickles, replies = messages.read_replies(payload)
            self._generation = generation
            self._deliver(replies, pickles, active, idle)
            return
        opcode, body = messages.read(payload)
        if opcode == messages.BULK:
            replies, active, idle = body
            self._deliver(replies, True, active, idle)
        elif opcode == messages.READY and isinstance(body, WorkerReady):
            self._owner.listener.worker_ready(self._worker_id, body)
        elif opcode == messages.START_FAILED:
            self._error = decode_error(body)
        elif opcode == messages.FUNCTION_ADDED:
            key, failure = body
            error = None if failure is None else decode_error(failure)
            self._owner.listener.function_added(self._worker_id, key, error)
        elif opcode == messages.MESSAGE:
            try:
                said = codec.decode(body)
            except Exception as error:  # noqa: BLE001 - whoever listens is told instead
                said = SerializationError(f"a message cannot be unpickled: {codec.describe(error)}")
            self._owner.listener.worker_message(self._worker_id, said)
        else:
            raise FrameError(f"a worker said {opcode!r}")

    def _deliver(self, replies: list[WireReply], pickles: bool, active: float, idle: float) -> None:
        self._times = (active, idle)
        if pickles or self._buffers.waiting:
            self._buffers.receive(replies, self._times, _unpacked)
        else:
            self._owner.listener.replies(self._worker_id, replies, active, idle)

    def _hand_on(self, delivery: Delivery) -> None:
        self._owner.listener.replies(self._worker_id, delivery.replies, *delivery.times)
        if self._ending is not None and not self._buffers.waiting:
            self._loop.call_soon(self._finish, *self._ending)

    def _finish(self, exit_code: int | None, signal_name: str | None) -> None:
        if self._closed:
            return
        if self._ending is None:
            self._ending = (exit_code, signal_name)
            try:
                self._take_what_is_left()
            except Exception as error:  # noqa: BLE001 - a listener's fault must not keep it from hearing of the end
                self._loop.call_exception_handler(
                    {"message": "a worker's last replies were not taken", "exception": error}
                )
        if self._buffers.waiting:
            return  # its last words are being copied
        started = self._ledger.slots[STARTED]
        loading = bool(self._ledger.slots[LOADING])
        self._stdout.close()
        self._stderr.close()
        self._release()
        self._owner.channel_ended(self._worker_id)
        self._owner.listener.worker_exited(
            self._worker_id, WorkerExit(exit_code, signal_name, self._stderr.tail, started, self._error, loading)
        )

    def _take_what_is_left(self) -> None:
        for _ in range(_DRAIN_LIMIT):
            if not self._read():
                break
        slots = self._ledger.slots
        if slots[COUNT] and slots[GENERATION] > self._generation:
            self._take_outbox(slots[COUNT], slots[LENGTH])

    def _take_outbox(self, count: int, length: int) -> None:
        data = bytes(self._ledger.outbox[REPLIES_START:length])
        try:
            replies = messages.marshalled_replies(count, data)
        except (ValueError, EOFError, TypeError):
            return  # a task's code wrote where it should not; its worker's tasks count as started
        self._deliver(replies, True, *self._times)

    def _release(self) -> None:
        self._closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._outgoing.clear()
        self._buffers.close()
        self._ledger.close()
        self._process.close(self._loop)


_UNREADABLE: Final = {
    DONE: ("the result", FAILED),
    ITEM: ("an item", BAD_ITEM),
    MAPPED: ("the result", MAP_FAILED),
}


def _unpacked(reply: WireReply) -> Reply:
    if len(reply) == 4:
        return reply
    sequence, status, _, run_time, payload = reply
    if status in (FAILED, MAP_FAILED):
        return (sequence, status, decode_error(payload), run_time)
    try:
        return (sequence, status, codec.decode(payload), run_time)
    except BaseException as error:  # noqa: BLE001 - a result's own code ran, and it must not end the pool's loop
        what, status = _UNREADABLE[status]
        failure = SerializationError(f"{what} of the task cannot be unpickled: {codec.describe(error)}")
        failure.__cause__ = error
        return (sequence, status, failure, run_time)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
