"""The options of calls as type checkers see them, so that the ways to call a task function are told apart in few lines.

What they mean, and their defaults, is said by the methods of a pool; a test holds both to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from poolifier.wire.shared_buffer import SharedBuffer

__all__ = ["ExecuteKeywords", "MapKeywords", "StreamKeywords"]


class ExecuteKeywords(TypedDict, total=False):
    """Options of `execute` and `submit`."""

    timeout: float | None
    retries: int
    priority: int | None
    transfer: Sequence[SharedBuffer]


class StreamKeywords(TypedDict, total=False):
    """Options of `stream`."""

    timeout: float | None
    priority: int | None
    buffer: int


class MapKeywords(TypedDict, total=False):
    """Options of `map_execute`, `map_ordered` and `map_unordered`."""

    timeout: float | None
    retries: int
    priority: int | None
    limit: int | None
    chunksize: int | None
    return_exceptions: bool
    progress: bool
