"""Running a generator for a stream, item by item, and never further ahead than its credit allows.

The generator is resumed only while there is credit, so the worker is never further ahead of the
reader than that, and stands still, suspended at a `yield`, when the reader does.

Items go into the outbox like replies. One is sent at once unless another was sent less than `HOLD`
ago; what is held back then goes with the next, or when the credit is used up, or when the stream
ends. A generator that yields several in a row and then takes its time leaves some held back: those a
reader that waits asks for (`Channel.flush`), as it sees in the shared memory that they are there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from time import perf_counter

from poolifier.errors import TaskAborted
from poolifier.exchange import EXHAUSTED, ITEM
from poolifier.wire.codec import encode_result, is_inline
from poolifier.wire.parcels import Payload
from poolifier.worker.invoke import data_of, deadline_of, leave_fork, terms_of
from poolifier.worker.ledger import STARTED
from poolifier.worker.outbox import HOLD
from poolifier.worker.registry import Entry
from poolifier.worker.session import Session
from poolifier.worker.standing import prepare_dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Stream", "in_task", "run_stream"]


class Stream:
    """A stream that runs.

    Attributes:
        sequence: The sequence of its task.
        credit: Items that it may still yield. Changed by the worker's own code only, which no poke
            interrupts, and by `grant`.
        granted: Called after a grant, where someone waits for one in an event loop.
        ended: The generator has yielded all that it will.
        taken: There is an item to send.
        source: The generator, of whichever kind, once there is one.
    """

    __slots__ = (
        "_entry",
        "_flushed",
        "_generator",
        "_payload",
        "_session",
        "_task",
        "_value",
        "credit",
        "ended",
        "granted",
        "sequence",
        "source",
        "taken",
    )

    def __init__(self, session: Session, task: tuple[Any, ...], entry: Entry) -> None:
        terms = terms_of(task)
        self.sequence: int = task[0]
        self.credit: int = terms[2] if terms is not None else 0
        self.granted: Callable[[], object] | None = None
        self.ended: bool = False
        self.taken: bool = False
        self.source: Any = None
        self._session = session
        self._task = task
        self._entry = entry
        self._generator: Generator[Any, Any, Any] | None = None
        self._value: Any = None
        self._payload: Payload | None = None
        self._flushed = 0.0
        session.streams[self.sequence] = self

    def open(self) -> Any:
        """Calls the task function; returns its generator. The task's code.

        Raises:
            SerializationError: The task's data cannot be read.
        """
        data = data_of(self._entry.name, self._task)
        self.source = self._entry.function() if data is None and self._entry.bare else self._entry.function(data)
        return self.source

    def step(self) -> None:
        """Goes on to the next `yield` of a plain generator, or to its end. The task's code."""
        generator = self._generator
        if generator is None:
            generator = self._generator = self.open()
        try:
            value = next(generator)
        except StopIteration:
            self.ended = True
            return
        self.take(value)

    def take(self, value: Any) -> None:
        """Keeps an item to be sent, pickled if need be. The task's code, for pickling may run some of it.

        Raises:
            SerializationError: It cannot be pickled.
        """
        self._payload = (
            None if is_inline(value) else encode_result(self._entry.name, value, "an item", self._session.pack)
        )
        self._value = value
        self.taken = True

    def send(self) -> bool:
        """Sends the item that was taken; returns whether it was sent at once. The worker's own code."""
        session = self._session
        if self._payload is None:
            session.reply((self.sequence, ITEM, self._value, 0.0))
        else:
            session.packer.commit()
            session.reply((self.sequence, ITEM, None, 0.0, self._payload))
        self._value = self._payload = None
        self.taken = False
        self.credit -= 1
        now = perf_counter()
        if now - self._flushed < HOLD:
            return False
        session.flush()
        self._flushed = now
        return True

    def grant(self, count: int) -> None:
        """The reader has taken so many items."""
        self.credit += count
        if self.granted is not None:
            self.granted()

    def wait(self) -> None:
        """Waits for credit where there is no event loop. The task's code, for an abort ends it."""
        self._session.wait_for(self)

    def close(self, failure: BaseException | None) -> BaseException | None:
        """Ends a plain generator, if it has not ended; returns what failed in the end. The worker's own code."""
        generator = self._generator
        if generator is None or self._session.forked:
            return failure
        # Twice, because an abort, which is raised once, may come just before the first does anything.
        for _ in range(2):
            later = in_task(self._session, self.sequence, generator.close)
            if later is not None:
                # As it would be had it been closed where the failure was caught.
                first: BaseException = later
                while first.__context__ is not None:
                    first = first.__context__
                if first is not failure:
                    first.__context__ = failure
                failure = later
        return failure

    def reply(self, failure: BaseException | None, run_time: float) -> None:
        """Says how it ended. The worker's own code."""
        session = self._session
        del session.streams[self.sequence]
        if failure is None and session.aborted != self.sequence:
            session.reply((self.sequence, EXHAUSTED, None, run_time))
        else:
            session.reply_error(self.sequence, failure or TaskAborted(), run_time)


def in_task(session: Session, sequence: int, code: Callable[[], object]) -> BaseException | None:
    """Runs code of a task, which an abort may interrupt; returns what it raised."""
    # Two handlers, for the same reason as in `invoke.run_plain`.
    try:
        try:
            session.current = sequence
            if session.poked:
                session.serve()
            code()
            session.current = 0
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            session.current = 0
            return error
    except BaseException as error:  # noqa: BLE001
        session.current = 0
        return error
    return None


def run_stream(session: Session, task: tuple[Any, ...], entry: Entry, begin: float) -> float:
    """Runs the generator of a stream to its end, where there is no event loop; returns when it ended."""
    sequence = task[0]
    session.ledger.slots[STARTED] = sequence
    session.task = task
    session.deadline = deadline_of(task)
    if session.deadline is not None:
        prepare_dumps(session)
    stream = Stream(session, task, entry)
    while True:
        failure = in_task(session, sequence, stream.step if stream.credit else stream.wait)
        if failure is not None or stream.ended or session.aborted == sequence:
            break
        if stream.taken:
            stream.send()
    failure = stream.close(failure)
    if session.forked:
        leave_fork(failure)
    end = perf_counter()
    stream.reply(failure, end - begin)
    del failure  # its traceback leads back to this frame
    return perf_counter()
