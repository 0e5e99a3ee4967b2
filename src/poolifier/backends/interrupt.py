"""Raising an exception in another thread: what CPython calls an asynchronous exception.

One is *set* at some moment and *delivered* at a later one, when that thread runs its next Python
instructions: at once, or never where it stays in C. Until then it can be cleared again. Who sets one
must see to it that it is delivered, or cleared, before the code that it is meant for is left.
"""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["clear_exception", "load", "set_exception"]

_set: Callable[[int, type[BaseException] | None], object] | None = None


def load() -> bool:
    """Imports what the others need, which is not needed before the first abort. False where it is not there."""
    global _set
    if _set is None:
        try:
            import ctypes

            set_async_exc: Any = ctypes.pythonapi.PyThreadState_SetAsyncExc
        except (ImportError, AttributeError):
            return False

        def set_or_clear(ident: int, error: type[BaseException] | None) -> None:
            # An empty `py_object` is the null pointer, which clears; None would be raised.
            set_async_exc(ctypes.c_ulong(ident), ctypes.py_object() if error is None else ctypes.py_object(error))

        _set = set_or_clear
    return True


def set_exception(ident: int, error: type[BaseException]) -> None:
    """Sets an exception in the thread of that identifier, instead of one that has not been delivered. Call `load`."""
    assert _set is not None
    _set(ident, error)


def clear_exception(ident: int) -> None:
    """Clears what was set and has not been delivered. By that thread itself it is done once this returns."""
    if _set is not None:
        _set(ident, None)
