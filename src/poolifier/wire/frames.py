"""Frames: how a stream of bytes is cut into payloads.

A frame is eight bytes, then the payload. The eight bytes are a little-endian number whose upper two
bytes are a fixed mark and whose lower six are the payload's length, so that a stream which has gone
astray is noticed at its next frame rather than read as a length of petabytes.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from poolifier.wire.sockets import Socket

__all__ = ["BUFFER_SIZE", "MAX_FRAME", "FrameDecoder", "FrameError", "Payload", "frame", "header"]

BUFFER_SIZE: Final = 256 * 1024
"""Size of the long-lived buffer that a reader keeps."""

MAX_FRAME: Final = 1 << 36
"""Bytes that a payload may have; more is taken for garbage."""

HEADER: Final = struct.Struct("<Q")
_MARK: Final = 0x504C << 48

Payload: TypeAlias = "memoryview | bytearray"


class FrameError(Exception):
    """The stream does not hold frames: whoever writes it is broken."""


def header(length: int) -> bytes:
    """The bytes that go before a payload of that length."""
    if length > MAX_FRAME:
        raise FrameError(f"a frame holds at most {MAX_FRAME} bytes, not {length}")
    return HEADER.pack(_MARK | length)


def header_word(length: int) -> int:
    """`header` as the number it packs, for a writer that packs it with something else."""
    return _MARK | length


def frame(payload: bytes) -> bytes:
    """The payload with its header."""
    return header(len(payload)) + payload


class FrameDecoder:
    """Cuts what a socket delivers into payloads, one decoder per stream.

    Small payloads are views into the reader's buffer: use them before the next read. A payload that
    the buffer did not hold whole is received straight into a bytearray of its exact size.

    Attributes:
        more: Whether the last read completed nothing but began a large payload, of which there probably is more.
        received: Bytes read so far.
    """

    __slots__ = ("_filled", "_large", "_partial", "more", "received")

    @property
    def unfinished(self) -> bool:
        """Whether a frame has begun to arrive and is not complete."""
        return self._large is not None or bool(self._partial)

    def __init__(self) -> None:
        self.more: bool = False
        self.received: int = 0
        self._partial = b""
        self._large: bytearray | None = None
        self._filled = 0

    def read(self, sock: Socket, buffer: memoryview, flags: int = 0) -> list[Payload] | None:
        """Receives once; returns the payloads that are complete now, or None at the end of the stream.

        Raises:
            FrameError: The stream is garbage.
            BlockingIOError: The socket has nothing now and must not block.
        """
        large = self._large
        if large is None:
            count = sock.recv_into(buffer, 0, flags)
            if not count:
                return None
            self.received += count
            payloads = self.feed(buffer[:count])
            self.more = self._large is not None and not payloads
            return payloads
        count = sock.recv_into(memoryview(large)[self._filled :], 0, flags)
        if not count:
            return None
        self._filled += count
        self.received += count
        self.more = False
        if self._filled < len(large):
            return []
        self._large = None
        return [large]

    def feed(self, data: memoryview) -> list[Payload]:
        """Takes bytes that were received; returns the payloads that are complete now."""
        if self._partial:
            data = memoryview(self._partial + data)
            self._partial = b""
        payloads: list[Payload] = []
        at, end = 0, len(data)
        while end - at >= 8:
            (word,) = HEADER.unpack_from(data, at)
            length = word ^ _MARK
            if length > MAX_FRAME:
                raise FrameError(f"expected the head of a frame, got {bytes(data[at : at + 8])!r}")
            at += 8
            if end - at < length:
                self._begin_large(data[at:], length)
                return payloads
            payloads.append(data[at : at + length])
            at += length
        self._partial = bytes(data[at:])
        return payloads

    def _begin_large(self, data: memoryview, length: int) -> None:
        try:
            large = bytearray(length)
        except MemoryError:
            raise FrameError(f"no room for a frame of {length} bytes") from None
        large[: len(data)] = data
        self._large = large
        self._filled = len(data)
