"""The pickler: what a script defines by name, and what has no name that leads to it by value.

In the pool's process `definitions` hears of each name that a pickle has, so that it is sent ahead. In a worker, and
wherever nothing can be sent ahead, what the other side does not know is in the pickle itself.
"""

from __future__ import annotations

import builtins
import copyreg
import io
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType

from poolifier.errors import SerializationError
from poolifier.wire.scripts import importable, namespaces, rebuild
from poolifier.wire.scripts.operations import CELL, KEYED
from poolifier.wire.scripts.reduced import Reduced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from poolifier.wire.scripts.definitions import Definitions
    from poolifier.wire.scripts.learned import Learned

__all__ = ["Pickler", "SharingPickler", "is_known", "named"]

_HEAP_TYPE: Final = 1 << 9
"""Set in `__flags__` of classes that Python code made."""

_CONTAINERS: Final = frozenset({list, dict, set, bytearray})

_SPECIAL: Final = frozenset(
    {"builtins", "functools", "_thread", "_contextvars", "_io", "weakref", "dataclasses", "contextlib"}
)
"""Modules of the types that have a reducer in `values`, which takes workers long to import."""

_MADE_ANEW: Final = frozenset({"_struct", "random", "_queue", "concurrent.futures.thread", "itertools"})
"""Modules of the types that `made_anew` has a way for, which takes workers long to import."""

_DESCRIPTORS: Final = (property, classmethod, staticmethod)

_OF_PICKLE: Final = frozenset({pickle.PicklingError, TypeError, AttributeError})

_PLAIN: Final[tuple[Any, Any]] = (object.__reduce_ex__, object.__reduce__)


