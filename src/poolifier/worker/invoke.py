"""Running one plain task, and answering it."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from poolifier.errors import SerializationError
from poolifier.protocols import DONE
from poolifier.wire.codec import ATOMS, decode, describe, encode_result
from poolifier.worker.ledger import STARTED
from poolifier.worker.registry import NEVER_RUN, Entry
from poolifier.worker.session import Session

__all__ = ["INLINE_TASK", "SMOOTHING", "data_of", "refusal", "run_plain"]

INLINE_TASK = 3
"""Length of a wire task whose data is in it; one more has its data as a pickle."""

SMOOTHING = 0.2
"""Weight of the last run in a function's mean run time."""


def run_plain(session: Session, task: tuple[Any, ...], entry: Entry, begin: float) -> float:
    """Runs a task and books its reply; returns when it ended.

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
            data = task[2] if len(task) == INLINE_TASK else data_of(entry.name, task)
            value = entry.function() if data is None and entry.bare else entry.function(data)
            if type(value) not in ATOMS:
                payload = encode_result(entry.name, value)
            session.current = 0
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            session.current = 0
            return _fail(session, sequence, entry, error, begin)
    except BaseException as error:  # noqa: BLE001
        session.current = 0
        return _fail(session, sequence, entry, error, begin)
    end = perf_counter()
    run_time = end - begin
    if session.aborted == sequence or payload is not None:
        if session.forked:
            session.leave_fork(None)
        session.reply_result(sequence, value, run_time, payload)
    else:
        session.reply((sequence, DONE, value, run_time))
    mean = entry.mean
    entry.mean = run_time if mean == NEVER_RUN else mean + (run_time - mean) * SMOOTHING
    return end


def data_of(name: str, task: tuple[Any, ...]) -> Any:
    """The data of a task that carries it as a pickle.

    Raises:
        SerializationError: It cannot be read.
    """
    try:
        return decode(task[3])
    except Exception as error:
        raise SerializationError(
            f"the data of task function {name!r} cannot be unpickled in the worker: {describe(error)}"
        ) from error


def refusal(session: Session, task: tuple[Any, ...], entry: Entry | None) -> Exception | None:
    """Why a task cannot be run this way, or None where it can."""
    if entry is None:
        return session.registry.unknown(task[1])
    if entry.kind in ("generator", "async_generator"):
        return TypeError(f"task function {entry.name!r} is a generator; use pool.stream for it, not execute")
    return None


def _fail(session: Session, sequence: int, entry: Entry, error: BaseException, begin: float) -> float:
    if session.forked:
        session.leave_fork(error)
    end = perf_counter()
    run_time = end - begin
    session.reply_error(sequence, error, run_time)
    mean = entry.mean
    entry.mean = run_time if mean == NEVER_RUN else mean + (run_time - mean) * SMOOTHING
    # Encoding an error takes long enough to be left out of the next task's time.
    return perf_counter()
