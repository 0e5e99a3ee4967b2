"""The pool's end of one worker thread: what it is sent, what it says, and how it ends.

A thread cannot be ended from outside. `kill` asks it to leave and stops what runs on it. Where that was
asked before, or does not help within a grace period, the thread is *abandoned*: its end is reported as
though it were gone, its replies are ignored from then on, and it leaves as soon as its code lets it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from poolifier.backends.thread.runtime import run_thread
from poolifier.backends.thread.standing import frames_of_task
from poolifier.backends.thread.worker import LEAVE, MESSAGE, ThreadWorker
from poolifier.backends.unwaited_thread import UnwaitedThread
from poolifier.exchange import (
    ABORTED,
    DONE,
    EXHAUSTED,
    FAILED,
    RETURNED,
    Reply,
    WireTask,
    WorkerExit,
    WorkerReady,
    WorkerSettings,
)
from poolifier.protocols import WorkerListener
from poolifier.worker.source import WorkerSource

__all__ = ["ThreadChannel"]

_MOST_REPLIES: Final = 128
"""Replies to deliver in a turn of the event loop: every one has its caller run, and submit anew."""

_ENDS: Final = frozenset({DONE, FAILED, ABORTED, RETURNED, EXHAUSTED})

_logger = logging.getLogger("poolifier")


class _Owner(Protocol):
    listener: WorkerListener
    grace: float
    pool: str | None

    def channel_ended(self, worker_id: int, abandoned: threading.Thread | None) -> None: ...


class ThreadChannel:
    """A `Channel` to a worker thread."""

    __slots__ = (
        "_additions",
        "_closed",
        "_loop",
        "_owner",
        "_patience",
        "_ready",
        "_sequence",
        "_thread",
        "_worker",
        "_worker_id",
    )

    def __init__(
        self,
        owner: _Owner,
        worker_id: int,
        name: str,
        source: WorkerSource,
        settings: WorkerSettings,
        initializer: Callable[..., object] | None,
        initargs: Sequence[Any],
    ) -> None:
        self._owner = owner
        self._worker_id = worker_id
        self._loop = asyncio.get_running_loop()
        self._worker = ThreadWorker(self._loop, self._fetch, settings)
        self._worker.worker_id = worker_id
        self._worker.pool_name = owner.pool
        self._additions = list(settings.functions)
        self._sequence = 0
        self._ready = False
        self._closed = False
        self._patience: asyncio.TimerHandle | None = None
        # One that is stuck must not keep the interpreter from ending.
        self._thread = UnwaitedThread(
            target=run_thread,
            name=name,
            args=(self._worker, source, initializer, initargs, self._thread_ready, self._thread_ended),
        )
        try:
            self._thread.start()
        except RuntimeError as error:
            raise OSError(f"no room for a thread: {error}") from error

    @property
    def worker(self) -> ThreadWorker:
        """The worker's state."""
        return self._worker

    @property
    def pid(self) -> None:
        """None: a thread has no process of its own."""
        return None

    @property
    def memory(self) -> None:
        """None: what a thread takes cannot be told from what the others take."""
        return None

    def send(self, tasks: Sequence[WireTask]) -> list[tuple[int, Exception]]:
        """Sends tasks, by reference. There is nothing that cannot be sent."""
        if tasks and not self._closed:
            self._sequence = tasks[-1][0]
            worker = self._worker
            worker.inbox.extend(tasks)
            worker.wake()
        return []

    def abort(self, sequence: int) -> None:
        """Stops that task, or drops it if it has not started. Its reply tells how it went."""
        if not self._closed and self._worker.abort(sequence):
            self._answer([(sequence, ABORTED, None, 0.0)])

    def stack_of(self, sequence: int) -> list[tuple[str, int, str]]:
        """Where that task stands; nothing where it is at none any more."""
        return [] if self._closed else frames_of_task(self._worker, sequence)

    def reclaim(self) -> None:
        """Takes back all that has not started (`RETURNED`), and fetches the replies that are held back."""
        if self._closed:
            return
        worker = self._worker
        # What the worker takes next it took before this: that is cut short as well.
        worker.cut = self._sequence
        self._answer([(task[0], RETURNED, None, 0.0) for task in worker.take_back()])

    def credit(self, sequence: int, count: int) -> None:
        """Lets that stream yield so many items more."""
        stream = self._worker.streams.get(sequence)
        if stream is not None:
            stream.grant(count)
            self._worker.wake()

    def flush(self) -> None:
        """Fetches replies that are held back, if there are any."""
        self._answer([])

    def stop(self) -> None:
        """Asks the worker to leave once it has finished what it was sent."""
        self._worker.stopping = True
        self._worker.wake()

    def kill(self) -> None:
        """Ends the worker as far as that can be done: see the module."""
        if self._closed or LEAVE in self._worker.wanted:
            return
        worker = self._worker
        # What is done is done, and is not taken for what does not stop.
        self._fetch_all()
        if self._closed:
            return
        stubborn = bool(worker.wanted)
        worker.wanted.add(LEAVE)
        # These never start, and run elsewhere.
        worker.take_back()
        self.stop()
        if stubborn:
            self._abandon()
            return
        task = worker.task
        if task is not None:
            worker.abort(task[0])
        self._patience = self._loop.call_later(self._owner.grace, self._abandon)

    def configure(self, settings: WorkerSettings) -> None:
        """Changes the worker's settings."""
        self._worker.settings = settings
        self._worker.wake()

    def add_function(self, key: str, carried: Callable[..., Any]) -> None:
        """Gives the worker a task function. It has it at once, or as soon as it is ready."""
        if self._ready:
            self._add(key, carried)
            self._loop.call_soon(self._added, key)
        elif not self._closed:
            self._additions.append((key, carried))
            self._loop.call_soon(self._added, key)

    def remove_functions(self, keys: Sequence[str]) -> None:
        """Lets the worker forget task functions."""
        self._additions = [(key, function) for key, function in self._additions if key not in keys]
        if self._ready:
            for key in keys:
                self._worker.registry.remove(key)

    def abandon(self) -> threading.Thread:
        """Reports the end of a thread that may go on for a while; returns it."""
        if not self._closed:
            self._worker.wanted.add(LEAVE)
            self._worker.take_back()
            self.stop()
            self._abandon()
        return self._thread

    # ---- what the thread tells, on the pool's event loop ------------------------------------------

    def _thread_ready(self, ready: WorkerReady) -> None:
        if self._closed:
            return
        for key, function in self._additions:
            self._add(key, function)
        self._additions.clear()
        self._ready = True
        self._owner.listener.worker_ready(self._worker_id, ready)

    def _thread_ended(self, error: BaseException | None) -> None:
        # It is on its last steps, so this takes no time.
        self._thread.join()
        self._fetch_all()
        if self._closed:
            return
        self._finish(WorkerExit(0 if error is None else 1, None, "", self._worker.started, error), None)

    def _fetch(self) -> None:
        """Takes a portion of what the worker has said, and the rest in the next turns of the loop."""
        worker = self._worker
        # In this order: see the module `worker`.
        worker.notified = False
        self._take(min(len(worker.outgoing), _MOST_REPLIES))
        if worker.outgoing and not self._closed and not worker.notified:
            worker.notified = True
            self._loop.call_soon(self._fetch)

    def _fetch_all(self) -> None:
        """Takes all that the worker has said."""
        self._take(len(self._worker.outgoing))

    def _take(self, count: int) -> None:
        worker = self._worker
        outgoing = worker.outgoing
        replies = [outgoing.popleft() for _ in range(count)]
        if self._closed or not replies:
            return
        if worker.wanted:
            for reply in replies:
                if reply[1] in _ENDS:
                    worker.wanted.discard(reply[0])
        # Looked at last, for the worker sets it before it says the first one.
        if worker.spoke:
            self._deliver_with_messages(replies)
        else:
            self._owner.listener.replies(self._worker_id, replies, *worker.times)

    def _deliver_with_messages(self, replies: list[Reply]) -> None:
        """In the order in which they were said."""
        listener = self._owner.listener
        begin = 0
        for position, reply in enumerate(replies):
            if reply[1] == MESSAGE:
                if begin < position:
                    listener.replies(self._worker_id, replies[begin:position], *self._worker.times)
                begin = position + 1
                listener.worker_message(self._worker_id, reply[2])
        if begin < len(replies):
            listener.replies(self._worker_id, replies[begin:], *self._worker.times)

    # ---- inside -----------------------------------------------------------------------------------

    def _answer(self, replies: list[Reply]) -> None:
        """Answers for the worker, in the next turn of the loop: the pool is not told while it tells."""
        worker = self._worker
        worker.outgoing.extend(replies)
        if worker.outgoing and not self._closed:
            self._loop.call_soon(self._fetch)

    def _add(self, key: str, function: Callable[..., Any]) -> None:
        self._worker.registry.add(key, function)

    def _added(self, key: str) -> None:
        if not self._closed:
            self._owner.listener.function_added(self._worker_id, key, None)

    def _abandon(self) -> None:
        if self._closed:
            return
        _logger.warning(
            "worker %d does not stop: its thread %r is abandoned and goes on until its code ends",
            self._worker_id,
            self._thread.name,
        )
        exited = WorkerExit(started=self._worker.started, abandoned=True)
        # In the next turn of the loop: the pool is not told while it tells.
        self._closed = True
        self._loop.call_soon(self._finish, exited, self._thread)

    def _finish(self, exited: WorkerExit, abandoned: threading.Thread | None) -> None:
        self._closed = True
        if self._patience is not None:
            self._patience.cancel()
        self._owner.channel_ended(self._worker_id, abandoned)
        self._owner.listener.worker_exited(self._worker_id, exited)