class Pickler(pickle.Pickler):
    """A pickler for one value.

    Attributes:
        definitions: Those of the pool, which hears of what the pickle needs; or None.
        home: Where the value is to stand, if it is one that is being defined.
        target: That value.
        extra: Further reducers, by type.
        making: Enums that the pickle makes.
        lasting: The worker is to have it for as long as it lives.
        anew: It belongs to a script: what a worker that imported that would make anew need not travel.
        functions: Those that travel by value, as far as the pickle has come.
        whole: The value that is being defined, also once it has begun.
        parts: What is a part of something that the pickle makes, by identity, and how it is found in that.
        learned: Takes down what the pickle finds out, for those after it; or None.
    """

    definitions: Definitions | None = None
    home: tuple[str, str] | None = None
    target: Any = None
    extra: Mapping[type, Callable[[Any], Any]] | None = None
    making: frozenset[type] = frozenset()
    whole: Any = None
    lasting: bool = False
    anew: bool = False
    parts: Mapping[int, tuple[Any, tuple[Any, ...]]] = MappingProxyType({})
    functions: list[FunctionType]
    learned: Learned | None = None
    _stand_ins: dict[int, tuple[Any, Reduced]] | None = None

    def reducer_override(self, obj: Any) -> Any:
        """See `pickle.Pickler`."""
        kind = type(obj)
        reduced = self._reduced(obj, kind)
        if obj is self.whole and kind is not Reduced and kind is not FunctionType and not isinstance(obj, type):
            return self._placed(obj, kind, reduced)
        if self.learned is not None:
            self.learned.learn(obj, kind, reduced, self.extra)
        return reduced

    def _reduced(self, obj: Any, kind: type) -> Any:
        if kind is FunctionType:
            return self._function(obj)
        if isinstance(obj, type):
            return self._class(obj)
        if kind in self.making:
            from poolifier.wire.scripts import classes

            # A member cannot be looked up before the enum is there, also where a global has it.
            of_enum = self.home is None or hasattr(kind, "_member_map_")
            return classes.member(obj, kind, None if of_enum else self._global(obj))
        if self.home is not None:
            known = self._known(obj)
            if known is not None:
                return known
        if self.lasting:
            members = getattr(kind, "_member_map_", None)
            if type(members) is dict and members.get(name := getattr(obj, "_name_", None)) is obj:
                # Not by its value, which may be one that nothing else equals.
                return rebuild.member_named, (kind, name)
        extra = self.extra
        if extra is not None and kind in extra:
            return extra[kind](obj)
        if self.lasting and isinstance(obj, BaseException) and kind.__flags__ & _HEAP_TYPE and _is_plain_error(kind):
            from poolifier.wire.scripts import classes

            # Its `__init__` may take other arguments than it has left in `args`.
            return classes.member(obj, kind, None)
        if kind.__module__ in _SPECIAL:
            from poolifier.wire.scripts import values

            reducer = values.REDUCERS.get(kind)
            if reducer is not None:
                return reducer(self, obj)
        if self.lasting and (known := self._foreign(obj, kind)) is not None:
            return known
        if self.anew and kind.__module__ in _MADE_ANEW:
            from poolifier.wire.scripts import made_anew

            make = made_anew.reducer(kind)
            if make is not None:
                return make(obj)
        if kind in copyreg.dispatch_table:
            return NotImplemented
        if isinstance(obj, ModuleType):
            from poolifier.wire.scripts import values

            return values.module(self, obj)
        return self.by_own_way(obj, kind)

    def _foreign(self, obj: Any, kind: type) -> Any:
        """A library of `ctypes`, or a function of one: pointers of this process mean nothing to others."""
        ctypes = sys.modules.get("ctypes")
        if ctypes is None:
            return None
        from poolifier.wire.scripts import foreign

        if kind in (ctypes.CDLL, ctypes.PyDLL):
            return foreign.library(obj)
        return foreign.function(obj) if isinstance(obj, ctypes._CFuncPtr) else None

    def dump_to(self, file: io.BytesIO, value: Any) -> bytes:
        """Pickles a value to the file that the pickler has been made for, and returns what stands there then.

        Raises:
            Exception: What kept it from that; its message or a note says which part of which function.
        """
        self.functions = []
        try:
            self.dump(value)
        except SerializationError:
            raise
        except Exception as error:
            _blame(error, self.functions)
            raise
        return file.getvalue()

    def is_target(self, obj: Any) -> bool:
        """Whether that is what is being defined, and not yet begun with."""
        if self.target is None or self.target is not obj:
            return False
        self.target = None
        return True

    def by_name(self, obj: Any) -> bool:
        """Whether a function or class goes by its name; then the other side will have what that stands for."""
        found = named(obj)
        if found is None:
            return False
        module, top = found
        if not importable.is_script(module):
            return True
        if self.definitions is not None:
            if self.home is not None and self.definitions.is_home(self.home, module, top):
                return False
            return self.definitions.require(module, top)
        return is_known(module, top)

    @property
    def is_named_class(self) -> bool:
        """Whether a class is being defined that its name leads to: its methods' cells are its own."""
        return isinstance(self.whole, type) and self.home is not None and self.home[0] != KEYED

    def is_part(self, obj: Any) -> bool:
        """Whether a class belongs to what is being defined, because its name leads through that."""
        found = named(obj)
        return (
            found is not None
            and self.home is not None
            and self.definitions is not None
            and self.definitions.is_home(self.home, *found)
        )

    def part_home(self, obj: Any) -> tuple[str, str] | None:
        """Where a part of what is being defined stands, if its name leads to it."""
        if self.home is None or not self.is_part(obj):
            return None
        return self.home[0], obj.__qualname__

    def stand_in(self, obj: Any, how: Callable[[], tuple[Any, ...]]) -> Reduced:
        """What is pickled in the place of an object, always the same, that this may be one at the other side, too."""
        if self._stand_ins is None:
            self._stand_ins = {}
        found = self._stand_ins.get(id(obj))
        if found is None:
            # With the object, whose identity would be another's otherwise.
            found = self._stand_ins[id(obj)] = (obj, Reduced(how))
        return found[1]

    def shared(self, value: Any, by: str = "") -> Any:
        """What stands for a value that is a global's, where picklers would not ask; `by` says where it stands."""
        if self.home is None or (type(value) not in _CONTAINERS and not by):
            return value
        if isinstance(value, FunctionType | type):
            return value
        known = self._known(value, by)
        return value if known is None else Reduced(known)

    # ---- inside -----------------------------------------------------------------------------------

    def _placed(self, obj: Any, kind: type, reduced: Any) -> Any:
        """What a name stands for, which it leads to before all that belongs to it is there: that may refer to it."""
        if self.home is None:
            return reduced
        if reduced is NotImplemented:
            own = copyreg.dispatch_table.get(kind)
            reduced = obj.__reduce_ex__(5) if own is None else own(obj)
        if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
            return reduced
        return rebuild.placed, (*self.home, *reduced[:2]), *reduced[2:]

    def _function(self, function: FunctionType) -> Any:
        if not self._of_another(function.__qualname__) and self.by_name(function):
            return NotImplemented
        if self.home is not None and not self.is_part(function) and (known := self._known(function)) is not None:
            return known
        from poolifier.wire.scripts import functions

        self.functions.append(function)
        return functions.reduce(self, function)

    def _of_another(self, name: str) -> bool:
        """A class that has been replaced by one with slots shares its methods, whose names lead to the new one."""
        return self.home is not None and self.home[0] == KEYED and "." in name

    def _class(self, cls: type) -> Any:
        if cls.__module__ == "_ctypes" and issubclass(cls, type):
            from poolifier.wire.scripts import foreign

            return foreign.meta(cls) or NotImplemented
        if not cls.__flags__ & _HEAP_TYPE:
            return self._built_in(cls)
        if self.by_name(cls):
            return NotImplemented
        if rebuild.is_foreign(type(cls)) and named(cls) is None:
            from poolifier.wire.scripts import foreign

            found = foreign.dynamic(cls)
            if found is not None:
                return found
        from poolifier.wire.scripts import classes

        # Where something else leads to a class than its own name, that only refers to it.
        own = self.home is not None and (self.home[0] == KEYED or self.is_part(cls))
        return classes.reduce(self, cls, target=own and self.is_target(cls))

    def _built_in(self, cls: type) -> Any:
        name = cls.__name__
        if cls.__module__ == "builtins" and not hasattr(builtins, name):
            # Types of the interpreter's own, most of which `types` has a name for.
            for each, value in vars(types).items():
                if value is cls:
                    return rebuild.named_in, ("types", each)
        return NotImplemented

    def by_own_way(self, obj: Any, kind: type) -> Any:
        """Whatever else there is: by its own way, of which is looked at whether it gives a name."""
        reduce_ex = kind.__reduce_ex__
        if reduce_ex is _PLAIN[0] and kind.__reduce__ is _PLAIN[1]:
            if self.anew and (found := _shared_state(obj, kind)) is not None:
                return rebuild.with_state_of, (kind, *found)
            if self.lasting and kind.__flags__ & _HEAP_TYPE and _asks_itself(kind):
                made, arguments, *rest = obj.__reduce_ex__(5)
                rest += [None] * (3 - len(rest))
                return made, arguments, *rest, rebuild.fill_plainly
            if isinstance(obj, _DESCRIPTORS):
                from poolifier.wire.scripts import classes

                return classes.descriptor(obj, kind)
            if "__name__" in kind.__dict__ and "__call__" in kind.__dict__:
                # Compiled functions of some tools have a name, and no way to be pickled. What the class has says so:
                # objects are not asked, for their `__getattr__` may do anything.
                name = getattr(obj, "__name__", None)
                if isinstance(name, str) and self._goes_by(obj, name):
                    return name
            return NotImplemented
        if kind is MethodType:
            name = obj.__func__.__name__
            if "." in name and not hasattr(obj.__self__, name):
                # A compiled coroutine method has the name of its class in its own.
                return getattr, (obj.__self__, name.rpartition(".")[2])
            return NotImplemented
        if kind is BuiltinFunctionType:
            return NotImplemented
        reduced = obj.__reduce_ex__(5)
        if not isinstance(reduced, str):
            return reduced
        if self._goes_by(obj, reduced):
            return reduced
        from poolifier.wire.scripts import values

        return values.nameless(self, obj, kind)

    def _goes_by(self, obj: Any, name: str) -> bool:
        module = getattr(obj, "__module__", None) or pickle.whichmodule(obj, name)  # type: ignore[attr-defined]
        top = name.partition(".")[0]
        if _found(module, name) is not obj or self._of_another(name):
            return False
        if not importable.is_script(module):
            return True
        if self.definitions is not None:
            if self.home is not None and self.definitions.is_home(self.home, module, top):
                return False
            return self.definitions.require(module, top)
        return is_known(module, top)

    def _known(self, obj: Any, by: str = "") -> Any:
        """An object that is the value of a global or cell goes by that, for it is to be the same wherever it stands."""
        definitions = self.definitions
        if definitions is None or (self.target is obj):
            return None
        where = self._global(obj, by)
        if where is None:
            if definitions.global_with(obj) == self.home:
                return None
            number = definitions.cell_with(obj)
            if number is None or self.home == (CELL, number):
                return None
            if self.home is not None:
                definitions.uses(self.home, (CELL, number))
            return rebuild.contents_of, (number,)
        return rebuild.global_of, where

    def _global(self, obj: Any, by: str = "") -> tuple[str, str] | None:
        """The global that has an object, if that is not the one that is being defined. The other side will have it."""
        definitions = self.definitions
        where = None if definitions is None else definitions.global_with(obj)
        if definitions is None or where is None or where == self.home:
            return None
        definitions.require_at(*where, by=by)
        if self.home is not None:
            definitions.uses(self.home, where)
        return where


