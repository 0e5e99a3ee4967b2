"""From a connected process or interpreter to a running worker, and out again."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable
from functools import partial

from poolifier.error_attributes import traceback_of
from poolifier.exchange import WorkerReady, WorkerSettings
from poolifier.wire import codec, messages
from poolifier.wire.remote_errors import encode_error
from poolifier.wire.scripts import namespaces
from poolifier.worker import current_task, relay
from poolifier.worker.ledger import ENDING, Ledger
from poolifier.worker.link import Link
from poolifier.worker.loading import loading
from poolifier.worker.registry import Registry
from poolifier.worker.runtime import run_blocking
from poolifier.worker.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from poolifier.worker.source import WorkerSource

__all__ = ["Launch", "run_worker"]

Launch: TypeAlias = "bytes | tuple[WorkerSource, Callable[..., object] | None, tuple[Any, ...]]"
"""What a worker starts from: where its task functions come from, the initializer and its arguments; or their pickle."""


def run_worker(
    link: Link,
    ledger: Ledger,
    prepare: Callable[[WorkerSettings], object],
    pid: int | None,
    new_session: Callable[[Link, Ledger, Registry, WorkerSettings], Session] = Session,
    inherited: Launch | None = None,
) -> int:
    """Runs a worker until its pool stops it; returns the exit code.

    `prepare` runs first; what it raises counts as a failed start, like the errors of the worker
    module and the initializer. `pid` is what the worker has for a process of its own: then this does what the end of
    the interpreter does, which a process that was forked does not reach. `inherited` is what it starts from, where it
    is not sent that.
    """
    received = link.receive()
    while not received:
        received = link.receive()
    _, (launch, settings, operations) = received.pop(0)
    relay.connect(partial(_tell, link), settings.log_levels, settings.log_disabled)
    try:
        prepare(settings)
        if inherited is not None and not launch:
            launch = inherited
        with loading():
            namespaces.define(operations)
            source, initializer, initargs = codec.decode(launch) if isinstance(launch, bytes) else launch
            # It may be large, and what it held is here now: a worker is to have one copy of that, not two.
            del operations
            del launch
            worker = source.load()
        registry = Registry(worker)
        source.initialize(initializer, initargs)
        # What the initializer has not kept is of no more use.
        del initializer, initargs
        with loading():
            for key, function in settings.functions:
                registry.add(key, codec.decode(function))
        ready = WorkerReady(
            registry.properties(), worker.max_inactive_time, worker.kill_behavior, pid, source.origins(worker)
        )
    except BaseException as error:  # noqa: BLE001 - also SystemExit: the pool is told why there is no worker
        link.send(messages.message(messages.START_FAILED, encode_error(error)))
        return _leave(1, ledger, pid)
    session = new_session(link, ledger, registry, WorkerSettings(settings.concurrency))
    current_task.use_session(session)
    session.listen()
    link.send(messages.message(messages.READY, ready))
    session.dispatch(received)
    if registry.has_async or run_blocking(session):
        # Plain workers start in half the time without asyncio.
        from poolifier.worker.async_runtime import run_async

        run_async(session)
    if worker.kill_handler is not None:
        try:
            worker.kill_handler()
        except BaseException as error:  # noqa: BLE001 - the worker leaves all the same
            sys.excepthook(type(error), error, traceback_of(error))
    return _leave(0, ledger, pid)


def _tell(link: Link, frame: bytes) -> None:
    session = current_task.current_session()
    if session is None:
        link.send(frame)
    else:
        session.tell(frame)


def _leave(code: int, ledger: Ledger, pid: int | None) -> int:
    if pid is not None:
        ledger.slots[ENDING] = 1
        # In this order, as Python itself: executors, and pools of processes, end before `multiprocessing` waits for
        # their processes, which it does in `atexit`. Then threads that are no daemons are waited for.
        for end in (threading._shutdown, atexit._run_exitfuncs):  # type: ignore[attr-defined]
            try:
                end()
            except BaseException as error:  # noqa: BLE001
                sys.excepthook(type(error), error, traceback_of(error))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    return code
