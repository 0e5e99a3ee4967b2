"""What is to be done when the process ends, before the backends end what they have left."""

from __future__ import annotations

import atexit
from collections.abc import Callable

__all__ = ["before_end", "begin_end"]

_callbacks: list[Callable[[], object]] = []


def before_end(callback: Callable[[], object]) -> None:
    """Calls back at the end of the process, once, when its threads have ended, but for the daemons among them."""
    if not _callbacks:
        atexit.unregister(begin_end)
        atexit.register(begin_end)
    _callbacks.append(callback)


def begin_end() -> None:
    """Calls back. For whoever ends something at the end of the process, as it may be earlier in turn than this."""
    while _callbacks:
        _callbacks.pop()()
