"""The loop of a worker that holds an `async def`: tasks interleave in an asyncio event loop.

Tasks start in the order of their sequences, at most `settings.concurrency` at once; plain functions
run in the loop itself, one at a time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from time import perf_counter
from typing import Any, Final

from poolifier.wire.codec import encode_result, is_inline
from poolifier.wire.frames import FrameError
from poolifier.worker import current_task
from poolifier.worker.additions import load_function
from poolifier.worker.async_streams import run_async_generator, run_generator
from poolifier.worker.chunks import is_chunk, run_chunk
from poolifier.worker.invoke import INLINE_TASK, data_of, deadline_of, leave_fork, refusal, run_plain
from poolifier.worker.lazy_tasks import create_lazy_task
from poolifier.worker.ledger import ABORT, LEAVE, STARTED, Ledger
from poolifier.worker.outside_loop import enter_loop, leave_loop
from poolifier.worker.registry import Entry
from poolifier.worker.runtime import SLOW
from poolifier.worker.session import Session
from poolifier.worker.standing import coroutine_frames, prepare_dumps, tell_where
from poolifier.worker.streams import Stream

__all__ = ["run_async"]

_SLICE: Final = 0.001
"""Seconds of plain tasks in a row after which the event loop gets its turn."""


def run_async(session: Session) -> None:
    """Serves until the pool says stop."""
    selector = _TimedSelector(session)
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runtime = _Runtime(session)
        try:
            runner.run(runtime.serve())
        finally:
            # Where the channel is lost the tasks are yet to be cancelled, which needs the loop; and nothing is read.
            runner.get_loop().remove_reader(session.link.fileno())


class _TimedSelector(selectors.DefaultSelector):
    """Counts the time that the loop waits for something to happen."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        self._session.stay_awake()
        began = perf_counter()
        try:
            return super().select(timeout)
        finally:
            self._session.idle += perf_counter() - began


class _Running:
    __slots__ = ("_ledger", "aborted", "begin", "deadline", "entered", "sequence", "task", "wire")

    def __init__(self, wire: tuple[Any, ...], ledger: Ledger) -> None:
        self.wire = wire
        self.sequence: int = wire[0]
        self.begin = perf_counter()
        self.deadline = deadline_of(wire)
        self.entered = False
        self.aborted = False
        self.task: asyncio.Task[None] | None = None
        self._ledger = ledger

    def abort_requested(self) -> bool:
        """Whether it is to stop, also where that was not looked at yet."""
        return self.aborted or self._ledger.slots[ABORT] == self.sequence


_running_here: ContextVar[_Running] = ContextVar("poolifier_task")


