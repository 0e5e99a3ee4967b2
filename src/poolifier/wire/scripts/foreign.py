"""How types and libraries of `ctypes` travel: by what they were made of, for what they hold is this process's own."""

from __future__ import annotations

import operator
import sys

from poolifier.wire.scripts import rebuild

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["BEFORE", "dynamic", "function", "is_field", "library", "meta"]

BEFORE: Final = frozenset(
    {"_pack_", "_align_", "_layout_", "_anonymous_", "_type_", "_length_", "_flags_", "_restype_", "_argtypes_"}
)
"""Attributes that a class has from the beginning."""

_BASES: Final = ("Structure", "Union", "Array", "_Pointer", "_CFuncPtr", "_SimpleCData")


def is_field(value: Any) -> bool:
    """Whether it is what setting `_fields_` gives a class."""
    kind = type(value)
    return kind.__module__ in ("_ctypes", "ctypes") and kind.__name__ == "CField"


def meta(cls: type) -> Any:
    """A metaclass of `ctypes`, which has no public name; None for any other class."""
    ctypes = sys.modules["ctypes"]
    for name in _BASES:
        if type(getattr(ctypes, name)) is cls:
            return rebuild.type_of, ("ctypes", name)
    return None


def dynamic(cls: Any) -> Any:
    """A type that was made of others, by `*`, `POINTER` or `CFUNCTYPE`; None for one that a class statement made."""
    ctypes: Any = sys.modules["ctypes"]
    if issubclass(cls, ctypes._SimpleCData):
        # One of the other order of bytes has the name of its twin.
        twin = getattr(ctypes, cls.__qualname__, None)
        for order in ("__ctype_be__", "__ctype_le__"):
            if getattr(twin, order, None) is cls:
                return getattr, (twin, order)
    if issubclass(cls, ctypes.Array) and cls.__bases__ == (ctypes.Array,):
        return operator.mul, (cls._type_, cls._length_)
    if issubclass(cls, ctypes._Pointer) and cls.__bases__ == (ctypes._Pointer,):
        return ctypes.POINTER, (cls._type_,)
    if issubclass(cls, ctypes._CFuncPtr) and cls.__bases__ == (ctypes._CFuncPtr,):
        arguments = getattr(cls, "_argtypes_", None)
        return rebuild.function_type, (getattr(cls, "_restype_", None), arguments, cls._flags_)
    return None


def library(obj: Any) -> Any:
    """A shared library: opened again, with what is known of its functions."""
    functions = [
        (name, value.argtypes, value.restype)
        for name, value in vars(obj).items()
        if isinstance(value, obj._FuncPtr) and not name.startswith("__")
    ]
    flags = obj._FuncPtr._flags_
    return rebuild.library, (type(obj).__name__, obj._name, bool(flags & 8), functions)


def function(obj: Any) -> Any:
    """A function of a library, found there by its name; None for any other."""
    ctypes: Any = sys.modules["ctypes"]
    for owner in (obj._objects or {}).values():
        if isinstance(owner, ctypes.CDLL) and getattr(obj, "__name__", None):
            return rebuild.library_function, (owner, obj.__name__, obj.argtypes, obj.restype)
    return None
