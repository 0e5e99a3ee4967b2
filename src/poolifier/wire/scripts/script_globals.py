"""What stands among a script's globals: which of it is sent unasked, and what rather comes from a module."""

from __future__ import annotations

import sys
from io import BytesIO
from types import FunctionType, ModuleType
from typing import Any, Final

from poolifier.wire.scripts import importable

__all__ = ["ATOMS", "Limited", "description", "globals_in", "is_offered", "module_with"]

ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented)})
"""Types whose objects are nothing but their value."""


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


def globals_in(module: ModuleType) -> dict[str, Any]:
    """The dictionary that a module's functions have; in a child of multiprocessing the main module has a copy."""
    there = module.__dict__
    if there.get("__name__") == "__mp_main__":
        for value in list(there.values()):
            if type(value) is FunctionType and value.__globals__.get("__name__") == "__mp_main__":
                return value.__globals__
    return there


def description(space: str, module: ModuleType) -> dict[str, Any]:
    """What a namespace has of the module that it stands for, and the names under which it can be imported."""
    there = globals_in(module)
    attributes = {
        name: there[name]
        for name in ("__name__", "__file__", "__package__", "__doc__")
        if isinstance(there.get(name), str)
    }
    attributes["__name__"] = space
    name = there.get("__name__")
    aliases: tuple[str, ...] = ()
    if space == "__main__":
        aliases = ("__main__", "__mp_main__")
    elif sys.modules.get(space) is module:
        aliases = (space,)
    known = getattr(there.get("__spec__"), "name", None)
    attributes["aliases"] = aliases
    attributes["spec"] = (known, None) if isinstance(known, str) else None
    if isinstance(name, str) and isinstance(there.get("__path__"), list):
        attributes["__path__"] = list(there["__path__"])
    return attributes


def is_offered(value: Any) -> bool:
    """Whether an object may be meant where a text names it: what a script defines, not what it works with."""
    return type(value) in ATOMS or isinstance(value, type | FunctionType | ModuleType) or callable(value)
