"""What stands among a script's globals: which of it is sent unasked, and what rather comes from a module."""

from __future__ import annotations

import sys
from io import BytesIO
from types import FunctionType, ModuleType
from typing import Any, Final

from poolifier.wire.scripts import importable

__all__ = ["ATOMS", "CONTAINERS", "Limited", "globals_in", "is_flat", "is_offered", "module_with", "referred_to"]

ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented)})
"""Types whose objects are nothing but their value."""

CONTAINERS: Final = frozenset({list, dict, set, bytearray, tuple, frozenset})
"""Types of which `pickle` makes objects anew wherever they stand, without asking."""


class Limited(BytesIO):
    """What is written is to be small."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, data: Any) -> int:
        """As ever, up to the limit."""
        if self.tell() + len(data) > self._limit:
            raise OverflowError("it is large, and nothing that was sent refers to it")
        return super().write(data)


def module_with(name: str, value: Any) -> str | None:
    """A module that workers can import and that has this very object under this name; None if there is none."""
    if type(value) in ATOMS:
        return None
    for module_name, module in list(sys.modules.items()):
        there = getattr(module, "__dict__", None)
        if isinstance(there, dict) and there.get(name) is value and not importable.is_script(module_name):
            return module_name
    return None


def referred_to(there: dict[str, Any]) -> dict[int, Any]:
    """The containers among a module's globals that something else may refer to as well, by identity.

    Most are referred to by their name alone: where there are no others, nothing has to be looked through for them.
    """
    alone = _counted({"": []})[0][1]
    return {id(each): each for each, count in _counted(there) if count > alone and not is_constant(each)}


def is_constant(value: Any) -> bool:
    """Whether a container can neither change nor has anything that does."""
    return type(value) in (tuple, frozenset) and is_flat(value)


def is_flat(value: Any) -> bool:
    """Whether a container holds nothing but numbers, texts and the like."""
    if type(value) is dict:
        return ATOMS.issuperset(map(type, value)) and ATOMS.issuperset(map(type, value.values()))
    return type(value) is bytearray or (type(value) in CONTAINERS and ATOMS.issuperset(map(type, value)))


def _counted(there: dict[str, Any]) -> list[tuple[Any, int]]:
    """The containers, and how many references there are to each, as far as that can be told."""
    return [(each, sys.getrefcount(each)) for each in list(there.values()) if type(each) in CONTAINERS]


def globals_in(module: ModuleType) -> dict[str, Any]:
    """The dictionary that a module's functions have; in a child of multiprocessing the main module has a copy."""
    there = module.__dict__
    if there.get("__name__") == "__mp_main__":
        for value in list(there.values()):
            if type(value) is FunctionType and value.__globals__.get("__name__") == "__mp_main__":
                return value.__globals__
    return there


def is_offered(value: Any) -> bool:
    """Whether an object may be meant where a text names it: what a script defines, not what it works with."""
    return type(value) in ATOMS or isinstance(value, type | FunctionType | ModuleType) or callable(value)
