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
import gc
import marshal
import sys
import threading
from contextlib import suppress
from types import CellType, CodeType, FunctionType

from poolifier.wire.scripts import circles, namespaces
from poolifier.wire.scripts.numbered_classes import track, tracked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

__all__ = [
    "begin_attributes",
    "class_annotate",
    "contents_of",
    "fill_cell",
    "fill_class",
    "fill_function",
    "fill_instance",
    "fill_set",
    "global_of",
    "lazy_import",
    "local_cell",
    "make_class",
    "make_code",
    "make_function",
    "module_of",
    "named_in",
    "new_globals",
    "placed",
    "raw_instance",
]

_HEAP_TYPE = 1 << 9
"""Set in `__flags__` of classes that Python code made."""

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
    if home is not None and isinstance(begun := circles.begun_as(*home), FunctionType):
        return begun
    for name in imports:
        __import__(name)
    found: CodeType = marshal.loads(code) if isinstance(code, bytes) else code
    there = namespaces.globals_of(space) if isinstance(space, str) else space
    made = FunctionType(found, there, None, None, closure)
    if home is not None:
        namespaces.begin(*home, made)
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


def placed(space: str, name: str, make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """An object, which its name leads to before it has its state and items."""
    made = circles.begun_as(space, name)
    if made is None:
        made = make(*arguments)
        namespaces.begin(space, name, made)
        return made
    # A load that was put off may have begun to fill it.
    for base in type(made).__mro__:
        if not base.__flags__ & _HEAP_TYPE and hasattr(base, "clear"):
            base.clear(made)
            break
    return made


def fill_set(made: set[Any], items: list[Any]) -> None:
    """Adds what a set holds."""
    made.update(items)


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


def namespace_of(space: str) -> dict[str, Any]:
    """The globals of a script."""
    return namespaces.globals_of(space)


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


def made_by(module: str, name: str, arguments: tuple[Any, ...]) -> Any:
    """An object that a class of a module makes of these arguments."""
    return named_in(module, name)(*arguments)


def is_foreign(meta: type) -> bool:
    """Whether a metaclass is one of `ctypes`, which keeps what it needs to know of a class."""
    return any(one.__module__ == "_ctypes" for one in meta.__mro__)


def type_of(module: str, name: str) -> Any:
    """The class of an attribute of a module."""
    return type(named_in(module, name))


def function_type(result: Any, arguments: Any, flags: int) -> Any:
    """A type of functions of C."""
    import ctypes

    make: Any = ctypes.PYFUNCTYPE if flags & 4 else ctypes.CFUNCTYPE
    return make(result, *(arguments or ()), **({} if flags & 4 else {"use_errno": bool(flags & 8)}))


def library(kind: str, name: str | None, use_errno: bool, functions: list[tuple[str, Any, Any]]) -> Any:
    """A shared library."""
    import ctypes

    made = getattr(ctypes, kind)(name, use_errno=use_errno)
    for each in functions:
        library_function(made, *each)
    return made


def library_function(owner: Any, name: str, arguments: Any, result: Any) -> Any:
    """A function of a shared library."""
    found = getattr(owner, name)
    found.argtypes, found.restype = arguments, result
    return found


def with_state_of(cls: Any, owner: type, name: str) -> Any:
    """An instance whose dictionary is one that a class has: all of them share their state."""
    made = object.__new__(cls)
    made.__dict__ = owner.__dict__[name]
    return made


def dead_reference() -> Any:
    """A weak reference to what is no more."""
    from weakref import ref

    class Gone:
        pass

    return ref(Gone())


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
    first: dict[str, Any],
    home: tuple[str, str] | None,
    names: tuple[str, str],
    number: str,
) -> type:
    """A class, yet without its attributes."""
    known: type | None = None if home is None else circles.begun_as(*home)
    if known is not None and home is not None and "." in home[1]:
        # It was whole, and is filled once more.
        namespaces.begin_class()
    if known is None and number:
        known = tracked(number)
    if known is not None:
        return known
    space: dict[str, Any] = {"__module__": names[0], "__qualname__": names[1], **first}
    with _building:
        hooks = _take_hooks(bases)
        try:
            made: type = meta(name, bases, space) if is_foreign(meta) else _new_of(meta)(meta, name, bases, space)
            if issubclass(meta, abc.ABCMeta):
                _abc._abc_init(made)
        finally:
            for base, hook in hooks:
                type.__setattr__(base, "__init_subclass__", hook)
    if number:
        track(made, number)
        _unfilled.add(number)
    if home is not None:
        namespaces.begin(*home, made)
    namespaces.begin_class()
    return made


_unfilled: set[str] = set()


def _setter(cls: type) -> Any:
    """Whose way to set attributes a class gets: not that of a metaclass in Python, but that of `ctypes`."""
    meta: Any = type(cls)
    return next(one for one in meta.__mro__ if not one.__flags__ & _HEAP_TYPE or one.__module__ == "_ctypes")


