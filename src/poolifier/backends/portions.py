"""Bounds what is taken of all that the workers of a pool say in one turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["Portions"]

_PORTION: Final = 4 * 1024
"""Bytes to read at a time, large payloads excepted: some 100 to 200 replies.

Every reply has its caller run, and submit anew. So all that has come in one turn would keep the loop from
everybody else for too long.
"""

_FEW: Final = _PORTION // 2


class Portions:
    """One large portion in a turn of the loop. Whoever finds it taken is served in a later turn, first come first.

    Attributes:
        buffer: What all read into.
    """

    __slots__ = ("_loop", "_taken", "_waiting", "buffer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.buffer: memoryview = memoryview(bytearray(_PORTION))
        self._loop = loop
        self._taken = False
        # In order, and each of them once.
        self._waiting: dict[Callable[[], object], None] = {}

    def free(self, read: Callable[[], object]) -> bool:
        """Whether one may read now. Otherwise `read` is called when it may."""
        if self._taken:
            self._waiting[read] = None
        return not self._taken

    def took(self, count: int) -> None:
        """So many bytes were read."""
        if count > _FEW and not self._taken:
            self._taken = True
            self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._taken = False
        while self._waiting and not self._taken:
            read = next(iter(self._waiting))
            del self._waiting[read]
            read()
