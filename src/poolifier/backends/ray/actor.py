"""What runs in a Ray actor: a worker thread, and the one call by which its pool speaks with it.

Every call of `exchange` brings what the pool has to say and takes back what the worker has to say. Where that
is nothing yet, the call *parks*: it waits for the first word, or for the next call, which takes its place.
So one call is always there to carry an answer, a batch needs one round trip, and an actor that dies
fails a call, by which its pool hears of it at once.

Calls run in threads of Ray's, several at a time. They are numbered, and take their turns in that order.
What they fetch is numbered as well, for their answers may overtake each other.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from poolifier.backends.ray.functions import EncodedError, Outcome
from poolifier.backends.ray.parcels import Parcel, unpack
from poolifier.backends.ray.worker import STOOD, ActorWorker
from poolifier.backends.thread.runtime import run_thread
from poolifier.backends.thread.standing import frames_of_task
from poolifier.exchange import (
    ABORTED,
    DONE,
    EXHAUSTED,
    FAILED,
    MAP_FAILED,
    RETURNED,
    Items,
    Reply,
    WireTask,
    WorkerReady,
    WorkerSettings,
)
from poolifier.wire import codec, messages
from poolifier.wire.remote_errors import encode_error
from poolifier.wire.scripts import namespaces
from poolifier.wire.scripts.operations import Operation
from poolifier.worker import relay
from poolifier.worker.loading import loading
from poolifier.worker.memory import resident_memory
from poolifier.worker.multiprocessing_child import trust

__all__ = ["ADDED", "CALLS", "LEFT", "READY", "PoolActor"]

CALLS: Final = 3
"""Calls that may be under way: one that is parked, one that takes its place, and one on its way."""

READY: Final = -2
"""In place of a reply's status: the worker is ready; the value is a pickle of `WorkerReady`."""
ADDED: Final = -3
"""A task function was added; the value is (key, None or encoded error)."""
LEFT: Final = -4
"""The worker has left; the value is None or an encoded error. Nothing comes after this."""

_ENDS: Final = frozenset({DONE, FAILED, ABORTED, RETURNED, EXHAUSTED})

_SWITCH_INTERVAL: Final = 0.0005
"""A task that computes lets calls in after so long. By default it would be ten times that, at every step of a call."""


