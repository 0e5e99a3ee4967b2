"""From a connected process or interpreter to a running worker, and out again."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from functools import partial

from poolifier.exchange import WorkerReady, WorkerSettings
from poolifier.wire import codec, messages
from poolifier.wire.remote_errors import encode_error
from poolifier.wire.scripts import namespaces
from poolifier.worker import current_task, relay
from poolifier.worker.ledger import Ledger
from poolifier.worker.link import Link
from poolifier.worker.registry import Registry
from poolifier.worker.runtime import run_blocking
from poolifier.worker.session import Session

__all__ = ["run_worker"]


def run_worker(
    link: Link,
    ledger: Ledger,
    prepare: Callable[[], object],
    pid: int | None,
    new_session: Callable[[Link, Ledger, Registry, WorkerSettings], Session] = Session,
) -> int:
    """Runs a worker until its pool stops it; returns the exit code.

    `prepare` runs first; what it raises counts as a failed start, like the errors of the worker
    module and the initializer. `pid` is what the worker has for a process of its own.
    """
    received = link.receive()
    while not received:
        received = link.receive()
    _, (launch, settings, operations) = received[0]
    relay.connect(partial(_tell, link), settings.log_levels, settings.log_disabled)
    try:
        prepare()
        namespaces.define(operations)
        # What the pickles were read from is not kept beside what came of them.
        received[0] = operations = ()  # type: ignore[assignment]
        source, initializer, initargs = codec.decode(launch)
        del launch
        worker = source.load()
        registry = Registry(worker)
        if initializer is not None:
            initializer(*initargs)
        del initializer, initargs
        for key, function in settings.functions:
            registry.add(key, codec.decode(function))
        ready = WorkerReady(
            registry.properties(), worker.max_inactive_time, worker.kill_behavior, pid, source.origins(worker)
        )
    except BaseException as error:  # noqa: BLE001 - also SystemExit: the pool is told why there is no worker
        link.send(messages.message(messages.START_FAILED, encode_error(error)))
        return _leave(1)
    session = new_session(link, ledger, registry, WorkerSettings(settings.concurrency))
    current_task.use_session(session)
    session.listen()
    link.send(messages.message(messages.READY, ready))
    session.dispatch(received[1:])
    if registry.has_async or run_blocking(session):
        # Plain workers start in half the time without asyncio.
        from poolifier.worker.async_runtime import run_async

        run_async(session)
    if worker.kill_handler is not None:
        try:
            worker.kill_handler()
        except BaseException as error:  # noqa: BLE001 - the worker leaves all the same
            sys.excepthook(type(error), error, error.__traceback__)
    return _leave(0)


def _tell(link: Link, frame: bytes) -> None:
    session = current_task.current_session()
    if session is None:
        link.send(frame)
    else:
        session.tell(frame)


def _leave(code: int) -> int:
    """Does what the end of the interpreter would do, which a forked child does not reach."""
    try:
        atexit._run_exitfuncs()
    except BaseException as error:  # noqa: BLE001
        sys.excepthook(type(error), error, error.__traceback__)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    return code
