"""The part of the codec that needs cloudpickle, apart because importing cloudpickle takes 40 ms.

cloudpickle gives a class that travels by value an identity, so that instances which come back belong
to the class they left from. But it also sets the class's attributes anew whenever one arrives, which
would replace the methods of the parent's own classes by copies from a worker. Here a class is filled
in once, where it is new, and left alone ever after.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar
from weakref import WeakSet

import cloudpickle  # type: ignore[import-untyped]
from cloudpickle import cloudpickle as internals

from poolifier.wire.multiprocessing_reducers import reducers
from poolifier.wire.views import reduce_view

__all__ = ["dumps", "loads", "pickler"]

# cloudpickle's own way makes bytes of views. No copy of its table, which goes on to that of `copyreg`.
_inherited: Any = cloudpickle.Pickler.dispatch_table
_table: ChainMap[Any, Any] = ChainMap({memoryview: reduce_view}, {}, _inherited)

# Classes made here from a pickle, which their state has yet to reach.
_unfilled: WeakSet[type] = WeakSet()


def dumps(
    value: Any,
    by_value_modules: Iterable[str] = (),
    keep: Callable[[pickle.PickleBuffer], object] | None = None,
) -> bytes:
    """Pickles by value what `__main__` and the named modules define, the rest by reference.

    `keep` is asked about each buffer, as in `codec.encode`.
    """
    _register(by_value_modules)
    # It has more of them for each type of shared values that is in use.
    _table.maps[1] = reducers()
    file = io.BytesIO()
    _Pickler(file, 5, keep).dump(value)
    return file.getvalue()


def pickler(by_value_modules: Iterable[str], given: Mapping[type, Callable[[Any], Any]]) -> type[pickle.Pickler]:
    """What `dumps` pickles with, for types that are to be reduced as given besides."""
    _register(by_value_modules)
    # Picklers look for it when they are made, so it has to be the class's.
    table = ChainMap(dict[Any, Any](given), _table)
    return type("Pickler", (_Pickler,), {"dispatch_table": table})


def loads(payload: bytes | bytearray | memoryview, buffers: Iterable[Any] = ()) -> Any:
    """Reads a pickle that cloudpickle made, given the buffers that were kept out of it."""
    return _Unpickler(io.BytesIO(payload), buffers=buffers).load()


def _register(by_value_modules: Iterable[str]) -> None:
    for name in by_value_modules:
        module = sys.modules.get(name)
        if module is not None and name not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    dispatch_table: ClassVar = _table


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "cloudpickle.cloudpickle":
            if name == "_make_skeleton_class":
                return _make_class
            if name == "_make_skeleton_enum":
                return _make_enum
            if name == "_class_setstate":
                return _fill_class
        return super().find_class(module, name)


def _make_class(
    type_constructor: Any, name: str, bases: tuple[type, ...], type_kwargs: dict[str, Any], tracker: Any, extra: Any
) -> Any:
    known = internals._DYNAMIC_CLASS_TRACKER_BY_ID.get(tracker)
    if known is not None:
        return known
    made = internals._make_skeleton_class(type_constructor, name, bases, type_kwargs, tracker, extra)
    _unfilled.add(made)
    return made


def _make_enum(
    bases: tuple[type, ...], name: str, qualname: str, members: dict[str, Any], module: str, tracker: Any, extra: Any
) -> Any:
    known = internals._DYNAMIC_CLASS_TRACKER_BY_ID.get(tracker)
    if known is not None:
        return known
    made = internals._make_skeleton_enum(bases, name, qualname, members, module, tracker, extra)
    _unfilled.add(made)
    return made


def _fill_class(cls: type, state: Any) -> Any:
    if cls in _unfilled:
        internals._class_setstate(cls, state)
        _unfilled.discard(cls)
    return cls
