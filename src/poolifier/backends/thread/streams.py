"""Running a generator for a stream, item by item, and never further ahead than its credit allows.

Items travel like replies: one goes at once unless another went less than `HOLD` ago.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from poolifier.backends.thread.invoke import guarded, own_traceback
from poolifier.backends.thread.worker import LEAVE, ThreadWorker
from poolifier.errors import TaskAborted
from poolifier.exchange import EXHAUSTED, FAILED, ITEM, WireTask
from poolifier.worker.invoke import deadline_of, terms_of
from poolifier.worker.outbox import HOLD
from poolifier.worker.registry import Entry

if TYPE_CHECKING:
    from contextvars import Context

__all__ = ["Stream", "run_stream"]

_END: Final = object()


class Stream:
    """A stream that runs.

    Attributes:
        sequence: The sequence of its task.
        context: What its code runs in.
        ended: The generator has yielded all that it will.
        taken: There is an item to send.
        source: The generator, of whichever kind, once there is one.
    """

    __slots__ = (
        "_data",
        "_entry",
        "_flushed",
        "_granted",
        "_sent",
        "_value",
        "_worker",
        "context",
        "ended",
        "sequence",
        "source",
        "taken",
    )

    def __init__(self, worker: ThreadWorker, task: WireTask, entry: Entry) -> None:
        terms = terms_of(task)
        self.sequence: int = task[0]
        self.context: Context
        self.context, self._data = worker.unpack(task)
        self.ended: bool = False
        self.taken: bool = False
        self._worker = worker
        self._entry = entry
        self.source: Any = None
        self._value: Any = None
        # Each is written by one side only: what the reader has let it yield, and what it has yielded.
        self._granted = terms[2] if terms is not None else 0
        self._sent = 0
        self._flushed = 0.0
        worker.streams[self.sequence] = self

    @property
    def credit(self) -> int:
        """Items that it may still yield."""
        return self._granted - self._sent

    def grant(self, count: int) -> None:
        """The reader has taken so many items. The event loop's side."""
        self._granted += count

    def open(self) -> Any:
        """Calls the task function; returns its generator. The task's code."""
        data, self._data = self._data, None
        self.source = self._entry.function() if data is None and self._entry.bare else self._entry.function(data)
        return self.source

    def step(self) -> None:
        """Goes on to the next `yield` of a plain generator, or to its end. The task's code."""
        if self.source is None:
            self.context.run(self.open)
        source: Any = self.source
        value = self.context.run(next, source, _END)
        if value is _END:
            self.ended = True
        else:
            self.take(value)

    def take(self, value: Any) -> None:
        """Keeps an item to be sent."""
        self._value = value
        self.taken = True

    def send(self) -> bool:
        """Sends the item that was taken; returns whether it was sent at once. The worker's own code."""
        worker = self._worker
        worker.reply((self.sequence, ITEM, self._value, 0.0))
        worker.began = self.sequence
        self._value = None
        self.taken = False
        self._sent += 1
        now = perf_counter()
        if now - self._flushed < HOLD and self.credit:
            return False
        worker.flush()
        self._flushed = now
        return True

    def wanted_to_stop(self) -> bool:
        """Whether it is to stop."""
        wanted = self._worker.wanted
        return self.sequence in wanted or LEAVE in wanted

    def close(self, failure: BaseException | None) -> BaseException | None:
        """Ends a plain generator, if it has not ended; returns what failed in the end. The worker's own code."""
        generator, worker = self.source, self._worker
        if generator is None:
            return failure
        if self.wanted_to_stop():
            # Closing it is all that is wanted now, so nothing is to be raised in what it does to clean up.
            try:
                self.context.run(generator.close)
            except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
                return error
            return failure
        # Twice, because an abort may come just before the first does anything.
        for _ in range(2):
            later = guarded(worker, self.sequence, lambda: self.context.run(generator.close))
            if later is not None:
                failure = later
        return failure

    def reply(self, failure: BaseException | None, run_time: float) -> None:
        """Says how it ended. The worker's own code."""
        worker = self._worker
        del worker.streams[self.sequence]
        if failure is None:
            worker.reply_end(self.sequence, EXHAUSTED, None, run_time)
        else:
            worker.reply_end(self.sequence, FAILED, own_traceback(failure), run_time)


def run_stream(worker: ThreadWorker, task: WireTask, entry: Entry, begin: float) -> float:
    """Runs the generator of a stream to its end, where there is no event loop; returns when it ended."""
    worker.task = task
    worker.deadline = deadline_of(task)
    stream = Stream(worker, task, entry)
    failure: BaseException | None = None
    while True:
        while not stream.credit and not stream.wanted_to_stop():
            worker.flush()
            worker.rest()
        if not stream.credit:
            worker.aborted = stream.sequence
            failure = TaskAborted()
            break
        failure = guarded(worker, stream.sequence, stream.step)
        if failure is not None or stream.ended or worker.aborted == stream.sequence:
            break
        stream.send()
    failure = stream.close(failure)
    worker.task = None
    end = perf_counter()
    stream.reply(failure, end - begin)
    del failure  # its traceback leads back to this frame
    return perf_counter()