def begin_attributes(cls: type, number: str, attributes: dict[str, Any]) -> None:
    """Sets what a class does, before it is known what it has: that may be instances of it, or refer to its methods."""
    if number and number not in _unfilled:
        return
    for name, value in attributes.items():
        _set_attribute(cls, name, value)


def fill_class(cls: type, state: tuple[Any, ...]) -> None:
    """Sets a class's attributes, if it is new."""
    number, _, attributes, annotate, registered, registering, reducer, texts = state
    if number:
        if number not in _unfilled:
            return
        _unfilled.discard(number)
    namespaces.end_class()
    for name, value in attributes.items():
        _set_attribute(cls, name, value)
    if annotate is not None:
        _setter(cls).__setattr__(cls, "__annotate__", annotate)
    for other in registered:
        cls.register(other)  # type: ignore[attr-defined]
    for base in registering:
        base.register(cls)
    if reducer is not None:
        copyreg.pickle(cls, reducer)
    if texts is not None:
        namespaces.want(*texts)


_STORED: Final = frozenset({"__doc__", "__annotations__", "__type_params__", "__abstractmethods__"})
"""What `type` has descriptors for that put the value into the class, and know of it from then on."""


def _is_of_the_metaclass(meta: type, name: str) -> bool:
    """Whether setting an attribute of that name would not put it into the class, but be the metaclass's business.

    `type.__setattr__(cls, "__class__", value)` changes the metaclass, `"__name__"` the class's own name, and where the
    metaclass has a property of the name it calls that. A class statement may well have them: proxies and mocks do.
    """
    if name in _STORED:
        return False
    for one in meta.__mro__:
        found = one.__dict__.get(name)
        if found is not None:
            return hasattr(type(found), "__set__") or hasattr(type(found), "__delete__")
    return False


def _set_attribute(cls: type, name: str, value: Any) -> None:
    """Sets an attribute of a class, last of all: they are set in the order in which they stood."""
    if _is_of_the_metaclass(type(cls), name):
        _put_into(cls, name, value)
        return
    setter = _setter(cls)
    if name in cls.__dict__:
        with suppress(AttributeError, TypeError):
            setter.__delattr__(cls, name)
    setter.__setattr__(cls, name, value)


def _put_into(cls: type, name: str, value: Any) -> None:
    """Puts an attribute into a class's namespace past its metaclass."""
    # What a mapping proxy shows is the only thing it refers to. Python offers no other way to it once the class has
    # been made, and before that the values cannot be, for they may refer to the class.
    namespace = gc.get_referents(cls.__dict__)[0]
    namespace.pop(name, None)
    namespace[name] = value
    # So that what is remembered of lookups in the class is forgotten.
    type.__setattr__(cls, "__module__", namespace["__module__"])


def raw_instance(cls: Any, base: Any, arguments: tuple[Any, ...], where: tuple[str, str] | None) -> Any:
    """An instance of a class that may be being made, without asking that; or what the global has that it is."""
    if where is not None and (found := namespaces.globals_of(where[0]).get(where[1], _MISSING)) is not _MISSING:
        _whole[id(found)] = found
        return found
    made = base.__new__(cls, *arguments)
    if issubclass(base, BaseException):
        # Some keep their arguments in attributes.
        base.__init__(made, *arguments)
    if where is not None:
        namespaces.begin_besides(*where, made)
    return made


def raw_descriptor(cls: Any, base: Any, arguments: tuple[Any, ...]) -> Any:
    """A property or the like, of a subclass that may make it of something else."""
    # From 3.15 on some have it all in `__new__`.
    made = base.__new__(cls, *arguments)
    if base.__init__ is not object.__init__:
        base.__init__(made, *arguments)
    return made


_MISSING = object()
_whole: dict[int, Any] = {}
"""Instances that were there already and are not to be filled again, by identity."""


def member_named(cls: Any, name: str) -> Any:
    """The member of an enum of that name."""
    return cls._member_map_[name]


def fill_plainly(instance: Any, state: Any) -> None:
    """Sets the state of an instance as `pickle` does, whose class is not asked whether it has a way of its own."""
    fields, slots = state if isinstance(state, tuple) else (state, None)
    if fields:
        instance.__dict__.update(fields)
    for name, value in (slots or {}).items():
        object.__setattr__(instance, name, value)


def fill_instance(instance: Any, state: tuple[dict[str, Any], dict[str, Any], list[Any] | None]) -> None:
    """Sets the state of an instance, whose class may refuse that, if it is new."""
    if _whole.pop(id(instance), None) is not None:
        return
    fields, slots, items = state
    if items is not None:
        fill: Any = {dict: dict.update, list: list.extend, set: set.update}
        for base in type(instance).__mro__:
            if base in fill:
                fill[base](instance, items)
                break
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
