"""Running one plain task, and answering it."""

from __future__ import annotations

import os
import sys
from time import monotonic, perf_counter

from poolifier.errors import SerializationError
from poolifier.exchange import DONE, FAILED, WireTerms
from poolifier.function_kinds import wrong_use
from poolifier.wire.codec import ATOMS, LARGE, SIZED, decode, describe, encode_result, is_flat
from poolifier.worker.ledger import STARTED
from poolifier.worker.registry import NEVER_RUN, Entry
from poolifier.worker.session import Session
from poolifier.worker.standing import prepare_dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "INLINE_TASK",
    "SMOOTHING",
    "data_of",
    "deadline_of",
    "fail",
    "is_stream",
    "leave_fork",
    "refusal",
    "run_plain",
    "terms_of",
]

INLINE_TASK = 4
"""Length of a wire task whose data is in it and whose terms are the usual ones."""

_WITH_TERMS = 5
_WITH_PICKLE = 6

SMOOTHING = 0.2
"""Weight of the last run in a function's mean run time."""


def run_plain(
    session: Session, task: tuple[Any, ...], entry: Entry, begin: float, done: int = DONE, failed: int = FAILED
) -> float:
    """Runs a task and books its reply, `done` or `failed`; returns when it ended.

    The ledger is marked before anything that the task's data or code could do.
    """
    sequence = task[0]
    session.ledger.slots[STARTED] = sequence
    session.task = task
    payload = None
    # An abort may be raised anywhere while `current` is set: also between the end of the function
    # and the next statement, or (once) on the way into the inner handler. Hence two of them.
    try:
        try:
            session.current = sequence
            if session.poked:
                session.serve()
            data = task[2] if len(task) == INLINE_TASK else unusual_data(session, task, entry)
            value = entry.function() if data is None and entry.bare else entry.function(data)
            kind = type(value)
            if kind not in ATOMS and (kind not in SIZED or len(value) >= LARGE) and not is_flat(value):
                payload = encode_result(entry.name, value, pack=session.pack)
            session.current = 0
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            session.current = 0
            return fail(session, sequence, entry, error, begin, failed)
    except BaseException as error:  # noqa: BLE001
        session.current = 0
        return fail(session, sequence, entry, error, begin, failed)
    end = perf_counter()
    run_time = end - begin
    if session.aborted == sequence or payload is not None:
        if session.forked:
            leave_fork(None)
        session.reply_result(sequence, value, run_time, payload, done)
    else:
        session.reply((sequence, done, value, run_time))
    mean = entry.mean
    entry.mean = run_time if mean == NEVER_RUN else mean + (run_time - mean) * SMOOTHING
    return end


def terms_of(task: tuple[Any, ...]) -> WireTerms | None:
    """The terms of a task, or None where they are the usual ones."""
    return task[4] if len(task) >= _WITH_TERMS else None


def is_stream(task: tuple[Any, ...]) -> bool:
    """Whether the task was called by `stream`."""
    terms = terms_of(task)
    return terms is not None and terms[2] > 0


def deadline_of(task: tuple[Any, ...]) -> float | None:
    """When the running time of a task that begins now is over, or None for no limit."""
    terms = terms_of(task)
    return monotonic() + terms[1] if terms is not None and terms[1] is not None else None


def unusual_data(session: Session, task: tuple[Any, ...], entry: Entry) -> Any:
    """The data of a plain task that has it as a pickle or has terms of its own, which begin here.

    Raises:
        SerializationError: It cannot be read.
        TypeError: It is meant to be a stream.
    """
    if task[4] is not None:
        error = refusal(session, task, entry)
        if error is not None:
            raise error
        session.deadline = deadline_of(task)
        if session.deadline is not None:
            prepare_dumps(session)
    return data_of(entry.name, task)


def data_of(name: str, task: tuple[Any, ...]) -> Any:
    """The data of a task.

    Raises:
        SerializationError: It cannot be read.
    """
    if len(task) < _WITH_PICKLE:
        return task[2]
    try:
        return decode(task[5])
    except BaseException as error:
        raise SerializationError(
            f"the data of task function {name!r} cannot be unpickled in the worker: {describe(error)}"
        ) from error


def refusal(session: Session, task: tuple[Any, ...], entry: Entry | None) -> Exception | None:
    """Why a task cannot be run this way, or None where it can."""
    if entry is None:
        return session.registry.unknown(task[1])
    return wrong_use(entry.name, entry.kind, stream=is_stream(task))


def fail(session: Session, sequence: int, entry: Entry, error: BaseException, begin: float, failed: int) -> float:
    """Answers a task that began at that time and has raised an error; returns when the next one may begin."""
    if session.forked:
        leave_fork(error)
    end = perf_counter()
    run_time = end - begin
    session.reply_error(sequence, error, run_time, failed)
    mean = entry.mean
    entry.mean = run_time if mean == NEVER_RUN else mean + (run_time - mean) * SMOOTHING
    # Encoding an error takes long enough to be left out of the next task's time.
    return perf_counter()


def leave_fork(error: BaseException | None) -> None:
    """Ends a child that a task's code forked off and let return from the task."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)