class PoolActor:
    """The actor.

    Args:
        launch: A pickle of the worker's source, its initializer and what that is called with.
        settings: What the pool wants of the worker.
        operations: What it needs of the program's scripts.
    """

    def __init__(self, launch: bytes, settings: WorkerSettings, operations: list[Operation]) -> None:
        sys.setswitchinterval(_SWITCH_INTERVAL)
        self._turn = threading.Condition()
        self._next = 1
        self._parked: SimpleQueue[None] | None = None
        self._fetching = threading.Lock()
        self._fetched = 0
        self._sequence = 0
        self._stop = False
        self._awaiting: dict[int, tuple[WireTask, set[Parcel]]] = {}
        self._arriving = threading.Lock()
        self._additions: list[tuple[str, bytes]] | None = []
        namespaces.define(operations)
        self._worker = ActorWorker(self._wake, settings)
        if settings.program is not None:
            trust(settings.program)
        relay.connect(self._worker.log, settings.log_levels, settings.log_disabled)
        threading.Thread(target=self._run, args=(launch,), name="poolifier-worker", daemon=True).start()

    def exchange(self, number: int, said: bytes, refs: Sequence[Any] = ()) -> Any:
        """Takes the pool's messages; waits, unless another call comes; returns what the worker has said."""
        mine: SimpleQueue[None] = SimpleQueue()
        with self._turn:
            while number != self._next:
                self._turn.wait()
            try:
                for opcode, body in pickle.loads(said) if said else ():
                    self._take(opcode, body, refs)
            finally:
                parked, self._parked = self._parked, mine
                self._next += 1
                self._turn.notify_all()
        if parked is not None:
            parked.put(None)
        # Looked at after it has parked: what is said from here on wakes it.
        if not self._worker.outgoing:
            mine.get()
        return self._fetch()

    # ---- what the pool says, call by call ---------------------------------------------------------

    def _take(self, opcode: int, body: Any, refs: Sequence[Any]) -> None:
        worker = self._worker
        if opcode == messages.TASKS:
            for task in body:
                self._sequence = task[0]
                self._arrange(task, refs)
            worker.wake()
        elif opcode == messages.ABORT:
            frames = [] if body in self._awaiting else frames_of_task(worker, body)
            if frames:
                self._say((0, STOOD, (body, frames), 0.0))
            if self._awaiting.pop(body, None) is not None or worker.abort(body):
                self._say((body, ABORTED, None, 0.0))
            self._stop_if_wanted()
        elif opcode == messages.RECLAIM:
            # What the worker takes next it took before this: that is cut short as well.
            worker.cut = self._sequence
            back = [task[0] for task in worker.take_back()]
            back += [sequence for sequence in list(self._awaiting) if self._awaiting.pop(sequence, None)]
            for sequence in back:
                self._say((sequence, RETURNED, None, 0.0))
            self._wake()
        elif opcode == messages.CREDIT:
            sequence, count = body
            stream = worker.streams.get(sequence)
            if stream is not None:
                stream.grant(count)
                worker.wake()
        elif opcode == messages.STOP:
            self._stop = True
            self._stop_if_wanted()
        elif opcode == messages.CONFIGURE:
            worker.settings = body
            worker.wake()
        elif opcode == messages.DEFINE:
            namespaces.define(body)
        elif opcode == messages.ADD_FUNCTION:
            self._add(*body)
        elif opcode == messages.REMOVE_FUNCTIONS:
            self._forget(body)

    def _arrange(self, task: Any, refs: Sequence[Any]) -> None:
        """Puts a task into the inbox, or has what it needs fetched first."""
        sequence, key, data, task_id, terms, carried = task
        parcels: set[Parcel] = set()
        if carried is None:
            unpacked = data
        elif type(carried) is list:
            unpacked = Items([unpack(item, refs) for item in carried])
            parcels.update(item for item in unpacked if type(item) is Parcel and item.awaited is not None)
        else:
            unpacked = Parcel(carried, refs)
            if unpacked.awaited is not None:
                parcels.add(unpacked)
        arranged: WireTask = (
            (sequence, key, unpacked, task_id) if terms is None else (sequence, key, unpacked, task_id, terms)
        )
        if not parcels:
            self._worker.inbox.append(arranged)
            return
        self._awaiting[sequence] = (arranged, parcels)
        # A copy, for those that are here already are taken out of it meanwhile.
        for parcel in list(parcels):
            assert parcel.awaited is not None
            parcel.awaited.future().add_done_callback(partial(self._arrived, sequence, parcel))

    def _arrived(self, sequence: int, parcel: Parcel, future: Any) -> None:
        """What a task needs is here. In a thread of Ray's."""
        error = future.exception()
        parcel.arrived(None if error is not None else future.result(), error)
        awaiting = self._awaiting.get(sequence)
        if awaiting is None:
            return
        task, parcels = awaiting
        parcels.discard(parcel)
        if parcels:
            return
        with self._arriving:
            # Whoever gets it out of there runs it, drops it or hands it back.
            if self._awaiting.pop(sequence, None) is not None:
                self._worker.inbox.append(task)
        self._worker.wake()
        self._stop_if_wanted()

    def _stop_if_wanted(self) -> None:
        with self._arriving:
            if self._stop and not self._awaiting:
                self._worker.stopping = True
        self._worker.wake()

    def _add(self, key: str, carried: bytes) -> None:
        if self._additions is not None:
            self._additions.append((key, carried))
            return
        failure: bytes | None = None
        try:
            self._worker.add(self._worker.registry, key, carried)
        except BaseException as error:  # noqa: BLE001 - whoever adds it is told
            failure = encode_error(error)
        self._say((0, ADDED, (key, failure), 0.0))

    def _forget(self, keys: Sequence[str]) -> None:
        if self._additions is not None:
            self._additions = [addition for addition in self._additions if addition[0] not in keys]
            return
        for key in keys:
            self._worker.registry.remove(key)

    # ---- what the worker says ---------------------------------------------------------------------

    def _run(self, launch: bytes) -> None:
        try:
            with loading():
                source, initializer, initargs = codec.decode(launch)
                # Also done by what follows, which then finds it.
                source.load()
        except BaseException as error:  # noqa: BLE001 - the pool is told why there is no worker
            self._ended(error)
            return
        run_thread(self._worker, source, initializer, initargs, self._ready, self._ended)

    def _ready(self, ready: WorkerReady) -> None:
        said = WorkerReady(ready.functions, ready.max_inactive_time, ready.kill_behavior, os.getpid(), ready.origins)
        with self._turn:
            additions, self._additions = self._additions, None
            for key, carried in additions or ():
                self._add(key, carried)
        self._say((0, READY, pickle.dumps(said, 5), 0.0))

    def _ended(self, error: BaseException | None) -> None:
        self._say((0, LEFT, None if error is None else encode_error(error), 0.0))

    def _say(self, word: Reply) -> None:
        self._worker.outgoing.append(word)
        self._wake()

    def _wake(self) -> None:
        """Lets the call that is parked go, from any thread."""
        parked = self._parked
        if parked is not None:
            parked.put(None)

    def _fetch(self) -> Any:
        """All that has been said."""
        worker = self._worker
        refs: list[Any] = []
        words: list[tuple[Any, ...]] = []
        special = False
        with self._fetching:
            # In this order: see `thread.worker`.
            worker.notified = False
            outgoing = worker.outgoing
            for _ in range(len(outgoing)):
                sequence, status, value, run_time = reply = outgoing.popleft()
                if status in _ENDS and worker.wanted:
                    worker.wanted.discard(sequence)
                if type(value) is Outcome:
                    words.append((sequence, status, None, run_time, value.within(refs)))
                    special = True
                elif status in (FAILED, MAP_FAILED):
                    payload = value.payload if type(value) is EncodedError else encode_error(value)
                    words.append((sequence, status, None, run_time, payload))
                    special = True
                else:
                    special = special or status < 0
                    words.append(reply)
            if not words:
                return b""
            self._fetched += 1
            number = self._fetched
        said = pickle.dumps((number, *worker.times, resident_memory(os.getpid()), special, words), 5)
        return (said, refs) if refs else said
