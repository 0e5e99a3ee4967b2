"""The worker's end of its channel."""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import sys
import threading
from collections import deque
from time import perf_counter

from poolifier.wire import messages
from poolifier.wire.frames import BUFFER_SIZE, FrameDecoder
from poolifier.wire.patience import Patience
from poolifier.wire.sockets import NO_SIGNAL, Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, NoReturn

__all__ = ["Link"]

_LOST: Final = 1
"""Exit code of a worker whose pool went away."""


class Link:
    """Reads messages and writes frames, in blocking mode.

    A worker whose pool is gone has nobody to tell and nothing to finish: it ends on the spot,
    whatever it was doing.
    """

    __slots__ = ("_behind", "_buffer", "_decoder", "_lock", "_patience", "_sending", "_sock")

    def __init__(self, sock: Socket) -> None:
        self._sock = sock
        self._patience = Patience()
        # What a finalizer or a signal handler logs may have to be sent in the middle of `send`, by the same thread.
        self._lock = threading.RLock()
        self._sending = False
        self._behind: deque[bytes] = deque()
        self._decoder = FrameDecoder()
        self._buffer = memoryview(bytearray(BUFFER_SIZE))

    def fileno(self) -> int:
        """The socket's descriptor, for an event loop."""
        return self._sock.fileno()

    def receive(self) -> list[tuple[int, Any]]:
        """Waits until something arrives; returns the messages that are complete.

        While messages follow each other closely it asks for the next one again and again for a moment, where
        that brings it sooner (see `Patience`). A worker that has little to do sleeps at once.
        """
        began = perf_counter()
        stay = self._patience.begin()
        received: list[tuple[int, Any]] | None = None
        if stay:
            end = began + stay
            while received is None and perf_counter() < end:
                try:
                    received = self._read(_socket.MSG_DONTWAIT)
                except BlockingIOError:
                    continue
        if received is None:
            received = self._read(0)
        self._patience.end(perf_counter() - began, stayed=stay > 0.0)
        return received

    def wait(self) -> None:
        """Waits until something arrives, and leaves it there."""
        try:
            self._sock.recv(1, _socket.MSG_PEEK)
        except OSError:
            self.lose()

    def lose(self, why: str = "") -> NoReturn:
        """Ends the worker: there is nobody to work for, or `why` there is no telling what they want."""
        if why:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"poolifier: a worker lost its channel: {why}\n")
        os._exit(_LOST)

    def receive_now(self) -> list[tuple[int, Any]]:
        """Returns the messages that have arrived, without waiting."""
        received: list[tuple[int, Any]] = []
        while True:
            try:
                received += self._read(_socket.MSG_DONTWAIT)
            except BlockingIOError:
                return received

    def _read(self, flags: int) -> list[tuple[int, Any]]:
        try:
            payloads = self._decoder.read(self._sock, self._buffer, flags)
        except BlockingIOError:
            raise
        except OSError as error:
            self.lose(_why(error))
        if payloads is None:
            self.lose()
        return [messages.read(payload) for payload in payloads]

    def send(self, frame: bytes | memoryview) -> None:
        """Writes a whole frame, from any thread; from the main one only where no poke is served meanwhile."""
        lock = self._lock
        # Not by `with`: in Python 3.14 a handler of the user's may raise between its beginning and its body, and no
        # thread could send anything again. Not held, it cannot be released: it was waited for when the handler raised.
        try:
            lock.acquire()
            if self._sending:
                self._behind.append(bytes(frame))
                return
            self._write(frame)
            while self._behind:
                self._write(self._behind.popleft())
        finally:
            try:  # noqa: SIM105 - that is a call
                lock.release()
            except RuntimeError:
                pass

    def _write(self, frame: bytes | memoryview) -> None:
        self._sending = True
        try:
            self._sock.sendall(frame, NO_SIGNAL)
        except OSError as error:
            self.lose(_why(error))
        finally:
            self._sending = False


def _why(error: OSError) -> str:
    """Why the channel is of no use, unless the pool has gone."""
    closed_here = error.errno in (errno.EBADF, errno.ENOTSOCK, errno.ENOTCONN)
    return f"{error} (has a task closed descriptors that are not its own?)" if closed_here else ""
