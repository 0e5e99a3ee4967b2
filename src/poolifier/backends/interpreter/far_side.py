"""What a worker's interpreter runs: the worker itself, and the control thread beside it.

The pool holds the other end of a *control socket*. A byte that arrives there is a poke; its end says that
the worker is to leave now, and ends the control thread. Nothing else is said there: whatever is to be
known stands in the ledger or comes through the channel, so a poke that finds the socket full of
others may be dropped.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import Final

from poolifier.backends.interpreter.session import ChannelLost, InterpreterLink, InterpreterSession
from poolifier.protocols import WorkerSettings
from poolifier.worker.ledger import LEAVE, Ledger
from poolifier.worker.link import Link
from poolifier.worker.registry import Registry
from poolifier.worker.start import run_worker

__all__ = ["IDENT_SIZE", "main"]

IDENT_SIZE: Final = 8
"""Bytes, little-endian, in which the control thread says first what the system calls it."""

_BATCH: Final = 4096


def main(channel: int, ledger_fd: int, control_fd: int) -> None:
    """Runs a worker in this interpreter until it leaves. Takes over the descriptors."""
    sock = socket.socket(fileno=channel)
    control_sock = socket.socket(fileno=control_fd)
    ledger = Ledger(ledger_fd)
    os.close(ledger_fd)
    for stream in (sys.stdout, sys.stderr):
        # The streams of all workers end in the same place, where their lines are not to be torn.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    control = _Control(control_sock, ledger)
    try:
        run_worker(InterpreterLink(sock), ledger, _nothing, None, control.new_session)
    except ChannelLost:
        pass
    finally:
        control.end()
        sock.close()


def _nothing() -> None:
    """There is nothing to prepare: what a process may have of its own, an interpreter shares."""


class _Control:
    def __init__(self, sock: socket.socket, ledger: Ledger) -> None:
        self._sock = sock
        self._ledger = ledger
        self._session: InterpreterSession | None = None
        # No daemon, for interpreters with a lock of their own have none.
        self._thread = threading.Thread(target=self._run, name="poolifier-control")
        self._thread.start()

    def new_session(self, link: Link, ledger: Ledger, registry: Registry, settings: WorkerSettings) -> InterpreterSession:
        session = InterpreterSession(link, ledger, registry, settings)
        # Whatever it missed.
        session.poked = True
        self._session = session
        if ledger.slots[LEAVE]:
            raise ChannelLost
        return session

    def end(self) -> None:
        """Ends the thread, from the worker's."""
        self._session = None
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join()
        self._sock.close()

    def _run(self) -> None:
        try:
            self._sock.sendall(threading.get_native_id().to_bytes(IDENT_SIZE, "little"))
            while self._sock.recv(_BATCH):
                session = self._session
                if session is not None:
                    session.poke()
        except OSError:
            pass
        self._ledger.slots[LEAVE] = 1
        session = self._session
        if session is not None:
            session.leave()
