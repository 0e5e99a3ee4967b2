"""A worker's standard output or error, passed on line by line."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

__all__ = ["OutputPipe"]

_LONGEST_LINE: Final = 64 * 1024
_TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 4096
_DRAIN_LIMIT: Final = 256


class OutputPipe:
    """Reads a pipe and writes what it holds to `sys.stdout` or `sys.stderr`, whatever those are by then."""

    __slots__ = ("_buffer", "_fd", "_loop", "_partial", "_stream", "_tail")

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, stream: str, buffer: bytearray) -> None:
        self._loop = loop
        self._fd = fd
        self._stream = stream
        self._buffer = memoryview(buffer)
        self._partial = b""
        self._tail = b""
        os.set_blocking(fd, False)
        loop.add_reader(fd, self._readable)

    def __del__(self) -> None:
        # Of a pool that was forgotten; the loop that read from it is gone.
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def tail(self) -> str:
        """The last lines."""
        lines = self._tail[-_TAIL_BYTES:].decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def close(self) -> None:
        """Passes on what the pipe holds now, and closes it.

        It does not wait for the end of the pipe, which processes that a task left behind may hold
        open, nor for ever on one that they keep filling.
        """
        if self._fd < 0:
            return
        for _ in range(_DRAIN_LIMIT):
            if not self._read():
                break
        if self._partial:
            self._write(self._partial + b"\n")
            self._partial = b""
        self._release()

    def _readable(self) -> None:
        if self._read() is None:
            if self._partial:
                self._write(self._partial + b"\n")
                self._partial = b""
            self._release()

    def _read(self) -> int | None:
        """Reads once; returns the number of bytes, 0 where there is nothing now, None at the end."""
        if self._fd < 0:
            return None
        try:
            count = os.readv(self._fd, [self._buffer])
        except BlockingIOError:
            return 0
        except OSError:
            return None
        if not count:
            return None
        data = self._partial + bytes(self._buffer[:count])
        cut = len(data) if len(data) > _LONGEST_LINE else data.rfind(b"\n") + 1
        self._partial = data[cut:]
        if cut:
            self._write(data[:cut])
        return count

    def _write(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-2 * _TAIL_BYTES :]
        stream = getattr(sys, self._stream)
        if stream is None:
            return
        try:
            text = data.decode("utf-8", "replace")
            try:
                stream.write(text)
            except UnicodeEncodeError as error:
                stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
            stream.flush()
        except Exception:  # noqa: BLE001 - a closed or broken stream of the parent must not stop the pool
            pass

    def _release(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
