"""The sockets that pool and workers talk over, out of reach of the program's settings.

They are of the class that C code makes, `_socket.socket`, because `socket.socket` may have been replaced: gevent and
eventlet put classes there whose sockets never block the thread. The default timeout of `socket.setdefaulttimeout` would
make them non-blocking, too, and what blocks in a worker must block; so it is undone. A write to a worker that has died
raises `BrokenPipeError` even where `SIGPIPE` ends the program by default. Where the program has closed its standard
streams, the next descriptors to be made are 0, 1 and 2, which every child process, and C code that prints, takes for
standard streams: channels get others.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, TypeAlias

__all__ = ["NO_SIGNAL", "Socket", "above_standard", "open_socket", "pipe_pair", "recv_fds", "send_fds", "socket_pair"]

Socket: TypeAlias = "_socket.socket"

NO_SIGNAL: Final[int] = getattr(_socket, "MSG_NOSIGNAL", 0)
"""For every `send`: a write to a socket whose other end is gone is to be an error only, never a SIGPIPE."""

# macOS has no such flag for a write, but one for the socket, which Python has no name for.
_SO_NOSIGPIPE: Final = 0x1022

_STANDARD: Final = 3
_INT: Final = struct.Struct("i")


def socket_pair() -> tuple[Socket, Socket]:
    """Two sockets that are connected to each other and block.

    Raises:
        OSError: The system has no room for them.
    """
    ours, theirs = (sock.detach() for sock in _socket.socketpair())
    ours, theirs = _both_above_standard(ours, theirs)
    return open_socket(ours), open_socket(theirs)


def pipe_pair() -> tuple[int, int]:
    """The read end and the write end of a pipe.

    Raises:
        OSError: The system has no room for it.
    """
    return _both_above_standard(*os.pipe())


def _both_above_standard(one: int, other: int) -> tuple[int, int]:
    try:
        one = above_standard(one)
    except OSError:
        os.close(other)
        raise
    try:
        return one, above_standard(other)
    except OSError:
        os.close(one)
        raise


def open_socket(fd: int) -> Socket:
    """The socket of that descriptor, which it takes over. It blocks."""
    sock = _socket.socket(fileno=fd)
    # Also where another process has made it not block: `socket.setdefaulttimeout` there did that.
    sock.setblocking(True)
    if not NO_SIGNAL:
        # Where that is refused, SIGPIPE does what the program has it do.
        with contextlib.suppress(OSError):
            sock.setsockopt(_socket.SOL_SOCKET, _SO_NOSIGPIPE, 1)
    return sock


def above_standard(fd: int) -> int:
    """The descriptor, or one in its place that is not taken for a standard stream.

    Raises:
        OSError: The system has no room for it.
    """
    if fd >= _STANDARD:
        return fd
    import fcntl

    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _STANDARD)
    finally:
        os.close(fd)


def send_fds(sock: Socket, data: bytes | memoryview, fds: Sequence[int]) -> int:
    """Sends bytes and, with the first of them, descriptors; returns how many bytes were sent.

    `socket.send_fds` takes flags as well, and ignores them.

    Raises:
        OSError: As `send` does.
    """
    packed = b"".join(_INT.pack(fd) for fd in fds)
    return sock.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)], NO_SIGNAL)


def recv_fds(sock: Socket, size: int, most: int) -> tuple[bytes, list[int], bool]:
    """Receives bytes, the descriptors that came with them, and whether some of those were lost for want of room.

    Raises:
        OSError: As `recv` does.
    """
    data, ancillary, flags, _ = sock.recvmsg(size, _socket.CMSG_LEN(most * _INT.size))
    fds: list[int] = []
    lost = bool(flags & _socket.MSG_CTRUNC)
    for level, kind, packed in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            for (fd,) in _INT.iter_unpack(packed[: len(packed) - len(packed) % _INT.size]):
                try:
                    fds.append(above_standard(fd))
                except OSError:
                    lost = True
    # They arrive inheritable, unlike everything else that Python opens.
    for fd in fds:
        os.set_inheritable(fd, False)
    return data, fds, lost
