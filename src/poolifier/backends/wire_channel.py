"""The pool's end of a worker that is spoken to in frames, over a socket, with a ledger in shared memory.

What the worker is and how it ends is for subclasses to know; here is what all such workers are told and
say. When one has ended, `_conclude` reads its channel to the end and then takes the replies that it had
not sent from the outbox in shared memory. So every task that it finished is answered, and nothing is
reported twice: a frame of replies has a generation, and the outbox is the next one.

A worker that is stuck in C code sends nothing either. Where it is asked for what it holds back and has not sent it a
moment later, that is taken from the outbox as well: those tasks have ended, and the time of the one behind them runs.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from poolifier.backends.launch import CarriedFunction
from poolifier.backends.portions import Portions
from poolifier.backends.unpacking import unpacked
from poolifier.backends.unsent_replies import held_back, replies_held, replies_left
from poolifier.error_attributes import is_a
from poolifier.errors import SerializationError
from poolifier.exchange import Items, WireTask, WorkerReady, WorkerSettings
from poolifier.protocols import WorkerListener
from poolifier.wire import codec, messages
from poolifier.wire.flat import all_travel
from poolifier.wire.frame_lists import Frames, checked_frames
from poolifier.wire.frames import FrameDecoder, FrameError, Payload
from poolifier.wire.items import encode_items, marshalled_items
from poolifier.wire.log_records import unpack_record
from poolifier.wire.messages import WireReply
from poolifier.wire.remote_errors import decode_error
from poolifier.wire.reply_form import checked_replies
from poolifier.wire.scripts.active import active
from poolifier.wire.scripts.definitions import Definitions
from poolifier.wire.scripts.operations import Operation
from poolifier.wire.sockets import NO_SIGNAL, Socket
from poolifier.worker.ledger import ABORT, COUNT, FORM_LENGTH, LOADING, RUN_END, STARTED, Ledger

__all__ = ["Awaited", "WireChannel", "WireOwner"]

_DRAIN_LIMIT: Final = 1 << 16

_PATIENCE: Final = 10.0
"""Seconds that a frame may stand unfinished. Bytes of one follow each other in microseconds."""

_MOMENT: Final = 0.01
"""Seconds in which a worker that can do so has sent what it holds back. It takes a fraction of a millisecond."""


class WireOwner(Protocol):
    """The backend, as its channels see it.

    Attributes:
        listener: Who is told what the workers say.
        portions: What is taken in a turn of the event loop of all that they say.
        definitions: What the program's scripts define, as far as workers need it.
    """

    listener: WorkerListener
    portions: Portions
    definitions: Definitions


class Awaited(Protocol):
    """What has to be done before what stands behind it is written; `WireChannel._go_on` tells when it is.

    Attributes:
        done: It has been done.
    """

    done: bool


class WireChannel:
    """Most of a `Channel`; subclasses know how to poke the worker, how it ends, and what is to be done then."""

    __slots__ = (
        "_closed",
        "_decoder",
        "_defined",
        "_definitions",
        "_error",
        "_generation",
        "_heard_out",
        "_ledger",
        "_loop",
        "_outgoing",
        "_owner",
        "_pack",
        "_poke_again",
        "_sock",
        "_stalled",
        "_taken",
        "_times",
        "_worker_id",
    )

    def __init__(self, owner: WireOwner, worker_id: int, sock: Socket, ledger: Ledger) -> None:
        self._owner = owner
        self._worker_id = worker_id
        self._sock = sock
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._decoder = FrameDecoder()
        self._definitions = owner.definitions
        # The last definition that the worker was sent.
        self._defined = 0
        self._outgoing: deque[memoryview | Awaited] = deque()
        # What makes data ready to travel, for subclasses to replace.
        self._pack: Callable[[Any], Any] = codec.encode
        self._poke_again = False
        self._generation = 0
        # How many replies of the frame after that have been taken from the outbox.
        self._taken = 0
        self._times = (0.0, 0.0)
        self._error: BaseException | None = None
        self._closed = False
        self._heard_out = False
        self._stalled: asyncio.TimerHandle | None = None

    def begin(self, launch: bytes, settings: WorkerSettings, defined: int = 0) -> None:
        """Sends what the worker is to be. It inherits what scripts define, up to the definition of that number."""
        self._defined = defined
        self._say(messages.START, (launch, settings, self._due()))

    def send(self, tasks: Sequence[WireTask]) -> list[tuple[int, Exception]]:
        """Sends tasks, in one write. Returns those that cannot be pickled, which were not sent, with why."""
        definitions = self._definitions
        definitions.look()
        if all_travel(tasks, self._large):
            self._say_tasks(list(tasks))
            return []
        before, active.definitions = active.definitions, definitions
        try:
            return self._send(tasks)
        finally:
            active.definitions = before

    def _send(self, tasks: Sequence[WireTask]) -> list[tuple[int, Exception]]:
        """Sends tasks of which some have data that has to be pickled."""
        atoms, sized, large = codec.ATOMS, codec.SIZED, self._large
        batch: list[tuple[Any, ...]] = []
        refused: list[tuple[int, Exception]] = []
        pack = self._pack
        for task in tasks:
            kind = type(task[2])
            if kind in atoms or (kind in sized and len(task[2]) < large) or codec.is_flat(task[2]):
                batch.append(task)
                continue
            terms = None
            if len(task) == 4:
                sequence, name, data, task_id = task
            else:
                sequence, name, data, task_id, terms = task
            if type(data) is Items:
                together = marshalled_items(data)
                if together is None:
                    batch.append((sequence, name, None, task_id, None, encode_items(name, data, pack)))
                else:
                    batch.append((sequence, name, None, task_id, None, None, together))
                continue
            try:
                batch.append((sequence, name, None, task_id, terms, codec.encode_data(name, data, pack)))
            except SerializationError as error:
                refused.append((sequence, error))
        if batch:
            self._say_tasks(batch)
        return refused

    def abort(self, sequence: int) -> None:
        """Stops that task, or drops it if it has not started. Its reply tells how it went."""
        if self._closed:
            return
        self._ledger.slots[ABORT] = sequence
        self._say(messages.ABORT, sequence)
        self._poke()

    def stack_of(self, sequence: int) -> None:
        """None: the worker tells it when it hears of the abort."""

    def reclaim(self) -> None:
        """Asks for all that has not started (`RETURNED`), and for the replies that are held back."""
        self._say(messages.RECLAIM, None)
        self._poke()
        if not self._closed:
            held = held_back(self._ledger)
            if held[1] > self._taken:
                self._loop.call_later(_MOMENT, self._take_held, held)

    def credit(self, sequence: int, count: int) -> None:
        """Lets that stream yield so many items more."""
        self._say(messages.CREDIT, (sequence, count))

    def flush(self) -> None:
        """Asks for replies that are held back, if there are any."""
        slots = self._ledger.slots
        if not self._closed and (slots[COUNT] or slots[RUN_END] or slots[FORM_LENGTH]):
            self._poke()

    def stop(self) -> None:
        """Asks the worker to leave once it has finished what it was sent."""
        self._say(messages.STOP, None)

    def configure(self, settings: WorkerSettings) -> None:
        """Changes the worker's settings."""
        self._say(messages.CONFIGURE, settings)

    def add_function(self, key: str, carried: CarriedFunction) -> None:
        """Gives the worker a task function. `function_added` is the answer."""
        # In this order, for making the pickle may need more definitions.
        payload = carried.payload()
        self._say(messages.ADD_FUNCTION, (key, payload, self._due()))
        # One that is in the middle of a task loads it before all that waits behind that task.
        self._poke()

    def remove_functions(self, keys: Sequence[str]) -> None:
        """Lets the worker forget task functions."""
        self._say(messages.REMOVE_FUNCTIONS, list(keys))

    # ---- for subclasses ---------------------------------------------------------------------------

    _large: int = sys.maxsize
    """Length from which strings and bytes do not travel inline, but as `_pack` makes them."""

    def _listen(self) -> None:
        """From here on what the worker says is heard."""
        if not self._closed:
            self._loop.add_reader(self._sock.fileno(), self._readable)

    def _interrupt(self) -> None:
        """Makes the worker look at its channel, whatever it does: the poke."""
        raise NotImplementedError

    def _expect_end(self) -> None:
        """The worker has said its last word, and is to end by itself."""

    def _astray(self) -> None:
        """The worker has closed or broken its end of the channel, so it is no use any more."""
        raise NotImplementedError

    def _became_ready(self) -> None:
        """The worker says that it is ready."""

    def _say_tasks(self, batch: list[tuple[Any, ...]]) -> None:
        """Sends tasks whose data `_pack` has made ready."""
        self._say(messages.TASKS, self._with_definitions(batch))

    def _with_definitions(self, batch: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Puts ahead of tasks what they need of the program's scripts, if the worker has not got it."""
        if self._defined != self._definitions.log.last:
            # In the place of a task, so that those before it find things as they were.
            batch.insert(0, (0, "", (None, None, self._due())))
        return batch

    def _due(self) -> list[Operation]:
        self._definitions.offer_all()
        due = self._definitions.since(self._defined)
        self._defined = self._definitions.last
        return due

    def _deliver(self, replies: list[WireReply], pickles: bool, active: float, idle: float) -> None:
        """Hands replies on, some of which have something to be unpacked if `pickles`."""
        self._times = (active, idle)
        delivered: Sequence[Any] = [unpacked(reply) for reply in replies] if pickles else replies
        self._owner.listener.replies(self._worker_id, delivered, active, idle)

    def _stood(self, sequence: int, frames: Frames) -> None:
        """The worker has told where a task stands."""
        self._owner.listener.task_stood(self._worker_id, sequence, frames)

    def _hear_out(self) -> None:
        """Takes the worker's last words. What it says after that, though it has been given up, is not heard."""
        try:
            self._take_what_is_left()
        except Exception as error:  # noqa: BLE001 - a listener's fault must not keep it from hearing of the end
            self._loop.call_exception_handler({"message": "a worker's last replies were not taken", "exception": error})
        # Replies that stood in the outbox would be taken a second time.
        self._heard_out = True
        self._loop.remove_reader(self._sock.fileno())

    def _close(self) -> tuple[int, bool]:
        """Closes the channel; returns the started mark and the mark of loading."""
        slots = self._ledger.slots
        marks = slots[STARTED], bool(slots[LOADING])
        self._closed = True
        if self._stalled is not None:
            self._stalled.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._outgoing.clear()
        self._ledger.close()
        return marks

    # ---- inside -----------------------------------------------------------------------------------

    def _say(self, opcode: int, body: Any) -> None:
        if self._closed:
            return
        frame = memoryview(messages.message(opcode, body))
        if self._outgoing:
            self._outgoing.append(frame)
            return
        try:
            sent = self._sock.send(frame, NO_SIGNAL)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the worker is gone, and its end is on its way
        if sent < len(frame):
            self._outgoing.append(frame[sent:])
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _go_on(self) -> None:
        """What the writing waits for has been done."""
        if not self._closed:
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _writable(self) -> None:
        outgoing = self._outgoing
        try:
            while outgoing:
                head = outgoing[0]
                if not isinstance(head, memoryview):
                    if not head.done:
                        self._loop.remove_writer(self._sock.fileno())
                        break
                    outgoing.popleft()
                    continue
                sent = self._sock.send(head, NO_SIGNAL)
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
            self._interrupt()
        if not outgoing:
            self._poke_again = False
            self._loop.remove_writer(self._sock.fileno())

    def _poke(self) -> None:
        if self._closed:
            return
        self._poke_again = bool(self._outgoing)
        self._interrupt()

    def _readable(self) -> None:
        portions = self._owner.portions
        if not portions.free(self._readable):
            return
        before = self._decoder.received
        self._take()
        portions.took(self._decoder.received - before)

    def _take(self) -> None:
        if self._read() and self._decoder.more:
            self._read()

    def _read(self) -> bool:
        """Reads once; returns whether there may be more."""
        if self._closed or self._heard_out or self.garbled is not None:
            return False
        try:
            payloads = self._decoder.read(self._sock, self._owner.portions.buffer)
        except BlockingIOError:
            return False
        except FrameError as error:
            self._give_up(error)
            return False
        except OSError:
            payloads = None
        if payloads is None:
            self._loop.remove_reader(self._sock.fileno())
            self._astray()
            return False
        for payload in payloads:
            try:
                self._receive(payload)
            except Exception as error:  # noqa: BLE001 - whatever it says, it ends this worker and no other
                self._give_up(error)
                return False
        if self._stalled is None and self._decoder.unfinished and not self._closed:
            self._stalled = self._loop.call_later(_PATIENCE, self._check_progress, self._decoder.received)
        return True

    def _give_up(self, error: Exception) -> None:
        """The worker says what cannot be understood: it is not heard any more, and ends."""
        if not is_a(error, FrameError):
            understood = FrameError(f"what it said makes no sense: {codec.describe(error)}")
            understood.__cause__ = error
            error = understood
        if self._closed:
            return
        if self._error is None:
            self._error = error
        self._loop.remove_reader(self._sock.fileno())
        self._astray()

    def _check_progress(self, received: int) -> None:
        """Ends a worker that has begun a frame and does not go on with it."""
        self._stalled = None
        if self._closed or self._heard_out or self.garbled is not None:
            return
        # Some of it may have arrived and not been read, where this loop was busy.
        self._take()
        if self._closed or self.garbled is not None or not self._decoder.unfinished:
            return
        if self._decoder.received == received:
            self._give_up(FrameError(f"a frame stands unfinished for {_PATIENCE:.0f} seconds"))
        elif self._stalled is None:
            self._stalled = self._loop.call_later(_PATIENCE, self._check_progress, self._decoder.received)

    @property
    def garbled(self) -> FrameError | None:
        """Why the worker is not heard any more, or None."""
        error = self._error
        return error if error is not None and is_a(error, FrameError) else None

    @property
    def _reason(self) -> str:
        """`WorkerExit.reason`, as far as it is the channel's."""
        return "" if self.garbled is None else f"was ended because its connection was garbled: {self.garbled}"

    def _receive(self, payload: Payload) -> None:
        if payload and payload[0] == messages.REPLIES_TAG:
            generation, active, idle, pickles, replies = messages.read_replies(payload)
            taken = self._advance(generation)
            self._deliver(replies[taken:] if taken else replies, pickles, active, idle)
            return
        opcode, body = messages.read(payload)
        if opcode == messages.BULK:
            generation, active, idle, replies = body
            replies = checked_replies(replies, active, idle)
            self._advance(generation)
            self._deliver(replies, True, active, idle)
        elif opcode == messages.READY and isinstance(body, WorkerReady):
            self._became_ready()
            self._owner.listener.worker_ready(self._worker_id, body)
        elif opcode == messages.START_FAILED:
            self._error = decode_error(body)
            self._expect_end()
        elif opcode == messages.FUNCTION_ADDED:
            key, failure = body
            error = None if failure is None else decode_error(failure)
            self._owner.listener.function_added(self._worker_id, key, error)
        elif opcode == messages.MESSAGE:
            try:
                said = codec.decode(body)
            except BaseException as error:  # noqa: BLE001 - whoever listens is told instead
                said = SerializationError(f"a message cannot be unpickled: {codec.describe(error)}")
            self._owner.listener.worker_message(self._worker_id, said)
        elif opcode == messages.STOOD:
            self._stood(*checked_frames(body))
        elif opcode == messages.LOG:
            self._owner.listener.worker_logged(self._worker_id, unpack_record(body))
        else:
            raise FrameError(f"a worker said {opcode!r}")

    def _advance(self, generation: int) -> int:
        """Counts a frame of replies; returns how many of its first have been taken from the outbox before."""
        if generation != self._generation + 1:
            raise FrameError(f"expected replies number {self._generation + 1}, got number {generation}")
        self._generation = generation
        taken, self._taken = self._taken, 0
        return taken

    def _take_held(self, held: tuple[int, int]) -> None:
        """Takes the replies that stood in the outbox a moment ago, and still do."""
        if self._closed or self._heard_out or self.garbled is not None:
            return
        replies = replies_held(self._ledger, self._generation, held)[self._taken :]
        if replies:
            self._taken += len(replies)
            self._deliver(replies, True, *self._times)

    def _take_what_is_left(self) -> None:
        for _ in range(_DRAIN_LIMIT):
            if not self._read():
                break
        replies = replies_left(self._ledger, self._generation)[self._taken :]
        if replies:
            self._deliver(replies, True, *self._times)
