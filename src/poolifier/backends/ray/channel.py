"""The pool's end of one Ray actor: what it is sent, what it says, and how it ends.

Everything that is said in a turn of the event loop travels in one call of the actor, and one call is always
under way, for the actor to answer (see `actor`). A call that fails says that the actor is gone, or that it
cannot be reached: then it is ended for good, for two workers must not run the same tasks.

There is no memory to share with an actor, so nobody can tell what it had started when it ended. What it
was sent, and did not answer, may have started; what it handed back, or was not sent, has not.

A result that is in Ray's object store is reported once it has been fetched, and what its task says after it
(a stream, a map) waits for that. So a worker is not done with a task whose result could still be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Protocol

import ray

from poolifier.backends.launch import CarriedFunction
from poolifier.backends.ray.actor import ADDED, CALLS, LEFT, READY
from poolifier.backends.ray.arrivals import Arrivals, tell
from poolifier.backends.ray.connection import LOST, connection_id
from poolifier.backends.ray.parcels import Carried, carry, carry_item, data_of, is_light
from poolifier.backends.ray.reasons import reason_of
from poolifier.backends.ray.worker import LOGGED, STOOD
from poolifier.backends.thread.worker import MESSAGE
from poolifier.errors import SerializationError
from poolifier.exchange import Items, Reply, WireTask, WorkerExit, WorkerSettings
from poolifier.protocols import WorkerListener
from poolifier.wire import codec, messages
from poolifier.wire.frames import HEADER, FrameError
from poolifier.wire.log_records import unpack_record
from poolifier.wire.remote_errors import decode_error
from poolifier.wire.scripts.active import active
from poolifier.wire.scripts.definitions import Definitions

__all__ = ["RayChannel"]

_PATIENCE: Final = 5.0
"""Seconds after which an actor that was killed counts as gone, though nothing was heard of its end."""


class _Owner(Protocol):
    listener: WorkerListener
    definitions: Definitions

    def channel_ended(self, worker_id: int) -> None: ...


class RayChannel:
    """A `Channel` to a Ray actor."""

    __slots__ = (
        "_actor",
        "_adding",
        "_arrivals",
        "_calls",
        "_closed",
        "_connection",
        "_defined",
        "_definitions",
        "_due",
        "_early",
        "_error",
        "_exchange",
        "_inline",
        "_left",
        "_loop",
        "_memory",
        "_number",
        "_outgoing",
        "_owner",
        "_patience",
        "_pid",
        "_placed",
        "_reason",
        "_received",
        "_refs",
        "_sequence",
        "_times",
        "_worker_id",
    )

    def __init__(self, owner: _Owner, worker_id: int, actor: Any, connection: str, defined: int) -> None:
        self._owner = owner
        self._worker_id = worker_id
        self._definitions = owner.definitions
        # The last definition that the worker was sent.
        self._defined = defined
        self._actor: Any = actor
        self._exchange: Any = actor.exchange
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._outgoing: list[tuple[int, Any]] = []
        self._refs: list[Any] = []
        self._inline: set[int] = set()
        self._due = False
        self._number = 0
        self._calls = 0
        self._received = 0
        self._early: dict[int, tuple[Any, ...]] = {}
        self._arrivals = Arrivals(self._deliver, self._lost)
        self._times = (0.0, 0.0)
        self._placed = 0
        self._sequence = 0
        self._adding: set[str] = set()
        self._pid: int | None = None
        self._memory: int | None = None
        self._left = False
        self._error: BaseException | None = None
        self._reason = ""
        self._patience: asyncio.TimerHandle | None = None
        self._closed = False
        self._call_soon()

    @property
    def pid(self) -> int | None:
        """The actor's process on its own machine, once known, or None."""
        return self._pid

    @property
    def memory(self) -> int | None:
        """Bytes that the actor's process kept resident when it last said something, or None before."""
        return self._memory

    def send(self, tasks: Sequence[WireTask]) -> list[tuple[int, Exception]]:
        """Sends tasks, in one call. Returns those that cannot be pickled, which were not sent, with why."""
        batch: list[tuple[Any, ...]] = []
        refused: list[tuple[int, Exception]] = []
        # Before anything is put into the object store, for that would make a connection.
        if self._closed or not self.check_connection():
            return refused
        definitions = self._definitions
        definitions.look()
        before, active.definitions = active.definitions, definitions
        try:
            self._prepare(tasks, batch, refused)
        finally:
            active.definitions = before
        if batch:
            self._define()
            self._say(messages.TASKS, batch)
        return refused

    def _prepare(
        self, tasks: Sequence[WireTask], batch: list[tuple[Any, ...]], refused: list[tuple[int, Exception]]
    ) -> None:
        inline = self._inline
        for task in tasks:
            sequence, key, data, task_id = task[:4]
            terms = task[4] if len(task) > 4 else None
            carried: Carried | list[Any] | None = None
            if type(data) is Items:
                carried = [carry_item(item, self._refs, data_of(key)) for item in data]
            elif not is_light(data) or (type(data) not in codec.IMMUTABLE and id(data) in inline):
                try:
                    carried = carry(data, self._refs, data_of(key), resolve=True)
                except SerializationError as error:
                    refused.append((sequence, error))
                    continue
            else:
                # One pickle for the batch, so two tasks that were given this very object would share it.
                inline.add(id(data))
            self._placed = sequence
            batch.append((sequence, key, None if carried is not None else data, task_id, terms, carried))

    def _define(self) -> None:
        """Sends what is behind this in the same call needs of the program's scripts."""
        if self._defined != self._definitions.last:
            self._definitions.offer_all()
            self._say(messages.DEFINE, self._definitions.since(self._defined))
            self._defined = self._definitions.last

    def abort(self, sequence: int) -> None:
        """Stops that task, or drops it if it has not started. Its reply tells how it went."""
        self._say(messages.ABORT, sequence)

    def stack_of(self, sequence: int) -> None:
        """None: the actor tells it when it hears of the abort."""

    def reclaim(self) -> None:
        """Asks for all that has not started (`RETURNED`), and for the replies that are held back."""
        self._say(messages.RECLAIM, None)

    def credit(self, sequence: int, count: int) -> None:
        """Lets that stream yield so many items more."""
        self._say(messages.CREDIT, (sequence, count))

    def flush(self) -> None:
        """Asks for replies that are held back: any call takes them along."""
        self._say(messages.FLUSH, None)

    def stop(self) -> None:
        """Asks the worker to leave once it has finished what it was sent."""
        self._say(messages.STOP, None)

    def kill(self) -> None:
        """Ends the actor now, or as soon as it exists."""
        if self._closed:
            return
        if connection_id() != self._connection:
            # And the actor with it.
            self._lose(f"was lost: {LOST}")
            return
        # Raised where the connection goes in this very moment.
        with contextlib.suppress(Exception):
            ray.kill(self._actor, no_restart=True)
        if self._patience is None:
            self._patience = self._loop.call_later(_PATIENCE, self._finish)

    def configure(self, settings: WorkerSettings) -> None:
        """Changes the worker's settings."""
        self._say(messages.CONFIGURE, settings)

    def add_function(self, key: str, carried: CarriedFunction) -> None:
        """Gives the worker a task function. `function_added` is the answer."""
        self._adding.add(key)
        payload = carried.payload()
        self._define()
        self._say(messages.ADD_FUNCTION, (key, payload))

    def remove_functions(self, keys: Sequence[str]) -> None:
        """Lets the worker forget task functions."""
        self._say(messages.REMOVE_FUNCTIONS, list(keys))

    # ---- calls ------------------------------------------------------------------------------------

    def _say(self, opcode: int, body: Any) -> None:
        if not self._closed:
            self._outgoing.append((opcode, body))
            self._call_soon()

    def _call_soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._call)

    def _call(self) -> None:
        """Calls the actor, unless there is nothing to say and it can answer, or it has enough calls to answer."""
        self._due = False
        if self._closed or self._calls >= (CALLS if self._outgoing else 1) or not self.check_connection():
            return
        said = pickle.dumps(self._outgoing, 5) if self._outgoing else b""
        refs = self._refs
        self._outgoing = []
        self._refs = []
        self._inline.clear()
        self._number += 1
        # From here on they may start.
        self._sequence = self._placed
        try:
            answer = (
                self._exchange.remote(self._number, said, refs) if refs else self._exchange.remote(self._number, said)
            )
            answer.future().add_done_callback(partial(tell, self._loop, self._answered))
        except Exception as error:  # noqa: BLE001 - the connection to the cluster has gone, whatever Ray says
            self._lost(error)
            return
        self._calls += 1

    def _answered(self, answer: Any) -> None:
        self._calls -= 1
        if self._closed:
            return
        error = answer.exception()
        if error is not None:
            self._lost(error)
            return
        # First, for whatever comes of what it says, a call has to be under way.
        self._call_soon()
        answered = answer.result()
        if answered:
            said, refs = answered if type(answered) is tuple else (answered, ())
            batch: tuple[Any, ...] | None = (*pickle.loads(said), refs)
            assert batch is not None
            self._early[batch[0]] = batch
            while (batch := self._early.pop(self._received + 1, None)) is not None and not self._closed:
                self._received += 1
                self._hear(batch)

    def _hear(self, batch: tuple[Any, ...]) -> None:
        _, active, idle, self._memory, special, words, refs = batch
        self._times = (active, idle)
        if not special and not self._arrivals:
            self._owner.listener.replies(self._worker_id, words, active, idle)
            return
        replies: list[Reply] = []
        for word in words:
            status = word[1]
            if status >= 0:
                try:
                    reply = self._arrivals.take(word, refs)
                except Exception as error:  # noqa: BLE001 - what is to be fetched cannot be: likewise
                    self._lost(error)
                    return
                if reply is not None:
                    replies.append(reply)
                continue
            # In the order in which it was said.
            self._deliver(replies)
            replies = []
            self._hear_word(status, word[2])
        self._deliver(replies)

    def _deliver(self, replies: list[Reply]) -> None:
        if replies and not self._closed:
            self._owner.listener.replies(self._worker_id, replies, *self._times)
        if self._left and not self._arrivals:
            # Nothing of it is of use any more.
            self.kill()

    def _hear_word(self, status: int, value: Any) -> None:
        listener = self._owner.listener
        if status == MESSAGE:
            try:
                said = codec.decode(value)
            except BaseException as error:  # noqa: BLE001 - whoever listens is told instead
                said = SerializationError(f"a message cannot be unpickled: {codec.describe(error)}")
            listener.worker_message(self._worker_id, said)
        elif status == STOOD:
            listener.task_stood(self._worker_id, *value)
        elif status == LOGGED:
            self._hear_record(value)
        elif status == READY:
            ready = pickle.loads(value)
            self._pid = ready.pid
            listener.worker_ready(self._worker_id, ready)
        elif status == ADDED:
            key, failure = value
            self._adding.discard(key)
            listener.function_added(self._worker_id, key, None if failure is None else decode_error(failure))
        elif status == LEFT:
            self._left = True
            self._error = None if value is None else decode_error(value)

    def _hear_record(self, frame: bytes) -> None:
        try:
            _, body = messages.read(memoryview(frame)[HEADER.size :])
            attributes = unpack_record(body)
        except FrameError as error:
            self._lost(error)
            return
        self._owner.listener.worker_logged(self._worker_id, attributes)

    # ---- the end ----------------------------------------------------------------------------------

    def check_connection(self) -> bool:
        """Whether the connection to the cluster is still there. Where it is not, this worker is given up."""
        if self._closed or connection_id() == self._connection:
            return True
        self._lose(f"was lost: {LOST}")
        return False

    def _lost(self, error: BaseException) -> None:
        """The actor is gone, or cannot be reached."""
        if self._closed or not self.check_connection():
            return
        # First, for what is killed here says nothing else of why.
        reason = reason_of(error)
        # One that only cannot be reached must not go on with what is run elsewhere from now on.
        self.kill()
        self._lose(reason)

    def _lose(self, reason: str) -> None:
        if not self._left and not self._reason:
            self._reason = reason
        # In the next turn of the loop: the pool is not told while it tells.
        self._loop.call_soon(self._finish)

    def _finish(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._patience is not None:
            self._patience.cancel()
        self._outgoing.clear()
        self._arrivals.drop()
        self._actor = self._exchange = None
        self._owner.channel_ended(self._worker_id)
        code = None if not self._left else 0 if self._error is None else 1
        exited = WorkerExit(
            code,
            started=self._sequence,
            error=self._error,
            loading=bool(self._adding),
            reason=self._reason,
            certain=False,
            pid=self._pid,
        )
        self._owner.listener.worker_exited(self._worker_id, exited)
