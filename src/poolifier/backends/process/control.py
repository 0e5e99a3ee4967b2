"""How a pool and its fork server cut what they say into messages: eight bytes of length, then a pickle."""

from __future__ import annotations

import pickle
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["ControlReader", "control_message"]

_LENGTH: Final = struct.Struct("<Q")

_READ_SIZE: Final = 1 << 16
_MOST_FDS: Final = 64
"""Descriptors that one read takes at most. The kernel never hands over those of two messages at once."""


def control_message(message: object) -> bytes:
    """The message as it is sent."""
    payload = pickle.dumps(message, 5)
    return _LENGTH.pack(len(payload)) + payload


class ControlReader:
    """Reads messages from one socket, and the descriptors that come with them.

    A message may have hundreds of megabytes (all that workers start from, where it is preloaded), so reading one takes
    time in proportion to its size, however many pieces it comes in.
    """

    __slots__ = ("_received", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = bytearray()

    def read(self) -> tuple[list[Any], list[int]] | None:
        """Receives once; returns the messages that are complete now and the new descriptors, or None at the end.

        Raises:
            OSError: The other side is gone, or nothing is there yet and the socket does not block.
        """
        data, fds, _, _ = socket.recv_fds(self._sock, _READ_SIZE, _MOST_FDS)
        if not data:
            return None
        received = self._received
        received += data
        messages: list[Any] = []
        while len(received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(received)
            end = _LENGTH.size + length
            if len(received) < end:
                break
            # Let go of at once: while a view of it is there, no bytearray changes its size.
            with memoryview(received) as view, view[_LENGTH.size : end] as payload:
                messages.append(pickle.loads(payload))
            del received[:end]
        return messages, fds
