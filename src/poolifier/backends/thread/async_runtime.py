"""The event loop of a worker thread: asynchronous task functions interleave in it.

Tasks start in the order of their sequences, at most `settings.concurrency` at once; plain functions
run in the loop itself, one at a time. The loop is made for the first task that needs one.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from functools import partial
from time import perf_counter
from typing import Any, Final

from poolifier.backends.thread.invoke import guarded, own_traceback, run_plain
from poolifier.backends.thread.runtime import refuse
from poolifier.backends.thread.streams import Stream
from poolifier.backends.thread.worker import LEAVE, ThreadWorker
from poolifier.exchange import DONE, FAILED, WireTask
from poolifier.worker.current_task import Found, host_here
from poolifier.worker.invoke import deadline_of
from poolifier.worker.lazy_tasks import create_lazy_task
from poolifier.worker.outside_loop import enter_loop, leave_loop, step_outside
from poolifier.worker.registry import Entry
from poolifier.worker.runtime import SLOW

__all__ = ["run_async"]

_SLICE: Final = 0.001
"""Seconds of plain tasks in a row after which the event loop gets its turn."""


def run_async(worker: ThreadWorker) -> None:
    """Serves until the worker is to leave."""
    selector = _TimedSelector(worker)
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(_Runtime(worker).serve())


class _TimedSelector(selectors.DefaultSelector):
    """Counts the time that the loop waits for something to happen."""

    def __init__(self, worker: ThreadWorker) -> None:
        super().__init__()
        self._worker = worker

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        began = perf_counter()
        try:
            return super().select(timeout)
        finally:
            self._worker.rested(perf_counter() - began)


class _Running:
    """A task in the event loop. Implements `TaskHost` for the code of that task."""

    __slots__ = ("_worker", "aborted", "begin", "deadline", "entered", "sequence", "task", "wire")

    def __init__(self, worker: ThreadWorker, wire: WireTask) -> None:
        self._worker = worker
        # Without the data, which has the context of the task, and that leads back here.
        self.wire: WireTask = (*wire[:2], None, wire[3]) if len(wire) == 4 else (*wire[:2], None, wire[3], wire[4])
        self.sequence: int = wire[0]
        self.begin = perf_counter()
        self.deadline = deadline_of(wire)
        self.entered = False
        self.aborted = False
        self.task: asyncio.Task[None] | None = None

    @property
    def worker_id(self) -> int:
        return self._worker.worker_id

    @property
    def pool_name(self) -> str | None:
        return self._worker.pool_name

    def find(self) -> Found:
        return self.wire, self.deadline, self._abort_requested

    def say(self, message: Any) -> None:
        self._worker.say(message)

    def _abort_requested(self) -> bool:
        return self.aborted or self.sequence in self._worker.wanted


class _Runtime:
    def __init__(self, worker: ThreadWorker) -> None:
        self._worker = worker
        self._running: dict[int, _Running] = {}
        worker.running = self._running
        self._starved: dict[int, asyncio.Event] = {}
        self._flush_due = False
        self._pump_due = False

    async def serve(self) -> None:
        worker = self._worker
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        worker.wake = self._wake
        worker.cancel = self._cancel_soon
        # What was sent before the loop could be woken. Not here, in an asyncio task: see `outside_loop`.
        self._loop.call_soon(self._pump)
        await self._done
        worker.flush()

    # ---- from any thread --------------------------------------------------------------------------

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed: the worker is leaving
            self._loop.call_soon_threadsafe(self._woken)

    def _cancel_soon(self, sequence: int) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._cancel, sequence)

    # ---- in the loop ------------------------------------------------------------------------------

    def _woken(self) -> None:
        for sequence, granted in list(self._starved.items()):
            if self._worker.streams[sequence].credit:
                granted.set()
        if LEAVE in self._worker.wanted:
            for sequence in list(self._running):
                self._cancel(sequence)
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
        worker = self._worker
        inbox = worker.inbox
        began = now = perf_counter()
        while len(self._running) < worker.settings.concurrency:
            try:
                task = inbox.popleft()
            except IndexError:
                break
            entry = worker.registry.entries.get(task[1])
            worker.started = task[0]
            if refuse(worker, task, entry):
                continue
            assert entry is not None
            if entry.kind != "plain":
                self._start(task, entry)
                continue
            if entry.mean > SLOW:
                worker.flush()
            now = run_plain(worker, task, entry, perf_counter())
            if now - began > _SLICE:
                self._pump_later()
                break
        self._after()

    def _pump_later(self) -> None:
        if self._worker.inbox and not self._pump_due:
            self._pump_due = True
            self._loop.call_soon(self._pump)

    def _start(self, wire: WireTask, entry: Entry) -> None:
        worker = self._worker
        running = _Running(worker, wire)
        stream = Stream(worker, wire, entry) if entry.kind != "async" else None
        context, data = (stream.context, None) if stream is not None else worker.unpack(wire)
        if stream is None:
            coroutine = self._run(running, entry, data)
        elif entry.kind == "async_generator":
            coroutine = self._run_async_generator(running, stream)
        else:
            coroutine = self._run_generator(running, stream)
            # The generator's steps run in its context; what drives it need not.
            context = context.copy()
        self._running[running.sequence] = running
        running.task = create_lazy_task(self._loop, coroutine, context, entry.name)
        # It may have been asked to stop when there was no loop to cancel it in.
        if worker.wanted and (running.sequence in worker.wanted or LEAVE in worker.wanted):
            running.aborted = True

    async def _run(self, running: _Running, entry: Entry, data: Any) -> None:
        """Runs one task; whatever it raises stays in here, for asyncio ends the loop on SystemExit."""
        self._enter(running)
        value = None
        try:
            if not running.aborted:
                value = await (entry.function() if data is None and entry.bare else entry.function(data))
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            self._worker.reply_end(running.sequence, FAILED, own_traceback(error), self._ended(running))
        else:
            self._worker.reply_end(running.sequence, DONE, value, self._ended(running))
        self._go_on()

    async def _run_async_generator(self, running: _Running, stream: Stream) -> None:
        self._enter(running)
        generator = None
        try:
            try:
                while not running.aborted:
                    if not stream.credit:
                        await self._credit(stream)
                    if generator is None:
                        generator = stream.open()
                    try:
                        value = await anext(generator)
                    except StopAsyncIteration:
                        break
                    if running.aborted:
                        break  # it was cancelled, and would not have it
                    stream.take(value)
                    await self._send(stream)
            finally:
                if generator is not None:
                    await generator.aclose()
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            stream.reply(error, self._ended(running))
        else:
            stream.reply(None, self._ended(running))
        self._go_on()

    async def _run_generator(self, running: _Running, stream: Stream) -> None:
        """Each step runs in the loop's thread, like a plain function; between two of them others have their turn."""
        worker, sequence = self._worker, running.sequence
        self._enter(running)
        failure: BaseException | None = None
        try:
            while not running.aborted:
                if not stream.credit:
                    await self._credit(stream)
                worker.task, worker.deadline = running.wire, running.deadline
                failure = step_outside(self._loop, lambda: guarded(worker, sequence, stream.step))
                worker.task = None
                if failure is not None or stream.ended or worker.aborted == sequence:
                    break
                await self._send(stream)
        except asyncio.CancelledError as error:
            failure = error
        worker.task, worker.deadline = running.wire, running.deadline
        failure = step_outside(self._loop, partial(stream.close, failure))
        worker.task = None
        if worker.aborted == sequence:
            running.aborted = True
        stream.reply(failure, self._ended(running))
        del failure  # its traceback leads back to this frame
        self._go_on()

    def _enter(self, running: _Running) -> None:
        """The first step of a task."""
        running.entered = True
        host_here.set(running)
        if self._worker.wanted and LEAVE in self._worker.wanted:
            # The pool has given the worker up while another task had the loop, and this one with it.
            running.aborted = True

    async def _send(self, stream: Stream) -> None:
        # One that never waits for anything must not keep the loop from its other work.
        if stream.send():
            await asyncio.sleep(0)
        self._after()

    async def _credit(self, stream: Stream) -> None:
        """Waits until the stream has credit."""
        self._worker.flush()
        while not stream.credit:
            granted = self._starved[stream.sequence] = asyncio.Event()
            try:
                # It may have come before the event was there to be set.
                if not stream.credit:
                    await granted.wait()
            finally:
                del self._starved[stream.sequence]

    def _ended(self, running: _Running) -> float:
        del self._running[running.sequence]
        running.task = None  # whose context leads back here
        if running.aborted:
            self._worker.aborted = running.sequence
        return perf_counter() - running.begin

    def _go_on(self) -> None:
        self._pump_later()
        self._after()

    def _cancel(self, sequence: int) -> None:
        running = self._running.get(sequence)
        if running is None or running.task is None:
            return
        running.aborted = True
        # A task that is cancelled before its first step never runs, so not even its answer would.
        if running.entered:
            running.task.cancel()

    def _after(self) -> None:
        worker = self._worker
        if worker.outgoing and not worker.notified and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        if worker.stopping and not worker.inbox and not self._running and not self._done.done():
            self._done.set_result(None)

    def _flush(self) -> None:
        self._flush_due = False
        self._worker.flush()
