"""How a class travels by value: its skeleton first, then all that stands in it, as it stands there."""

from __future__ import annotations

import copyreg
import os
import sys
from contextlib import suppress
from functools import partialmethod
from itertools import count
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType

from poolifier.wire.scripts import abstract, functions, importable, namespaces, numbered_classes, rebuild
from poolifier.wire.scripts.operations import KEYED
from poolifier.wire.scripts.reduced import Reduced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from poolifier.wire.scripts.pickler import Pickler

__all__ = ["descriptor", "member", "number_of", "reduce"]

_MADE_ANEW: Final = frozenset(
    {
        "__module__",
        "__qualname__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "_abc_impl",
    }
)
"""What making a class gives it, or what is set apart; besides the descriptors of `__dict__` and `__weakref__`."""

_BEHAVIOUR: Final = (FunctionType, classmethod, staticmethod, property, partialmethod)
"""Types of attributes that say what a class does."""

_STRING: Final = 4
"""The value of `annotationlib.Format.STRING`."""

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
    home = pickler.home if target else pickler.part_home(cls)
    here = dict(cls.__dict__)
    first: dict[str, Any] = {}
    if "__slots__" in here:
        own = [name for name, value in here.items() if _is_slot(cls, value)]
        given = ("__dict__", "__weakref__")
        first["__slots__"] = (*own, *(name for name in given if isinstance(here.get(name), GetSetDescriptorType)))
    if rebuild.is_foreign(type(cls)):
        from poolifier.wire.scripts import foreign

        first.update((name, value) for name, value in here.items() if name in foreign.BEFORE)
        here = {name: value for name, value in here.items() if name not in first and not foreign.is_field(value)}
    attributes = {
        name: pickler.shared(value)
        for name, value in here.items()
        if name not in _MADE_ANEW and not _is_slot(cls, value) and not isinstance(value, GetSetDescriptorType)
    }
    annotate = here.get("__annotate_func__", here.get("__annotate__"))
    _know_dictionary(pickler, cls, here)
    if annotate is None and "__annotations_cache__" in here and "__annotations__" not in here:
        attributes["__annotations__"] = here["__annotations_cache__"]
    arguments = (type(cls), cls.__name__, cls.__bases__, first, home, (cls.__module__, cls.__qualname__), number)
    behaviour = {
        name: value
        for name, value in attributes.items()
        if isinstance(value, _BEHAVIOUR) or (isinstance(value, type) and pickler.is_part(value))
    }
    state = (
        number,
        # Before the others, which may need it, and after the class.
        Reduced((rebuild.begin_attributes, (cls, number, behaviour))),
        attributes,
        _annotate(pickler, cls, annotate) if isinstance(annotate, FunctionType) else None,
        abstract.registered_by(cls),
        abstract.registered_with(cls),
        copyreg.dispatch_table.get(cls),
        _texts(pickler, cls, here),
    )
    return rebuild.make_class, arguments, state, None, None, rebuild.fill_class


def member(obj: Any, kind: type, where: tuple[str, str] | None) -> Any:
    """An instance of a class that is being made, whose own ways are not there yet: as it is, piece by piece.

    `where` is the global that has it, which may be there already, or else is given it.
    """
    base: Any = next(one for one in kind.__mro__ if not one.__flags__ & _HEAP_TYPE)
    items: list[Any] | None = None
    if base is object:
        arguments: tuple[Any, ...] = ()
    elif issubclass(base, BaseException):
        arguments = obj.args
    elif hasattr(base, "__getnewargs__"):
        arguments = base.__getnewargs__(obj)
    elif base in (list, set, dict):
        arguments = ()
        items = list(dict.items(obj)) if base is dict else list(base.__iter__(obj))
    elif base is frozenset:
        arguments = (list(base.__iter__(obj)),)
    else:
        arguments = base.__reduce__(obj)[1]
    slots = {name: getattr(obj, name) for name in copyreg._slotnames(kind) if hasattr(obj, name)}  # type: ignore[attr-defined]
    state = (dict(getattr(obj, "__dict__", ())), slots, items)
    return rebuild.raw_instance, (kind, base, arguments, where), state, None, None, rebuild.fill_instance


def descriptor(obj: Any, kind: type) -> Any:
    """A property, class method or static method of a subclass of these, which Python code has made."""
    base: Any = next(one for one in kind.__mro__ if not one.__flags__ & _HEAP_TYPE)
    arguments = (obj.fget, obj.fset, obj.fdel, obj.__doc__) if base is property else (obj.__func__,)
    slots = {name: getattr(obj, name) for name in copyreg._slotnames(kind) if hasattr(obj, name)}  # type: ignore[attr-defined]
    state = (dict(getattr(obj, "__dict__", ())), slots, None)
    return rebuild.raw_descriptor, (kind, base, arguments), state, None, None, rebuild.fill_instance


def number_of(cls: type) -> str:
    """What tells a class that travels by value from all others, in all processes."""
    number = numbered_classes.number_of(cls)
    if number is None:
        number = f"{os.getpid()}-{os.urandom(6).hex()}-{_number()}"
        numbered_classes.track(cls, number)
    return number


def _is_slot(cls: type, value: Any) -> bool:
    return isinstance(value, MemberDescriptorType) and value.__objclass__ is cls


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


def _texts(pickler: Pickler, cls: type, here: dict[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """The namespace and the names there which annotations may mean that are texts."""
    annotations = here.get("__annotations__", here.get("__annotations_cache__"))
    annotate = here.get("__annotate_func__", here.get("__annotate__"))
    if annotations is None and annotate is not None and getattr(annotate, "__module__", None) == "typing":
        # A `TypedDict` has taken what the statement said, and evaluates that itself.
        with suppress(Exception):
            annotations = annotate(_STRING)
    module = sys.modules.get(cls.__module__)
    if not isinstance(annotations, dict) or module is None or not importable.is_script(cls.__module__):
        return None
    space = "__main__" if cls.__module__ == "__mp_main__" else cls.__module__
    names = functions.names_in_text(pickler, space, module.__dict__, annotations)
    return (space, tuple(names)) if names else None


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
