"""How a class travels by value: its skeleton first, then all that stands in it, as it stands there."""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import abc
import copyreg
import os
from itertools import count
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType

from poolifier.wire.scripts import functions, namespaces, numbered_classes, rebuild
from poolifier.wire.scripts.operations import KEYED
from poolifier.wire.scripts.reduced import Reduced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from poolifier.wire.scripts.pickler import Pickler

__all__ = ["member", "number_of", "reduce"]

_MADE_ANEW: Final = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__module__",
        "__qualname__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "_abc_impl",
    }
)
"""What making a class gives it, or what is set apart."""

_HEAP_TYPE: Final = 1 << 9
"""Set in `__flags__` of classes that Python code made."""

_number = count(1).__next__


def reduce(pickler: Pickler, cls: Any, *, target: bool) -> Any:
    """A class by value; `target` if it is what is being defined."""
    number = ""
    if not target and not pickler.is_part(cls):
        definitions = pickler.definitions
        number = number_of(cls)
        if definitions is not None:
            definitions.require_class(cls, number, lasting=pickler.lasting)
            return namespaces.keyed, (number,)
        if namespaces.is_from_pool(KEYED, number):
            return namespaces.keyed, (number,)
    elif target and pickler.home is not None and pickler.home[0] == KEYED:
        number = pickler.home[1]
    pickler.making |= {cls}
    home = pickler.home if target else None
    here = dict(cls.__dict__)
    slots: tuple[str, ...] | None = None
    if "__slots__" in here:
        own = [name for name, value in here.items() if _is_slot(cls, value)]
        slots = (*own, *(name for name in ("__dict__", "__weakref__") if name in here))
    attributes = {
        name: pickler.shared(value)
        for name, value in here.items()
        if name not in _MADE_ANEW and not _is_slot(cls, value) and not isinstance(value, GetSetDescriptorType)
    }
    annotate = here.get("__annotate_func__", here.get("__annotate__"))
    _know_dictionary(pickler, cls, here)
    if annotate is None and "__annotations_cache__" in here and "__annotations__" not in here:
        attributes["__annotations__"] = here["__annotations_cache__"]
    arguments = (type(cls), cls.__name__, cls.__bases__, slots, home, (cls.__module__, cls.__qualname__), number)
    state = (
        number,
        attributes,
        _annotate(pickler, cls, annotate) if isinstance(annotate, FunctionType) else None,
        _registered(cls),
        copyreg.dispatch_table.get(cls),
    )
    return rebuild.make_class, arguments, state, None, None, rebuild.fill_class


def member(obj: Any, kind: type) -> Any:
    """An instance of a class that is being made, whose own ways are not there yet: as it is, piece by piece."""
    base: Any = next(one for one in kind.__mro__ if not one.__flags__ & _HEAP_TYPE)
    items = pairs = None
    if base is object:
        arguments: tuple[Any, ...] = ()
    elif issubclass(base, BaseException):
        arguments = obj.args
    elif hasattr(base, "__getnewargs__"):
        arguments = base.__getnewargs__(obj)
    elif base in (list, set, dict):
        arguments = ()
        items = None if base is dict else iter(list(base.__iter__(obj)))
        pairs = iter(list(dict.items(obj))) if base is dict else None
    elif base is frozenset:
        arguments = (list(base.__iter__(obj)),)
    else:
        arguments = base.__reduce__(obj)[1]
    slots = {name: getattr(obj, name) for name in copyreg._slotnames(kind) if hasattr(obj, name)}  # type: ignore[attr-defined]
    state = (dict(getattr(obj, "__dict__", ())), slots)
    return rebuild.raw_instance, (kind, base, arguments), state, items, pairs, rebuild.fill_instance


def number_of(cls: type) -> str:
    """What tells a class that travels by value from all others, in all processes."""
    number = numbered_classes.number_of(cls)
    if number is None:
        number = f"{os.getpid()}-{os.urandom(6).hex()}-{_number()}"
        numbered_classes.track(cls, number)
    return number


def _is_slot(cls: type, value: Any) -> bool:
    return isinstance(value, MemberDescriptorType) and value.__objclass__ is cls


def _registered(cls: Any) -> tuple[type, ...]:
    if not isinstance(cls, abc.ABCMeta):
        return ()
    found = _abc._get_dump(cls)[0]
    return tuple(other for other in (reference() for reference in found) if other is not None)


def _know_dictionary(pickler: Pickler, cls: type, here: dict[str, Any]) -> None:
    """Annotations of methods look into the class: from 3.14 on a cell of theirs holds its very dictionary."""
    parts: dict[int, tuple[Any, tuple[Any, ...]]] = {}
    # The class's own as well: a forward reference that an annotation could not resolve refers to the cell.
    waiting = [here.get("__annotate_func__", here.get("__annotate__"))]
    for value in here.values():
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType):
            waiting.append(getattr(function, "__annotate__", None))
    for annotate in waiting:
        if not isinstance(annotate, FunctionType):
            continue
        for name, each in zip(annotate.__code__.co_freevars, annotate.__closure__ or (), strict=True):
            if name == "__classdict__":
                parts[id(each)] = (each, (rebuild.class_dict_cell, (cls,)))
            elif name == "own_annotate" and annotate.__module__ == "typing":
                # What a `TypedDict` has asks that of the statement.
                waiting.append(each.cell_contents)
    if parts:
        pickler.parts = {**pickler.parts, **parts}


def _annotate(pickler: Pickler, cls: type, annotate: FunctionType) -> Any:
    """What evaluates annotations looks into the class: it cannot have what the class was made from."""
    code = annotate.__code__
    cells = {
        name: each
        for name, each in zip(code.co_freevars, annotate.__closure__ or (), strict=True)
        if name not in ("__classdict__", "__class__")
    }
    space, _, uses = functions.globals_for(pickler, annotate, optional=True)
    arguments = (cls, functions.packed_code(code), space, annotate.__name__, cells, uses)
    return Reduced((rebuild.class_annotate, arguments))
