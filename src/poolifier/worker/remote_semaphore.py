"""A semaphore that is used through the program, where it is.

Locks of the start method "fork" have no name in the system: only processes that are forked from the program can reach
them, which workers are not. So the program acquires and releases them for the workers. Each thread has a connection of
its own, and in the program a thread of its own (see `backends.request_server`), so that a lock may be waited for.

What is acquired is confirmed: where an abort, or the end of the process, comes between, the program releases it again.
"""

from __future__ import annotations

import os
import struct
import threading

from poolifier.wire.sockets import NO_SIGNAL
from poolifier.worker.program_requests import LOCK, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from poolifier.wire.sockets import Socket

__all__ = ["ACQUIRE", "CONFIRM", "FAILED", "OPERATION", "RELEASE", "RESULT", "VALUE", "RemoteSemaphore"]

OPERATION: Final = struct.Struct("<Bd")
"""What to do, and for `ACQUIRE` how long to wait in seconds; negative for as long as it takes."""

RESULT: Final = struct.Struct("<q")

ACQUIRE: Final = 1
CONFIRM: Final = 2
"""The last `ACQUIRE` has been heard of. Not answered."""
RELEASE: Final = 3
VALUE: Final = 4

FAILED: Final = -1
"""It was released too often."""

_RECURSIVE: Final = 0
"""The kind of an `RLock`."""


class RemoteSemaphore:
    """Takes the place of a `_multiprocessing.SemLock` in a lock.

    Args:
        kind: 0 for one that the thread that has it may acquire again, 1 for any other.
        maxvalue: The most that its value may be.
        index: Its number in the program.

    Attributes:
        kind: As given.
        maxvalue: As given.
        name: None: it has none.
        handle: None: what it is called here is of no use to anybody.
    """

    name = None
    handle = None

    def __init__(self, kind: int, maxvalue: int, index: int) -> None:
        self.kind: int = kind
        self.maxvalue: int = maxvalue
        self._index = index
        self._held = 0
        self._owner = 0
        self._pid = os.getpid()
        self._local = threading.local()

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """See `multiprocessing.Lock.acquire`."""
        if self.kind == _RECURSIVE and self._is_mine():
            self._held += 1
            return True
        seconds = 0.0 if not block else -1.0 if timeout is None else max(0.0, timeout)
        if not self._call(ACQUIRE, seconds):
            return False
        try:
            self._owner = threading.get_ident()
            self._local.sock.sendall(OPERATION.pack(CONFIRM, 0.0), NO_SIGNAL)
        except BaseException:
            self._hang_up()
            raise
        self._held += 1
        return True

    def release(self) -> None:
        """See `multiprocessing.Lock.release`."""
        if self.kind == _RECURSIVE:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self._held > 1:
                self._held -= 1
                return
        # Before it is released, for then it may be another thread's.
        self._held -= 1
        if self._call(RELEASE) == FAILED:
            self._held += 1
            raise ValueError("semaphore or lock released too many times")

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    # The names are those that `multiprocessing.synchronize` calls.

    def _is_mine(self) -> bool:
        return self._held > 0 and self._owner == threading.get_ident() and self._here()

    def _count(self) -> int:
        return self._held if self._here() else 0

    def _get_value(self) -> int:
        return self._call(VALUE)

    def _is_zero(self) -> bool:
        return self._get_value() == 0

    def _after_fork(self) -> None:
        self._held = 0

    def _here(self) -> bool:
        return getattr(self._local, "pid", None) == os.getpid()

    def _call(self, operation: int, seconds: float = 0.0) -> int:
        local = self._local
        if not self._here():
            # Also in a process that was forked from one that uses it, and has nothing of what that has acquired.
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._held = 0
            local.sock = request(LOCK, self._index)
            local.pid = self._pid
        sock: Socket = local.sock
        try:
            sock.sendall(OPERATION.pack(operation, seconds), NO_SIGNAL)
            answer = sock.recv(RESULT.size)
            if len(answer) < RESULT.size:
                raise OSError("a lock of the program is used, which has ended")
        except BaseException:
            # No answer is to be taken for that of what is asked next. The program finds the connection closed, and
            # gives up, or releases what it has acquired for it.
            self._hang_up()
            raise
        result: int = RESULT.unpack(answer)[0]
        return result

    def _hang_up(self) -> None:
        self._local.pid = None
        self._local.sock.close()
