"""How objects travel that `pickle` refuses, or whose own way is a name where no name leads to them."""

from __future__ import annotations

import _thread
import contextlib
import copyreg
import functools
import sys
import types
import typing
from collections.abc import Callable, Mapping
from contextvars import Context, ContextVar
from io import TextIOWrapper
from types import CellType, CodeType, GetSetDescriptorType, MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from poolifier.wire.scripts import functions, importable, rebuild
from poolifier.wire.views import reduce_view

if TYPE_CHECKING:
    from poolifier.wire.scripts.pickler import Pickler

__all__ = ["LAZY_IMPORT", "REDUCERS", "lazy_import", "module", "more_reducers", "nameless"]

LAZY_IMPORT: Final[Any] = getattr(types, "LazyImportType", None)
"""What a name is bound to that is imported lazily and was not used yet, in Pythons that have that."""

_CACHED: Final = type(functools.cache(len))
_SENTINELS: Final = {
    "dataclasses": ("MISSING", "KW_ONLY", "_FIELD", "_FIELD_CLASSVAR", "_FIELD_INITVAR", "_HAS_DEFAULT_FACTORY"),
    "functools": ("_initial_missing",),
}
"""Objects that are told by their identity, in modules that are the same in all processes."""


def module(pickler: Pickler, obj: ModuleType) -> Any:
    """A module: its name to be imported, or the namespace that stands for it."""
    name = obj.__name__
    if sys.modules.get(name) is obj and not importable.is_script(name):
        return rebuild.import_module, (name,)
    if pickler.definitions is not None:
        return rebuild.module_of, (pickler.definitions.require_module(obj),)
    return rebuild.module_of, (name,)


def lazy_import(obj: Any, name: str) -> Any:
    """A lazy import that is bound to a name, and stays lazy.

    What it is of stands in its `repr` and nowhere else; to ask it for anything would import it.
    """
    target = repr(obj).split("'")[1]
    module, _, attribute = target.rpartition(".")
    if name == target or target.startswith(f"{name}."):
        return rebuild.lazy_import, (f"import {target}", name)
    if not module:
        return rebuild.lazy_import, (f"import {target} as {name}", name)
    # This finds submodules as well.
    return rebuild.lazy_import, (f"from {module} import {attribute} as {name}", name)


def nameless(pickler: Pickler, obj: Any, kind: type) -> Any:
    """Something whose own way to be pickled is a name, which does not lead to it, or only by what is made here."""
    if kind is _CACHED:
        limits = obj.cache_parameters()
        attributes = {name: value for name, value in vars(obj).items() if name != "cache_parameters"}
        return rebuild.make_cached, (obj.__wrapped__, limits["maxsize"], limits["typed"]), (None, attributes)
    part = pickler.parts.get(id(obj))
    if part is not None and part[0] is obj:
        return part[1]
    if kind is _ALIAS:
        from poolifier.wire.scripts import aliases

        reduced = aliases.reduce(pickler, obj)
        if reduced is not None:
            return reduced
    reducer = _TYPING.get(kind)
    if reducer is not None:
        return reducer(obj)
    sentinel = getattr(obj, "__name__", None)
    if kind.__module__ == "builtins" and kind.__name__ == "sentinel":
        return rebuild.named_sentinel, (kind, sentinel, obj.__module__)
    # Of a class whose `__reduce__` gives the name of a global: the object that is to stand there.
    plain: Any = object.__reduce__
    return object.__reduce_ex__(obj, 2) if kind.__reduce__ is plain else _by_state(obj, kind)


def _by_state(obj: Any, kind: type) -> tuple[Any, ...]:
    return copyreg.__newobj__, (kind,), obj.__getstate__()  # type: ignore[attr-defined]


def more_reducers() -> Mapping[type, Callable[[Any], Any]]:
    """Those that cloudpickle has for what this project has none for; importing it takes 40 ms."""
    import cloudpickle  # type: ignore[import-untyped]

    table = cloudpickle.Pickler._dispatch_table
    return {kind: reducer for kind, reducer in table.items() if kind not in REDUCERS and kind not in _TYPING}


def _property(_: Pickler, obj: property) -> Any:
    return rebuild.make_property, (obj.fget, obj.fset, obj.fdel, obj.__doc__, getattr(obj, "__name__", None))


def _wrapping(_: Pickler, obj: Any) -> Any:
    return type(obj), (obj.__func__,)


def _proxy(_: Pickler, obj: Any) -> Any:
    return MappingProxyType, (dict(obj),)


def _partial_method(_: Pickler, obj: Any) -> Any:
    return rebuild.partial_method, (obj.__dict__,)


def _descriptor(_: Pickler, obj: GetSetDescriptorType) -> Any:
    # From 3.15 on all classes share one for `__dict__` and one for `__weakref__`, and say that `object` has them.
    if getattr(obj.__objclass__, obj.__name__, None) is obj:
        return NotImplemented
    return rebuild.shared_descriptor, (obj.__name__,)


def _cached_property(_: Pickler, obj: Any) -> Any:
    # It has a lock before 3.12.
    return rebuild.make_cached_property, (obj.func, obj.attrname, obj.__doc__)