class SharingPickler(Pickler):
    """For values in which lists, dicts and their like may stand that a global or cell has, too: it is the same there.

    Of these `pickle` does not ask for their reducers. It asks for the persistent identity of whatever there is.

    Attributes:
        of_globals: Those that globals have, by identity.
        of_cells: Those that cells have. Pickling adds to them.
        spaces: The names of the scripts whose globals a dictionary is, by its identity.
        own: The one that is being defined, if it is there before what it holds.
        itself: How the other side finds that.
    """

    of_globals: Mapping[int, Any] = MappingProxyType({})
    of_cells: Mapping[int, Any] = MappingProxyType({})
    spaces: Mapping[int, str] = MappingProxyType({})
    own: Any = None
    itself: Any = None

    def persistent_id(self, obj: Any) -> Any:
        """See `pickle.Pickler`."""
        number = id(obj)
        if number not in self.of_globals and number not in self.of_cells:
            space = self.spaces.get(number)
            return None if space is None else (rebuild.namespace_of, (space,))
        return self.itself if obj is self.own else self._known(obj)


def _asks_itself(kind: type) -> bool:
    """Whether asking an object for `__setstate__`, which `pickle` does before it has its state, may need that."""
    return hasattr(kind, "__getattr__") and not hasattr(kind, "__setstate__")


