"""Answers what workers ask of the program outside of their tasks: see `worker.program_requests`.

A lock is used in a thread for each thread that uses it, because whoever waits for a lock blocks.
"""

from __future__ import annotations

import _socket
import asyncio
import contextlib
import threading
import weakref
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

from poolifier.backends.native_threads import threads_are_native
from poolifier.errors import UnsupportedError
from poolifier.wire.sockets import NO_SIGNAL, Socket, open_socket, recv_fds, send_fds, socket_pair
from poolifier.worker.program_requests import LOCK, REQUEST, RESOURCE_TRACKER
from poolifier.worker.remote_semaphore import ACQUIRE, CONFIRM, FAILED, OPERATION, RELEASE, RESULT

__all__ = ["RequestServer"]

_SLICE: Final = 0.1
"""Seconds that a lock is waited for before it is looked whether somebody still wants it."""


class RequestServer:
    """Serves the workers of one pool, once it has begun.

    Args:
        locks: What stands for the locks that the workers may use, by their number.

    Raises:
        OSError: The system has no room for it.
    """

    def __init__(self, locks: Sequence[Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock, self._theirs = socket_pair()
        self._locks = locks
        self._answers = _Answers(self._sock, locks)
        self._thread: threading.Thread | None = None
        # Also where the pool is forgotten.
        self._end = weakref.finalize(self, _end, self._sock)

    def begin(self) -> None:
        """Begins to serve: on the running event loop, or in a thread where there are locks.

        Whoever has blocked the event loop may wait for a worker that is about to release what he waits for.

        Raises:
            UnsupportedError: There are locks, and no threads for them.
        """
        if self._locks:
            if not threads_are_native():
                raise UnsupportedError(
                    "locks of the start method 'fork' need threads of the system to be used in workers, in place of "
                    "which gevent or eventlet has put its own: leave threads out, as in "
                    "monkey.patch_all(thread=False), or make the locks by multiprocessing.get_context('spawn')"
                )
            self._sock.settimeout(None)
            thread = threading.Thread(target=self._answers.give_all, name="poolifier-requests", daemon=True)
            thread.start()
            self._thread = thread
        else:
            self._sock.setblocking(False)
            self._loop.add_reader(self._sock.fileno(), self._readable)

    def fileno(self) -> int:
        """The descriptor that workers get, to be duplicated."""
        return self._theirs.fileno()

    def close(self) -> None:
        """Ends all connections. Their threads follow at once, or when a wait that has begun is over, within 0.1 s."""
        if self._thread is None:
            self._loop.remove_reader(self._sock.fileno())
        self._end()
        if self._thread is not None:
            self._thread.join()
        self._sock.close()
        self._theirs.close()
        self._answers.close()

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError, InterruptedError):
            if not self._answers.give():
                self._loop.remove_reader(self._sock.fileno())


def _end(sock: Socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(_socket.SHUT_RDWR)


class _Answers:
    """Reads requests and answers them. Knows nothing of the server, so that one which is forgotten can be collected."""

    def __init__(self, sock: Socket, locks: Sequence[Any]) -> None:
        self._sock = sock
        self._locks = locks
        self._connections: list[tuple[Socket, threading.Thread]] = []

    def give_all(self) -> None:
        while self.give():
            pass

    def give(self) -> bool:
        """Answers one request; returns False where there will be no more.

        Raises:
            BlockingIOError: There is none now.
        """
        try:
            data, fds, _ = recv_fds(self._sock, REQUEST.size, 1)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError:
            return False
        if len(data) < REQUEST.size:
            return False
        if not fds:
            return True  # there is no room for a descriptor here, and whoever asks finds his socket closed
        answer = open_socket(fds[0])
        what, which = REQUEST.unpack(data)
        if what == LOCK and which < len(self._locks):
            self._connections = [each for each in self._connections if each[1].is_alive()]
            lock = self._locks[which]
            thread = threading.Thread(target=_serve, args=(lock, answer), name="poolifier-lock", daemon=True)
            thread.start()
            self._connections.append((answer, thread))
            return True
        # What cannot be answered finds the socket closed.
        try:
            if what == RESOURCE_TRACKER:
                _give_resource_tracker(answer)
        finally:
            answer.close()
        return True

    def close(self) -> None:
        for connection, _ in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(_socket.SHUT_RDWR)
        for _, thread in self._connections:
            thread.join()
        self._connections.clear()


def _give_resource_tracker(answer: Socket) -> None:
    # The program may never have used it, so it is not imported before.
    from multiprocessing import resource_tracker

    with contextlib.suppress(OSError):
        fd: Any = resource_tracker.getfd()
        send_fds(answer, b"t", [fd])


def _serve(lock: Any, connection: Socket) -> None:
    """Uses a lock for a thread of a worker, until that closes the connection."""
    unconfirmed = False
    # An `RLock` belongs to the thread that acquires it, which this one is for the worker's.
    try:
        while len(said := connection.recv(OPERATION.size, _socket.MSG_WAITALL)) == OPERATION.size:
            operation, seconds = OPERATION.unpack(said)
            if operation == CONFIRM:
                unconfirmed = False
                continue
            if operation == ACQUIRE:
                result = int(unconfirmed := _acquired(lock, seconds, connection))
            elif operation == RELEASE:
                result = _released(lock)
            else:
                result = lock._get_value()
            connection.sendall(RESULT.pack(result), NO_SIGNAL)
    except OSError:
        pass  # the worker is gone
    finally:
        connection.close()
    if unconfirmed:
        lock.release()


def _acquired(lock: Any, seconds: float, connection: Socket) -> bool:
    if lock.acquire(False):
        return True
    end = float("inf") if seconds < 0 else monotonic() + seconds
    while (left := end - monotonic()) > 0:
        if lock.acquire(True, min(left, _SLICE)):
            return True
        if _gone(connection):
            return False
    return False


def _gone(connection: Socket) -> bool:
    """Whether nobody waits for an answer any more."""
    # Nothing is said before the answer, so what can be read is the end. (`select` may have been replaced, too.)
    try:
        connection.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return True


def _released(lock: Any) -> int:
    try:
        lock.release()
    except (ValueError, AssertionError):
        return FAILED
    return 0
