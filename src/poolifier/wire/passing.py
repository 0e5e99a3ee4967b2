"""Descriptors that pass between a pool and a worker, on a socket of their own beside the channel.

They have their own because reading what may bring descriptors takes longer than reading what cannot.
Each comes with a number that says what it is of, and is fetched by that number.
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import select
import struct
from collections import deque
from time import sleep

from poolifier.wire.sockets import Socket, recv_fds, send_fds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["DescriptorLostError", "Passing"]

_NUMBER: Final = struct.Struct("<Q")
_RETRY: Final = 0.01

# By now: eventlet takes it away, in a worker after this is imported. In a program nobody waits here.
_poll = getattr(select, "poll", None)


class DescriptorLostError(OSError):
    """A descriptor came when this process had no room for it, and is gone."""


class Passing:
    """One end.

    Args:
        sock: The socket, which this takes over.
        waits: Whether `take` waits for what is on its way. A side that must not wait needs another that
            gives a descriptor before it sends what names it.
    """

    def __init__(self, sock: Socket, *, waits: bool) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._waits = waits
        self._arrived: dict[int, deque[int]] = {}

    def give(self, number: int, fd: int) -> None:
        """Passes a descriptor, which stays the caller's as well; waits until there is room.

        Where the other side is gone it does nothing: that is seen elsewhere, and soon.
        """
        while True:
            try:
                if self.try_give(number, fd):
                    return
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS:
                    return
                # Too many are on their way, which the other side is about to take.
                sleep(_RETRY)
            else:
                self._wait(select.POLLOUT)

    def try_give(self, number: int, fd: int) -> bool:
        """Passes it now; returns False where there is no room at the moment.

        Raises:
            OSError: The other side is gone, or too many descriptors are on their way.
        """
        try:
            send_fds(self._sock, _NUMBER.pack(number), [fd])
        except BlockingIOError:
            return False
        return True

    def take(self, number: int) -> int:
        """The descriptor that was given with that number, which is the caller's now.

        Raises:
            OSError: The other side is gone.
            DescriptorLostError: This process had no room for it.
        """
        while True:
            try:
                self.fetch()
            except OSError:
                # Also one that is gone has given what it named.
                if number not in self._arrived:
                    raise
            arrived = self._arrived.get(number)
            if arrived:
                fd = arrived.popleft()
                if not arrived:
                    del self._arrived[number]
                if fd < 0:
                    raise DescriptorLostError("a descriptor was lost: this process has too many of them")
                return fd
            if not self._waits:
                raise OSError("a descriptor has not arrived")
            self._wait(select.POLLIN)

    def fetch(self) -> None:
        """Takes in what has arrived.

        Raises:
            OSError: The other side is gone.
        """
        while True:
            try:
                data, fds, _ = recv_fds(self._sock, _NUMBER.size, 1)
            except BlockingIOError:
                return
            if not data:
                raise BrokenPipeError("the other side is gone")
            # Where there is no room for it the kernel leaves it out.
            self._arrived.setdefault(_NUMBER.unpack(data)[0], deque()).append(fds[0] if fds else -1)

    def fileno(self) -> int:
        """The socket's descriptor, for an event loop."""
        return self._sock.fileno()

    def hang_up(self) -> None:
        """Wakes who waits in `take`, in another thread, for what is not going to come."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(_socket.SHUT_RD)

    def close(self) -> None:
        """Closes it, and what was not fetched."""
        self._sock.close()
        for arrived in self._arrived.values():
            for fd in arrived:
                if fd >= 0:
                    os.close(fd)
        self._arrived.clear()

    def _wait(self, event: int) -> None:
        assert _poll is not None
        poll = _poll()
        poll.register(self._sock, event)
        poll.poll()
