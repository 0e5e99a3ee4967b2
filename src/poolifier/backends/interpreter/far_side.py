"""What a worker's interpreter runs: the worker itself, and the control thread beside it.

The pool holds the other end of a *control socket*. What arrives there is a poke: what it is about comes
through the channel, or stands in the ledger, so one that finds the socket full of others may be dropped.
`LEAVING` is a poke that stands for `LEAVE` in the ledger, for whoever has no ledger. `UNWIND` is for the end of the
process: see `unwinding`; it is answered by `RESTING`, unless the worker leaves. The end of the socket ends the control
thread. The pool's end is in the same process, so the worker pokes itself through that.
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
from poolifier.backends.interpreter.unwinding import LOOK_PAUSE, Unwinding
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

__all__ = ["IDENT_SIZE", "LEAVES", "LEAVING", "POKE", "RESTING", "UNWIND", "main"]

IDENT_SIZE: Final = 8
"""Bytes, little-endian, in which the control thread says first what the system calls it."""

RESTING: Final = b"r"
"""What is said once the worker's thread is in a call that does not hold the interpreter's lock, and may stay there."""

LEAVES: Final = b"e"
"""What is said last if the worker leaves, so that its thread ends: after threads that tasks have left, if there are."""

POKE: Final = b"p"
LEAVING: Final = b"l"
UNWIND: Final = b"u"

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
        control.begin()
        run_worker(link, ledger, _prepare, None, control.new_session)
    except ChannelLost:
        # Not by `contextlib.suppress`: that is code in which an unwinding would raise another.
        pass
    finally:
        # First, for what follows is not to be unwound.
        control.end()
        # Here, for in a thread that ends its interpreter Python 3.13 prints an error when that waits for another one.
        with contextlib.suppress(Exception):
            stop_sharing_descriptors()
        if control.has_unwound and "logging" in sys.modules:
            # asyncio logs the tasks that were not ended, when there is nothing left to log with.
            sys.modules["logging"].raiseExceptions = False  # type: ignore[attr-defined]
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
        self._unwinding = Unwinding(ChannelLost, lambda: not self._ending)
        # No daemon, for interpreters with a lock of their own have none.
        self._thread = threading.Thread(target=self._run, name="poolifier-control")

    @property
    def has_unwound(self) -> bool:
        """Whether the worker's code has been unwound, or was about to be."""
        return self._unwinding.has_begun

    def begin(self) -> None:
        """Starts the thread. From then on this one may be unwound, at any line that is not ours."""
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
            elif not (self._unwinding.has_begun and unraisable.exc_type is ChannelLost):
                # What is unwound has finalizers, which are unwound as well.
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
        self._ending = True
        self._session = None
        with contextlib.suppress(OSError):
            self._sock.shutdown(_socket.SHUT_RD)
        self._thread.join()
        with contextlib.suppress(OSError):
            self._sock.send(LEAVES, NO_SIGNAL)
        self._sock.close()

    def _hear(self) -> bytes:
        """Waits for what the pool says; while an abort is held, not for long."""
        session = self._session
        if self._unwinding.has_begun:
            self._sock.settimeout(LOOK_PAUSE)
        elif session is None or not session.held:
            self._pause = FIRST_PAUSE
            self._turns.restore()
            self._sock.settimeout(None)
        elif session.gets_on:
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
                if UNWIND in said:
                    self._unwinding.begin()
                    if not self._unwinding.has_begun:
                        # Nothing can be done, so nothing is to be waited for.
                        self._sock.send(RESTING, NO_SIGNAL)
                if LEAVING in said:
                    self._ledger.slots[LEAVE] = 1
                self._poked()
                if self._unwinding.has_begun and self._unwinding.rests():
                    self._sock.send(RESTING, NO_SIGNAL)
        self._unwinding.end()
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