class _Runtime:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._running: dict[int, _Running] = {}
        self._flush_due = False
        self._pump_due = False
        # Tasks start from this one's copies, or what one sets would be seen by those that it made way for.
        self._context = copy_context()

    async def serve(self) -> None:
        session = self._session
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        session.use_loop(self._loop, self._cancel, self._running)
        current_task.use_lookup(self._lookup)
        self._loop.add_reader(session.link.fileno(), self._readable)
        # Not here, in an asyncio task: see `outside_loop`.
        self._loop.call_soon(self._pump, context=self._context)
        await self._done
        session.flush()

    def _readable(self) -> None:
        try:
            self._session.dispatch(self._session.link.receive_now())
        except FrameError as error:
            # asyncio would log it and go on, without the messages.
            self._session.link.lose(str(error))
        self._pump()

    def _pump(self) -> None:
        """Starts what may start now."""
        leave_loop()
        try:
            self._start_some()
        finally:
            enter_loop(self._loop)

    def _start_some(self) -> None:
        self._pump_due = False
        session = self._session
        inbox = session.inbox
        # These need not wait until fewer tasks run.
        while inbox and not inbox[0][0]:
            load_function(session, inbox.popleft())
        began = now = perf_counter()
        while inbox and len(self._running) < session.settings.concurrency:
            task = inbox.popleft()
            if not task[0]:
                load_function(session, task)
                continue
            entry = session.registry.entries.get(task[1])
            error = refusal(session, task, entry)
            if error is not None or entry is None:
                session.ledger.slots[STARTED] = task[0]
                session.reply_error(task[0], session.registry.unknown(task[1]) if error is None else error, 0.0)
            elif entry.kind != "plain":
                self._start(task, entry)
            else:
                if entry.mean > SLOW:
                    session.flush()
                run = run_chunk if is_chunk(task) else run_plain
                now = run(session, task, entry, perf_counter())
                if now - began > _SLICE:
                    break
        self._after()

    def _start(self, wire: tuple[Any, ...], entry: Entry) -> None:
        slots = self._session.ledger.slots
        # In this order: the pool writes the one before it reads the other.
        slots[STARTED] = wire[0]
        if slots[LEAVE]:
            slots[STARTED] = wire[0] - 1
            return
        running = _Running(wire, self._session.ledger)
        if running.deadline is not None:
            prepare_dumps(self._session)
        self._running[running.sequence] = running
        running.task = create_lazy_task(self._loop, self._run(running, entry), self._context.copy(), entry.name)

    async def _run(self, running: _Running, entry: Entry) -> None:
        """Runs one task; whatever it raises stays in here, for asyncio ends the loop on SystemExit."""
        session, sequence = self._session, running.sequence
        running.entered = True
        _running_here.set(running)
        if session.ledger.slots[LEAVE]:
            # The pool has given the worker up while another task had the loop, and this one with it.
            running.aborted = True
        payload, value, failure = None, None, None
        stream = Stream(session, running.wire, entry) if entry.kind != "async" else None
        try:
            if running.aborted:
                pass
            elif stream is not None:
                await self._run_stream(running, entry, stream)
            else:
                wire = running.wire
                data = wire[2] if len(wire) == INLINE_TASK else data_of(entry.name, wire)
                value = await (entry.function() if data is None and entry.bare else entry.function(data))
                if not is_inline(value):
                    payload = encode_result(entry.name, value, pack=session.pack)
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            failure = error
        if session.forked:
            leave_fork(failure)
        run_time = perf_counter() - running.begin
        del self._running[sequence]
        running.task = None  # whose context leads back to it
        if running.aborted:
            session.aborted = sequence
        if stream is not None:
            stream.reply(failure, run_time)
        elif failure is not None:
            session.reply_error(sequence, failure, run_time)
        else:
            session.reply_result(sequence, value, run_time, payload)
        del failure  # its traceback leads back to this frame
        self._after()

    async def _run_stream(self, running: _Running, entry: Entry, stream: Stream) -> None:
        if entry.kind == "async_generator":
            await run_async_generator(stream, lambda: running.aborted, self._after)
            return
        session = self._session

        def enter() -> None:
            session.task = running.wire

        await run_generator(stream, session, self._loop, enter, lambda: running.aborted, self._after)

    def _cancel(self, sequence: int) -> None:
        running = self._running.get(sequence)
        if running is None or running.task is None:
            return
        running.aborted = True
        tell_where(self._session, running.wire, coroutine_frames(running.task.get_coro()))
        # A task that is cancelled before its first step never runs, so not even its answer would.
        if running.entered:
            running.task.cancel()

    def _after(self) -> None:
        session = self._session
        inbox = session.inbox
        # Also what a poke has read in the middle of a stream's step, of which the link tells no more.
        if inbox and not self._pump_due and (not inbox[0][0] or len(self._running) < session.settings.concurrency):
            self._pump_due = True
            self._loop.call_soon(self._pump, context=self._context)
        if session.outbox.count and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush, context=self._context)
        if session.stopping and not inbox and not self._running and not self._done.done():
            self._done.set_result(None)

    def _flush(self) -> None:
        self._flush_due = False
        self._session.flush()

    def _lookup(self) -> tuple[tuple[Any, ...], float | None, Callable[[], bool]] | None:
        running = _running_here.get(None)
        return None if running is None else (running.wire, running.deadline, running.abort_requested)
