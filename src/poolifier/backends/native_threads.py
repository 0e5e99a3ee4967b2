"""Whether threads are those of the system."""

from __future__ import annotations

import _thread
from types import BuiltinFunctionType

__all__ = ["threads_are_native"]


def threads_are_native() -> bool:
    """False where gevent or eventlet has put its own in their place: none of those runs while another one blocks."""
    return isinstance(_thread.start_new_thread, BuiltinFunctionType)
