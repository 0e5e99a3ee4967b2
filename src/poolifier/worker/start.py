"""From a connected process to a running worker, and out again."""

from __future__ import annotations

import atexit
import os
import socket
import sys
from collections.abc import Callable

from poolifier.exchange import WorkerReady, WorkerSettings
from poolifier.wire import codec, messages
from poolifier.wire.passing import Passing
from poolifier.wire.remote_errors import encode_error
from poolifier.worker import current_task
from poolifier.worker.ledger import Ledger
from poolifier.worker.link import Link
from poolifier.worker.registry import Registry
from poolifier.worker.runtime import run_blocking
from poolifier.worker.session import Session

__all__ = ["run_worker"]


def run_worker(
    sock: socket.socket, ledger_fd: int, prepare: Callable[[], object], beside: socket.socket | None = None
) -> int:
    """Runs a worker until its pool stops it; returns the exit code.

    `beside` is where descriptors pass; without it nothing goes through shared memory.

    `prepare` runs first; what it raises counts as a failed start, like the errors of the worker
    module and the initializer.
    """
    link = Link(sock)
    ledger = Ledger(ledger_fd)
    os.close(ledger_fd)
    received = link.receive()
    while not received:
        received = link.receive()
    _, (launch, settings) = received[0]
    try:
        prepare()
        source, initializer, initargs = codec.decode(launch)
        worker = source.load()
        registry = Registry(worker)
        if initializer is not None:
            initializer(*initargs)
        for key, function in settings.functions:
            registry.add(key, codec.decode(function))
        ready = WorkerReady(registry.properties(), worker.max_inactive_time, worker.kill_behavior, os.getpid())
    except BaseException as error:  # noqa: BLE001 - also SystemExit: the pool is told why there is no worker
        link.send(messages.message(messages.START_FAILED, encode_error(error)))
        return _leave(1)
    passing = None if beside is None else Passing(beside, waits=True)
    session = Session(link, ledger, registry, WorkerSettings(settings.concurrency), passing)
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
