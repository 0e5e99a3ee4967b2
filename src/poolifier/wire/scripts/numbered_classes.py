"""Classes that have travelled by value, by a number of their own: what comes back is of the class that it left from."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["number_of", "track", "tracked", "untrack"]

# Weak dictionaries, made when there is a first one.
_tracked: Any = None
_numbers: Any = None


def track(cls: type, number: str) -> None:
    """Remembers a class for as long as somebody else has it."""
    global _tracked, _numbers
    if _tracked is None:
        from weakref import WeakKeyDictionary, WeakValueDictionary

        _tracked = WeakValueDictionary()
        _numbers = WeakKeyDictionary()
    _tracked[number] = cls
    _numbers[cls] = number


def untrack(number: str) -> None:
    """It is as if the class of that number had never come."""
    if _tracked is not None:
        _tracked.pop(number, None)


def tracked(number: str) -> Any:
    """The class of that number, or None."""
    return None if _tracked is None else _tracked.get(number)


def number_of(cls: type) -> str | None:
    """The number of a class that has travelled by value, or None."""
    return None if _numbers is None else _numbers.get(cls)
