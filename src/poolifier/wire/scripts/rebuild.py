"""What pickles of functions and classes call to make them anew.

A thing is made empty and then filled, so that what it is filled with can refer to it. Nothing that ran when the class
was defined runs again: no metaclass, `__init_subclass__`, `__set_name__` or decorator. Its state came of that.

Imported by every worker of a script, so it imports nothing heavy.
"""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import abc
import builtins
import copyreg
import marshal
import sys
import threading
from types import CellType, CodeType, FunctionType

from poolifier.wire.scripts import namespaces
from poolifier.wire.scripts.numbered_classes import track, tracked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "class_annotate",
    "contents_of",
    "fill_cell",
    "fill_class",
    "fill_function",
    "fill_instance",
    "global_of",
    "lazy_import",
    "local_cell",
    "make_class",
    "make_code",
    "make_function",
    "module_of",
    "named_in",
    "new_globals",
    "raw_instance",
]

_building = threading.RLock()


def make_function(
    code: bytes | CodeType,
    space: str | dict[str, Any],
    home: tuple[str, str] | None,
    closure: tuple[CellType, ...] | None,
    uses: tuple[str, ...],
    imports: tuple[str, ...],
) -> FunctionType:
    """A function, yet without its state."""
    for name in imports:
        __import__(name)
    found: CodeType = marshal.loads(code) if isinstance(code, bytes) else code
    there = namespaces.globals_of(space) if isinstance(space, str) else space
    made = FunctionType(found, there, None, None, closure)
    if home is not None:
        namespaces.put(*home, made)
    if uses and isinstance(space, str):
        namespaces.want(space, uses)
    return made


def new_globals(name: str) -> dict[str, Any]:
    """A dictionary of globals that belongs to no module."""
    return {"__name__": name, "__builtins__": builtins}


def fill_function(function: FunctionType, state: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]) -> None:
    """Sets a function's attributes, and of its globals what is not there."""
    slots, attributes, values = state
    for name, value in slots.items():
        setattr(function, name, value)
    function.__dict__.update(attributes)
    if values:
        space = function.__globals__
        for name, value in values.items():
            space.setdefault(name, value)


def make_code(*arguments: Any) -> CodeType:
    """A code object whose constants marshal does not know."""
    return CodeType(*arguments)


def local_cell() -> CellType:
    """An empty cell."""
    return CellType()


def class_dict_cell(cls: type | None) -> CellType:
    """A cell with what annotations of methods look into besides globals: their class, if it is known."""
    return CellType({} if cls is None else cls.__dict__)


def shared_descriptor(name: str) -> Any:
    """The descriptor of that name that all classes have which Python code makes."""
    return type(name, (), {}).__dict__[name]


def partial_method(state: dict[str, Any]) -> Any:
    """A `functools.partialmethod`, which from 3.14 on cannot be made without its function."""
    from functools import partialmethod

    made = object.__new__(partialmethod)
    made.__dict__.update(state)
    return made


def fill_cell(cell: CellType, contents: tuple[Any]) -> None:
    """Sets what a cell holds."""
    (cell.cell_contents,) = contents


def class_annotate(
    cls: type, code: bytes, space: str | dict[str, Any], name: str, cells: dict[str, CellType], uses: tuple[str, ...]
) -> FunctionType:
    """The function that evaluates a class's annotations, which looks into the class."""
    found = marshal.loads(code)
    there = namespaces.globals_of(space) if isinstance(space, str) else space
    own = {"__class__": CellType(cls), "__classdict__": CellType(cls.__dict__)}
    closure = tuple(own.get(free) or cells[free] for free in found.co_freevars)
    made = FunctionType(found, there, name, None, closure)
    made.__qualname__ = f"{cls.__qualname__}.{name}"
    if uses and isinstance(space, str):
        namespaces.want(space, uses)
    return made


def global_of(space: str, name: str) -> Any:
    """What a global of a script is."""
    namespaces.load_stale(space, name)
    found = namespaces.globals_of(space)
    if name in found:
        return found[name]
    return namespaces.resolve(space, name)


def contents_of(number: str) -> Any:
    """What a cell holds."""
    return namespaces.loaded_cell(number).cell_contents


def module_of(space: str) -> Any:
    """The module that stands for a script."""
    return namespaces.module_of(space)


def import_module(name: str) -> Any:
    """A module that can be imported."""
    __import__(name)
    return sys.modules[name]


def make_property(get: Any, set_: Any, delete: Any, doc: str | None, name: str | None) -> property:
    """A property, with the name that it has from 3.13 on."""
    made = property(get, set_, delete, doc)
    if name is not None:
        made.__name__ = name  # type: ignore[attr-defined]
    return made


def make_cached_property(function: Any, name: str | None, doc: str | None) -> Any:
    """A property that is computed once."""
    from functools import cached_property

    made = cached_property(function)
    made.attrname = name
    made.__doc__ = doc
    return made


