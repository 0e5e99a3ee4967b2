"""What a worker asks of the program outside of its tasks: answered by `backends.request_server`.

A request is eight bytes on a socket that all workers of a pool share, and with it comes one end of a socket pair, on
which the answer is given. So no two of those who ask, which may be threads, workers, and processes that tasks have
forked, ever read each other's answers.
"""

from __future__ import annotations

import struct

from poolifier.wire.sockets import Socket, open_socket, send_fds, socket_pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["LOCK", "REQUEST", "RESOURCE_TRACKER", "request", "stop", "use"]

REQUEST: Final = struct.Struct("<II")
"""What is asked for, and which of them."""

RESOURCE_TRACKER: Final = 1
"""The answer is a byte, and with it the descriptor by which the program's resource tracker is told of resources."""

LOCK: Final = 2
"""Use the semaphore of that number, see `remote_semaphore`."""

_sock: Socket | None = None


def use(fd: int) -> None:
    """Sends requests through this socket, which is this module's from now on."""
    global _sock
    _sock = open_socket(fd)


def stop() -> None:
    """Closes the socket."""
    if _sock is not None:
        _sock.close()


def request(what: int, which: int = 0) -> Socket:
    """Asks for something; returns the socket that the answer comes through.

    Raises:
        OSError: There is nobody to ask.
    """
    if _sock is None:
        raise OSError("there is no program to ask")
    ours, theirs = socket_pair()
    try:
        send_fds(_sock, REQUEST.pack(what, which), [theirs.fileno()])
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return ours