def _shared_state(obj: Any, kind: type) -> tuple[type, str] | None:
    """The class and attribute that hold the very dictionary that an instance has for its own."""
    plain: Any = object.__getattribute__
    if not kind.__flags__ & _HEAP_TYPE or kind.__getattribute__ is not plain:
        return None
    state = getattr(obj, "__dict__", None)
    for cls in kind.__mro__ if type(state) is dict else ():
        for name, value in cls.__dict__.items():
            if value is state:
                return cls, name
    return None


def _is_plain_error(kind: type) -> bool:
    return kind.__reduce_ex__ is _PLAIN[0] and not any(
        "__reduce__" in one.__dict__ or "__setstate__" in one.__dict__
        for one in kind.__mro__
        if one.__flags__ & _HEAP_TYPE
    )


def _blame(error: Exception, functions: list[FunctionType]) -> None:
    """Notes on an error which part of which function could not be pickled."""
    from poolifier.wire.scripts.functions import parts

    for function in reversed(functions):
        for name, value in parts(function):
            try:
                pickler = Pickler(io.BytesIO(), 5)
                pickler.functions = []
                pickler.dump(value)
            except Exception:  # noqa: BLE001 - this is the one
                where = (
                    f"it is {name!r} of {function.__qualname__!r}: create it in the pool's initializer or in the "
                    f"function, or import it from a module"
                )
                if type(error) in _OF_PICKLE:
                    # Executors hand it on as it is, and few look at notes.
                    error.args = (f"{error}; {where}",)
                else:
                    error.add_note(where)
                return


def is_known(module: str, top: str) -> bool:
    """Whether this is a worker, and its pool has sent that name."""
    return namespaces.is_from_pool("__main__" if module == "__mp_main__" else module, top)


def named(obj: Any) -> tuple[str, str] | None:
    """The module of a function or class and the first part of its name, if these lead to it; else None."""
    module = getattr(obj, "__module__", None)
    name = getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or _found(module, name) is not obj:
        return None
    return module, name.partition(".")[0]


def _found(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
