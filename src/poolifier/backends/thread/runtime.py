"""The life of a worker thread: load, run tasks, leave. Imports asyncio's parts only for asynchronous functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from poolifier.backends.thread.invoke import run_plain
from poolifier.backends.thread.streams import run_stream
from poolifier.backends.thread.worker import LEAVE, ThreadWorker
from poolifier.error_attributes import traceback_of
from poolifier.exchange import FAILED, WireTask, WorkerReady
from poolifier.function_kinds import wrong_use
from poolifier.worker import current_task
from poolifier.worker.invoke import is_stream
from poolifier.worker.outbox import HOLD
from poolifier.worker.registry import Entry
from poolifier.worker.runtime import SLOW
from poolifier.worker.source import WorkerSource

__all__ = ["refuse", "run_thread"]


def run_thread(
    worker: ThreadWorker,
    source: WorkerSource,
    initializer: Callable[..., object] | None,
    initargs: Sequence[Any],
    ready: Callable[[WorkerReady], object],
    ended: Callable[[BaseException | None], object],
) -> None:
    """Runs a worker in the calling thread; `ready` and `ended` are called on the pool's event loop."""
    worker.enter()
    try:
        _run(worker, source, initializer, initargs, ready, ended)
    finally:
        worker.leave()


def _run(
    worker: ThreadWorker,
    source: WorkerSource,
    initializer: Callable[..., object] | None,
    initargs: Sequence[Any],
    ready: Callable[[WorkerReady], object],
    ended: Callable[[BaseException | None], object],
) -> None:
    try:
        declared = source.load()
        worker.registry = registry = worker.hold(declared)
        source.initialize(initializer, initargs)
        said = WorkerReady(
            registry.properties(),
            declared.max_inactive_time,
            declared.kill_behavior,
            origins=source.origins(declared),
        )
    except BaseException as error:  # noqa: BLE001 - also SystemExit: the pool is told why there is no worker
        worker.call_loop(ended, error)
        return
    worker.call_loop(ready, said)
    try:
        with current_task.host_of_thread(worker):
            if _run_blocking(worker):
                from poolifier.backends.thread.async_runtime import run_async

                run_async(worker)
        worker.flush()
        if declared.kill_handler is not None and LEAVE not in worker.wanted:
            try:
                declared.kill_handler()
            except BaseException as error:  # noqa: BLE001 - the worker leaves all the same
                sys.excepthook(type(error), error, traceback_of(error))
    except BaseException as error:  # noqa: BLE001 - a fault of ours: the pool must hear that the worker is gone
        worker.call_loop(ended, error)
    else:
        worker.call_loop(ended, None)


def refuse(worker: ThreadWorker, task: WireTask, entry: Entry | None) -> bool:
    """Answers a task that cannot be run this way; False where it can."""
    if entry is None:
        error: Exception | None = worker.registry.unknown(task[1])
    else:
        error = wrong_use(entry.name, entry.kind, stream=is_stream(task))
    if error is None:
        return False
    worker.reply((task[0], FAILED, error, 0.0))
    return True


def _run_blocking(worker: ThreadWorker) -> bool:
    """Serves until the worker is to leave (False), or the first task comes that needs an event loop (True)."""
    inbox = worker.inbox
    popleft = inbox.popleft
    outgoing = worker.outgoing
    find = worker.registry.entries.get
    task: WireTask | None
    now = sent = perf_counter()
    while True:
        try:
            task = popleft()
        except IndexError:
            worker.flush()
            if worker.stopping:
                # It was told so after it had been sent its last task.
                if inbox:
                    continue
                return False
            # Nothing of the last task is to live on while there is no other.
            task = None
            worker.rest()
            now = sent = perf_counter()
            continue
        entry = find(task[1])
        if entry is not None and entry.kind == "plain" and (len(task) == 4 or not is_stream(task)):
            if outgoing and (entry.mean > SLOW or now - sent > HOLD):
                worker.flush()
                now = sent = perf_counter()
            worker.started = task[0]
            now = run_plain(worker, task, entry, now)
            continue
        if entry is not None and entry.kind in ("async", "async_generator"):
            inbox.appendleft(task)
            return True
        worker.started = task[0]
        if not refuse(worker, task, entry):
            assert entry is not None
            worker.flush()
            now = sent = run_stream(worker, task, entry, perf_counter())
