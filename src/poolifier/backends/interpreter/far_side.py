"""What a worker's interpreter runs: the worker itself, and the control thread beside it.

The pool holds the other end of a *control socket*. What arrives there is a poke: what it is about comes
through the channel, or stands in the ledger, so one that finds the socket full of others may be dropped.
`LEAVING` is a poke that stands for `LEAVE` in the ledger, for whoever has no ledger. The end of the socket
ends the control thread. The pool's end is in the same process, so the worker pokes itself through that.
"""

from __future__ import annotations

import _socket
import atexit
import contextlib
import io
import os
import sys
import threading

from poolifier.backends import stacks
from poolifier.backends.interpreter.session import ChannelLost, InterpreterLink, InterpreterSession
from poolifier.exchange import WorkerSettings
from poolifier.wire.passing import Passing
from poolifier.wire.sockets import NO_SIGNAL, Socket, open_socket
from poolifier.worker import inherited, program_requests
from poolifier.worker.imports import FIRST_PAUSE, SHORT_PAUSE, longer, shelter
from poolifier.worker.ledger import LEAVE, Ledger
from poolifier.worker.link import Link
from poolifier.worker.multiprocessing_child import (
    share_descriptors_without_daemons,
    share_resource_tracker,
    stop_sharing_descriptors,
    trust,
)
from poolifier.worker.registry import Registry
from poolifier.worker.start import run_worker
from poolifier.worker.switching import Turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

__all__ = ["IDENT_SIZE", "LEAVING", "POKE", "THREADS_LEFT", "main"]

IDENT_SIZE: Final = 8
"""Bytes, little-endian, in which the control thread says first what the system calls it."""

THREADS_LEFT: Final = b"t"
"""What is said last where tasks have left threads, which the end of the interpreter waits for."""

POKE: Final = b"p"
LEAVING: Final = b"l"

_BATCH: Final = 4096


def main(fds: tuple[int, ...], poking_fd: int) -> None:
    """Runs a worker in this interpreter until it leaves. Takes over all descriptors but the last, the pool's end.

    They are those of the channel, of the socket for descriptors, the ledger, the control socket and of requests, and
    then what the worker inherits.
    """
    channel, passing_fd, ledger_fd, control_fd, requests, *inheritance = fds
    waiting = dict(enumerate(inheritance))
    stacks.share()
    program_requests.use(requests)
    # First of all that is registered, so last of all that is done: threads that tasks have left may use it until then.
    atexit.register(program_requests.stop)
    inherited.receive(waiting.pop)
    sock = open_socket(channel)
    passing = Passing(open_socket(passing_fd), waits=True)
    control_sock = open_socket(control_fd)
    ledger = Ledger(ledger_fd)
    os.close(ledger_fd)
    for stream in (sys.stdout, sys.stderr):
        # The streams of all workers end in the same place, where their lines are not to be torn.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    link = InterpreterLink(sock)
    control = _Control(control_sock, poking_fd, link, ledger, passing)
    try:
        with contextlib.suppress(ChannelLost):
            run_worker(link, ledger, _prepare, None, control.new_session)
    finally:
        # Here, for in a thread that ends its interpreter Python 3.13 prints an error when that waits for another one.
        with contextlib.suppress(Exception):
            stop_sharing_descriptors()
        control.end()
        link.close()
        control.let_go()
        passing.close()
        for fd in waiting.values():
            os.close(fd)


def _prepare(settings: WorkerSettings) -> None:
    """Prepares what an interpreter does not share with the others of its process."""
    share_resource_tracker()
    share_descriptors_without_daemons()
    if settings.program is not None:
        trust(settings.program)


class _Control:
    def __init__(self, sock: Socket, poking_fd: int, link: InterpreterLink, ledger: Ledger, passing: Passing) -> None:
        self._sock = sock
        self._poking_fd = poking_fd
        self._link = link
        self._ledger = ledger
        self._passing = passing
        self._let_go: Callable[[], object] | None = None
        self._session: InterpreterSession | None = None
        self._ending = False
        self._pause = FIRST_PAUSE
        self._turns = Turns()
        # No daemon, for interpreters with a lock of their own have none.
        self._thread = threading.Thread(target=self._run, name="poolifier-control")
        self._thread.start()

    def new_session(
        self, link: Link, ledger: Ledger, registry: Registry, settings: WorkerSettings
    ) -> InterpreterSession:
        session = InterpreterSession(link, ledger, registry, settings, self._passing)
        self._let_go = session.let_go
        # Whatever it missed.
        session.poked = True
        self._session = session
        if ledger.slots[LEAVE]:
            raise ChannelLost
        report = sys.unraisablehook

        def poke_soon() -> None:
            # Not by `os.write`, because that may raise SIGPIPE. The descriptor is the pool's, and stays open.
            poking = _socket.socket(fileno=self._poking_fd)
            try:
                with contextlib.suppress(OSError):
                    poking.setblocking(False)
                    poking.send(POKE, NO_SIGNAL)
            finally:
                poking.detach()

        def listen(unraisable: sys.UnraisableHookArgs) -> None:
            if session.unheard(unraisable.exc_type):
                poke_soon()
            else:
                report(unraisable)

        session.poke_soon = poke_soon
        # An abort that is raised in there is one that goes unheard for good.
        shelter(listen.__code__)
        sys.unraisablehook = listen
        return session

    def _poked(self) -> None:
        session = self._session
        leave = self._ledger.slots[LEAVE]
        if session is not None:
            session.poke()
            if leave:
                session.cancel_all()
        if leave:
            self._link.hang_up()
            # The worker may be waiting for a descriptor that the pool is not going to give it any more.
            self._passing.hang_up()

    def let_go(self) -> None:
        """Closes what large data has gone through, once nothing uses it any more."""
        if self._let_go is not None:
            self._let_go()

    def end(self) -> None:
        """Ends the thread, from the worker's."""
        self._session = None
        self._ending = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(_socket.SHUT_RD)
        self._thread.join()
        # The worker's own thread is a foreign one here, as is the main one of the process.
        if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
            with contextlib.suppress(OSError):
                self._sock.send(THREADS_LEFT, NO_SIGNAL)
        self._sock.close()

    def _hear(self) -> bytes:
        """Waits for what the pool says; while an abort is held, not for long."""
        session = self._session
        if session is None or not session.held:
            self._pause = FIRST_PAUSE
            self._turns.restore()
            self._sock.settimeout(None)
        elif session.patience.gets_on:
            self._turns.shorten()
            self._sock.settimeout(SHORT_PAUSE)
        else:
            self._turns.restore()
            self._sock.settimeout(self._pause)
            self._pause = longer(self._pause)
        try:
            return self._sock.recv(_BATCH)
        except TimeoutError:
            return POKE

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.sendall(threading.get_native_id().to_bytes(IDENT_SIZE, "little"), NO_SIGNAL)
            while said := self._hear():
                if LEAVING in said:
                    self._ledger.slots[LEAVE] = 1
                self._poked()
        if self._ending:
            return
        session = self._session
        if session is not None:
            session.calm()
        with contextlib.suppress(Exception):
            stop_sharing_descriptors()
        # Says that there is nothing but the end of this thread to wait for.
        with contextlib.suppress(OSError):
            self._sock.shutdown(_socket.SHUT_RDWR)