def make_cached(function: Any, size: int | None, typed: bool) -> Any:
    """A function with a cache, which is empty."""
    from functools import lru_cache

    return lru_cache(size, typed)(function)


def make_typing(kind: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], module: str | None) -> Any:
    """A type variable, a new type or an alias."""
    made = kind(*arguments, **keywords)
    if module is not None:
        made.__module__ = module
    return made


def named_sentinel(kind: Any, name: str, module: str) -> Any:
    """A sentinel, of the Pythons that have them built in."""
    made = kind(name)
    made.__module__ = module
    return made


def make_context_variable(name: str, *default: Any) -> Any:
    """A context variable, with its default if it has one."""
    from contextvars import ContextVar

    return ContextVar(name, default=default[0]) if default else ContextVar(name)


def refuse(message: str) -> None:
    """In the place of what could not be sent."""
    raise TypeError(message)


def context_manager(kind: Any, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What a function under `contextlib.contextmanager` returns, when nothing has been done with it yet."""
    return kind(function, arguments, keywords)


def new_rlock() -> Any:
    """A lock that nobody holds."""
    return threading.RLock()


def new_local() -> Any:
    """Data of threads, of which there is none."""
    return threading.local()


def named_in(module: str, name: str) -> Any:
    """An attribute of a module that can be imported."""
    __import__(module)
    found = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def lazy_import(statement: str, name: str) -> Any:
    """What a lazy import binds a name to."""
    space: dict[str, Any] = {}
    exec(f"lazy {statement}", space)
    return dict.get(space, name)


def make_class(
    meta: type,
    name: str,
    bases: tuple[type, ...],
    slots: tuple[str, ...] | None,
    home: tuple[str, str] | None,
    names: tuple[str, str],
    number: str,
) -> type:
    """A class, yet without its attributes."""
    if number:
        known: type | None = tracked(number)
        if known is not None:
            return known
    space: dict[str, Any] = {"__module__": names[0], "__qualname__": names[1]}
    if slots is not None:
        space["__slots__"] = slots
    with _building:
        hooks = _take_hooks(bases)
        try:
            made: type = _new_of(meta)(meta, name, bases, space)
            if issubclass(meta, abc.ABCMeta):
                _abc._abc_init(made)
        finally:
            for base, hook in hooks:
                type.__setattr__(base, "__init_subclass__", hook)
    if number:
        track(made, number)
        _unfilled.add(number)
    if home is not None:
        namespaces.put(*home, made)
    namespaces.begin_class()
    return made


_unfilled: set[str] = set()


def fill_class(cls: type, state: tuple[str, dict[str, Any], Any, tuple[type, ...], Any]) -> None:
    """Sets a class's attributes, if it is new."""
    number, attributes, annotate, registered, reducer = state
    if number:
        if number not in _unfilled:
            return
        _unfilled.discard(number)
    namespaces.end_class()
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)
    if annotate is not None:
        type.__setattr__(cls, "__annotate__", annotate)
    for other in registered:
        cls.register(other)  # type: ignore[attr-defined]
    if reducer is not None:
        copyreg.pickle(cls, reducer)


def raw_instance(cls: Any, base: type, arguments: tuple[Any, ...]) -> Any:
    """An instance of a class that is being made, without asking that."""
    return base.__new__(cls, *arguments)


def member_named(cls: Any, name: str) -> Any:
    """The member of an enum of that name."""
    return cls._member_map_[name]


def fill_instance(instance: Any, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Sets the state of an instance, whose class may refuse that."""
    fields, slots = state
    if fields:
        instance.__dict__.update(fields)
    for name, value in slots.items():
        object.__setattr__(instance, name, value)


def _quiet(_cls: type, /, **_: Any) -> None:
    """In the place of an `__init_subclass__` that has run where the class was defined."""


def _take_hooks(bases: tuple[type, ...]) -> list[tuple[type, Any]]:
    """Puts the hooks of bases aside, for no way of making a class leaves them out."""
    hooks: list[tuple[type, Any]] = []
    seen: set[type] = {object}
    for base in bases:
        for one in base.__mro__:
            if one in seen or "__init_subclass__" not in one.__dict__:
                continue
            seen.add(one)
            hook = one.__dict__["__init_subclass__"]
            try:
                type.__setattr__(one, "__init_subclass__", classmethod(_quiet))
            except TypeError:
                continue  # a class of C's, whose hook takes what there is
            hooks.append((one, hook))
    return hooks


def _new_of(meta: type) -> Callable[..., Any]:
    """What makes a class of this metaclass without running Python code of it."""
    for one in meta.__mro__:
        new = one.__dict__.get("__new__")
        if new is not None and not isinstance(new, FunctionType | staticmethod):
            return new  # type: ignore[no-any-return]
    return type.__new__
