"""Running plain code of tasks where an abort can interrupt it. `worker` says why this is safe."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from time import perf_counter
from typing import Any

from poolifier.backends.thread.worker import ThreadWorker
from poolifier.error_attributes import set_traceback, traceback_of
from poolifier.exchange import DONE, FAILED, MAP_FAILED, MAPPED, RETURNED, Items, WireTask
from poolifier.worker.chunks import HOLD
from poolifier.worker.invoke import SMOOTHING, deadline_of
from poolifier.worker.registry import NEVER_RUN, Entry

__all__ = ["guarded", "own_traceback", "run_plain"]


def run_plain(worker: ThreadWorker, task: WireTask, entry: Entry, begin: float) -> float:
    """Runs a plain function for a task, or for all items of a chunk; returns when it ended."""
    worker.task = task
    worker.deadline = deadline_of(task) if len(task) > 4 else None
    context, data = worker.unpack(task)
    if type(data) is Items:
        end = _run_items(worker, task[0], entry, context, data, begin)
    else:
        end = _run(worker, task[0], entry, context, data, begin, DONE, FAILED)
    worker.task = None
    return end


def guarded(worker: ThreadWorker, sequence: int, code: Callable[[], object]) -> BaseException | None:
    """Runs code of a task, which an abort may interrupt; returns what it raised."""
    # An error is kept in no variable of its own here, nor below: its traceback leads back to this frame,
    # and the two would keep each other, and the task's data, until the garbage is collected.
    window = worker.window
    try:
        try:
            window[sequence] = True
            if worker.wanted:
                worker.look(sequence)
            code()
            if window.pop(sequence, None) is None:
                worker.settle(sequence)
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            if window.pop(sequence, None) is None:
                worker.settle(sequence)
            return error
    except BaseException as error:  # noqa: BLE001 - the abort, delivered while the worker settled
        if window.pop(sequence, None) is None:
            worker.settle(sequence)
        return error
    return None


def own_traceback(error: BaseException) -> BaseException:
    """Leaves the worker's own frame out of a traceback: it says nothing, and would keep alive what it holds."""
    traceback = traceback_of(error)
    if traceback is not None and traceback.tb_next is not None:
        # Not as an attribute: a frozen dataclass would refuse that, and this thread would end.
        set_traceback(error, traceback.tb_next)
    return error


def _run(
    worker: ThreadWorker,
    sequence: int,
    entry: Entry,
    context: Context,
    data: Any,
    begin: float,
    done: int,
    failed: int,
) -> float:
    """As `guarded`, without its cost, and books the reply."""
    window = worker.window
    try:
        try:
            window[sequence] = True
            if worker.wanted:
                worker.look(sequence)
            value = context.run(entry.function) if data is None and entry.bare else context.run(entry.function, data)
            if window.pop(sequence, None) is None:
                worker.settle(sequence)
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            if window.pop(sequence, None) is None:
                worker.settle(sequence)
            return _fail(worker, sequence, entry, error, begin, failed)
    except BaseException as error:  # noqa: BLE001 - the abort, delivered while the worker settled
        if window.pop(sequence, None) is None:
            worker.settle(sequence)
        return _fail(worker, sequence, entry, error, begin, failed)
    end = perf_counter()
    run_time = end - begin
    if worker.aborted == sequence:
        worker.reply_end(sequence, done, None, run_time)
    else:
        worker.outgoing.append((sequence, done, value, run_time))
    mean = entry.mean
    entry.mean = run_time if mean == NEVER_RUN else mean + (run_time - mean) * SMOOTHING
    return end


def _fail(worker: ThreadWorker, sequence: int, entry: Entry, error: BaseException, begin: float, failed: int) -> float:
    end = perf_counter()
    run_time = end - begin
    worker.reply_end(sequence, failed, own_traceback(error), run_time)
    mean = entry.mean
    entry.mean = run_time if mean == NEVER_RUN else mean + (run_time - mean) * SMOOTHING
    return end


def _run_items(
    worker: ThreadWorker, sequence: int, entry: Entry, context: Context, items: Items, begin: float
) -> float:
    """Runs the items in order, each in a context of its own. What is wanted back goes back in between."""
    left = len(items)
    now = sent = begin
    for item in items:
        left -= 1
        done, failed = (MAPPED, MAP_FAILED) if left else (DONE, FAILED)
        now = _run(worker, sequence, entry, context.copy(), item, now, done, failed)
        worker.began = sequence
        if worker.aborted == sequence:
            break
        if left and sequence <= worker.cut:
            worker.reply((sequence, RETURNED, None, 0.0))
            break
        if now - sent > HOLD:
            worker.flush()
            now = sent = perf_counter()
    return now
