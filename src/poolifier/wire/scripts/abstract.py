"""Which abstract base classes a class has been registered with: they know of it, it does not know of them."""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import abc

from poolifier.wire.scripts import importable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["registered_by", "registered_with"]


def registered_by(cls: Any) -> tuple[type, ...]:
    """The classes that an abstract base class says are its subclasses."""
    if not issubclass(type(cls), abc.ABCMeta):
        return ()
    found = _abc._get_dump(cls)[0]
    return tuple(other for other in (reference() for reference in found) if other is not None)


def registered_with(cls: type) -> tuple[type, ...]:
    """The abstract base classes of importable modules that a script's class was registered with, such as `Sequence`.

    Those of scripts say so themselves.
    """
    token = abc.get_cache_token()
    if _known.token != token:
        _known.token = token
        _known.by = _all()
    found: tuple[type, ...] = _known.by.get(cls, ())
    return found


class _Known:
    """What was found when classes had last been registered.

    Attributes:
        token: Tells whether any have been since.
        by: The abstract base classes by class.
    """

    def __init__(self) -> None:
        self.token: object = None
        self.by: Any = {}


_known = _Known()


def _all() -> Any:
    from weakref import WeakKeyDictionary

    found: WeakKeyDictionary[type, tuple[type, ...]] = WeakKeyDictionary()
    waiting: list[type] = [object]
    # By identity: a metaclass may have an `__eq__` of its own, and Python 3.15 has one that warns.
    seen: dict[int, type] = {}
    while waiting:
        base = waiting.pop()
        if id(base) in seen:
            continue
        seen[id(base)] = base
        waiting += type.__subclasses__(base)
        # Nothing is asked of the class itself: all of the program's are looked at, whatever their metaclasses do.
        if issubclass(type(base), abc.ABCMeta) and not importable.is_script(type.__getattribute__(base, "__module__")):
            for cls in registered_by(base):
                found[cls] = (*found.get(cls, ()), base)
    return found