def _lock(pickler: Pickler, _obj: Any) -> Any:
    # Whether it is held here is of no meaning there: a worker that imported the script would make one that is free.
    return (_thread.allocate_lock, ()) if pickler.anew else NotImplemented


def _rlock(pickler: Pickler, _obj: Any) -> Any:
    return (rebuild.new_rlock, ()) if pickler.anew else NotImplemented


def _text_file(_: Pickler, obj: TextIOWrapper) -> Any:
    # What cloudpickle makes of others is a copy of their text, in memory.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name, None) is obj or getattr(sys, f"__{name}__", None) is obj:
            return getattr, (sys, name)
    return NotImplemented


def _local(pickler: Pickler, _obj: Any) -> Any:
    return (rebuild.new_local, ()) if pickler.anew else NotImplemented


def _context_variable(pickler: Pickler, obj: ContextVar[Any]) -> Any:
    if not pickler.anew:
        return NotImplemented
    try:
        default = (Context().run(obj.get),)
    except LookupError:
        default = ()  # type: ignore[assignment]
    return rebuild.make_context_variable, (obj.name, *default)


def _generator_context(pickler: Pickler, obj: Any) -> Any:
    # Used as a decorator it makes another of its kind for each call.
    return (rebuild.context_manager, (type(obj), obj.func, obj.args, obj.kwds)) if pickler.anew else NotImplemented


def _weak_keys(_: Pickler, obj: Any) -> Any:
    return WeakKeyDictionary, (dict(obj.items()),)


def _weak_values(_: Pickler, obj: Any) -> Any:
    return WeakValueDictionary, (dict(obj.items()),)


def _weak_reference(pickler: Pickler, obj: Any) -> Any:
    if not pickler.anew:
        return NotImplemented
    target = obj()
    if target is None:
        return rebuild.dead_reference, ()
    return type(obj), (target,) if obj.__callback__ is None else (target, obj.__callback__)


def _sentinel(pickler: Pickler, obj: Any) -> Any:
    for name, attributes in _SENTINELS.items():
        home = sys.modules.get(name)
        for attribute in attributes:
            if getattr(home, attribute, None) is obj:
                return rebuild.named_in, (name, attribute)
    return pickler.by_own_way(obj, type(obj))


def _view(_: Pickler, obj: memoryview) -> Any:
    return reduce_view(obj)


def _type_variable(obj: Any) -> Any:
    keywords = {"covariant": obj.__covariant__, "contravariant": obj.__contravariant__}
    if getattr(obj, "__infer_variance__", False):
        keywords = {"infer_variance": True}
    if isinstance(obj, typing.TypeVar) and obj.__bound__ is not None:
        keywords["bound"] = obj.__bound__
    constraints = getattr(obj, "__constraints__", ())
    return rebuild.make_typing, (type(obj), (obj.__name__, *constraints), keywords | _default(obj), obj.__module__)


def _type_variables(obj: Any) -> Any:
    return rebuild.make_typing, (type(obj), (obj.__name__,), _default(obj), obj.__module__)


def _default(obj: Any) -> dict[str, Any]:
    """What a type variable stands for where nothing is given for it, from 3.13 on."""
    return {"default": obj.__default__} if hasattr(obj, "has_default") and obj.has_default() else {}


def _new_type(obj: Any) -> Any:
    return rebuild.make_typing, (type(obj), (obj.__name__, obj.__supertype__), {}, obj.__module__)


def _type_alias(obj: Any) -> Any:
    return rebuild.make_typing, (type(obj), (obj.__name__, obj.__value__), {"type_params": obj.__type_params__}, None)


REDUCERS: Final[dict[type, Callable[[Pickler, Any], Any]]] = {
    CellType: functions.cell,
    CodeType: functions.code,
    property: _property,
    classmethod: _wrapping,
    staticmethod: _wrapping,
    MappingProxyType: _proxy,
    memoryview: _view,
    GetSetDescriptorType: _descriptor,
    functools.cached_property: _cached_property,
    functools.partialmethod: _partial_method,
    type(_thread.allocate_lock()): _lock,
    _thread.RLock: _rlock,
    TextIOWrapper: _text_file,
    _thread._local: _local,
    ContextVar: _context_variable,
    contextlib._GeneratorContextManager: _generator_context,
    contextlib._AsyncGeneratorContextManager: _generator_context,
    WeakKeyDictionary: _weak_keys,
    WeakValueDictionary: _weak_values,
    ref: _weak_reference,
}
for _name, _attributes in _SENTINELS.items():
    for _attribute in _attributes:
        _one = getattr(sys.modules.get(_name) or __import__(_name), _attribute, None)
        if _one is not None:
            REDUCERS[type(_one)] = _sentinel

_TYPING: Final[dict[Any, Callable[[Any], Any]]] = {
    typing.TypeVar: _type_variable,
    typing.ParamSpec: _type_variables,
    typing.TypeVarTuple: _type_variables,
    typing.NewType: _new_type,
}
_ALIAS: Final[Any] = getattr(typing, "TypeAliasType", object)
if _ALIAS is not object:
    _TYPING[_ALIAS] = _type_alias
