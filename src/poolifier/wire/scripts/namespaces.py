"""The worker's side: a module for each script, and the definitions that have arrived and are not loaded yet.

A definition is loaded when its name is asked for, which pickles do by `getattr`, or when a function that uses it as a
global is made. What the worker assigns to a global stays until the program gives that name another object.

Imported by every worker process, so it imports nothing heavy.
"""

from __future__ import annotations

import pickle
import sys
import threading
from contextlib import suppress
from io import BytesIO
from types import CellType, ModuleType

from poolifier.wire.scripts import circles, sources
from poolifier.wire.scripts.numbered_classes import track, tracked, untrack
from poolifier.wire.scripts.operations import CELL, FORGET, KEYED, SOURCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from poolifier.wire.scripts.operations import Key, Operation

__all__ = [
    "Namespace",
    "begin",
    "begin_besides",
    "begin_class",
    "cell",
    "define",
    "end_class",
    "globals_of",
    "is_from_pool",
    "is_namespace",
    "keyed",
    "load_stale",
    "loaded_cell",
    "module_of",
    "on_change",
    "put",
    "resolve",
    "want",
]

on_change: list[Callable[[], object]] = []
"""Called when a name of a script means another object than before."""


class Namespace(ModuleType):
    """A module that stands for a script of the program. What has arrived is loaded when it is asked for."""

    # Not in the module's dictionary, which is the script's.
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        key = (_names.get(id(self), ""), name)
        with _lock:
            if key in _pending:
                try:
                    _load(key)
                except AttributeError as error:
                    # Whoever asks would take it for the answer that there is no such name.
                    raise LookupError(f"{name!r} of {self.__name__!r} cannot be loaded: {error}") from error
                return vars(self)[name]
            circles.put_off(key)
        if name != "__getattr__" and (key[0], "__getattr__") in _pending:
            # The script's own, which modules look for in their dictionary alone.
            return self.__getattr__("__getattr__")(name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


# One at a time, for what one loads may be what another waits for. Reentrant, for a definition may need others.
_lock = threading.RLock()
_namespaces: dict[str, ModuleType] = {}
_names: dict[int, str] = {}
_cells: dict[str, CellType] = {}
_keyed: dict[str, Any] = {}
_pending: dict[Key, bytes] = {}
_versions: dict[Key, int] = {}

_DEEPEST: Final = 50
"""Loads within each other; what they need beyond is loaded by one further out."""

# Namespaces of which everything is to be there.
_whole: set[str] = set()

# Of the load that is under way: how deep it is, how many classes have no attributes yet, which other names it needs,
# and what it has put where.
_depth = 0
_open = 0
_wanted: list[Key] = []

# Names that are about to get another object, until they have it.
_stale: set[Key] = set()
_put: list[tuple[Key, bytes | None]] = []


def define(operations: list[Operation]) -> None:
    """Takes definitions. Loads those alone that take the place of what is in use."""
    renewed: list[Key] = []
    with _lock:
        for space, name, version, value in operations:
            if space == SOURCE:
                sources.keep(name, value)
                continue
            if not name:
                _make(space, value)
                continue
            key = (space, name)
            if version == FORGET:
                for table in (_pending, _versions):
                    table.pop(key, None)
                (_keyed if space == KEYED else _cells).pop(name, None)
                continue
            before = _versions.get(key, 0)
            if before >= version:
                continue  # a fork server has it already
            _versions[key] = version
            _pending[key] = value
            if before and _is_there(key):
                renewed.append(key)
        # Once all are here: what takes the place of one may use names that come after it, or that take another's, too.
        _stale.update(renewed)
        try:
            for key in renewed:
                if key in _pending:
                    _renew(key)
        finally:
            _stale.clear()
        for space in _whole:
            _load_all(space)
    if renewed:
        for callback in on_change:
            callback()


def globals_of(space: str) -> dict[str, Any]:
    """The dictionary that functions of a namespace have for their globals.

    `"module:NAME"` is a module that is imported here, `"blank:NAME"` nothing but a name.
    """
    found = _namespaces.get(space)
    if found is not None:
        return found.__dict__
    kind, colon, name = space.partition(":")
    if not colon:
        kind, name = "", space
    if kind == "module":
        __import__(name)
        return sys.modules[name].__dict__
    module = sys.modules.get(name)
    if module is not None and kind != "blank":
        return module.__dict__
    made = _namespaces[space] = ModuleType(name)
    made.__dict__["__builtins__"] = sys.modules["builtins"]
    return made.__dict__


def is_from_pool(space: str, name: str) -> bool:
    """Whether the pool has sent that name, and so knows it."""
    return (space, name) in _versions


def keyed(number: str) -> Any:
    """The class of that number, which was sent ahead, or which has been here before."""
    found = tracked(number)
    if found is not None:
        return found
    with _lock:
        key = (KEYED, number)
        if key not in _pending:
            circles.put_off(key)
            raise LookupError(f"the class of number {number} is not here")
        _load(key)
        return _keyed[number]


def cell(number: str) -> CellType:
    """The cell of that number; what it holds is loaded with it."""
    found = _cells.get(number)
    if found is None:
        found = _cells[number] = CellType()
        want(CELL, (number,))
    return found


def loaded_cell(number: str) -> CellType:
    """The cell of that number, with what it holds."""
    found = _cells.get(number)
    if found is None:
        found = _cells[number] = CellType()
    with _lock:
        key = (CELL, number)
        if key in _pending:
            _load(key)
        else:
            circles.put_off(key)
    return found


def want(space: str, names: tuple[str, ...]) -> None:
    """A function has been made that uses these globals: they are loaded before what it is a part of is used.

    `"*"` is all that there is, as far as it can be loaded.
    """
    with _lock:
        _wanted.extend((space, name) for name in names if name == "*" or (space, name) in _pending)
        if not _depth:
            _load_wanted(0)


def begin(space: str, name: str, value: Any) -> None:
    """Gives a name its object before all that belongs to it is there: what belongs to it may refer to it."""
    if "." in name:
        return  # a part of another, which gets it
    circles.begun[space, name] = value
    put(space, name, value)


def begin_besides(space: str, name: str, value: Any) -> None:
    """The same, where that name is not what is being loaded, so that it is taken back with that."""
    key = (space, name)
    _put.append((key, _pending.get(key)))
    begin(space, name, value)


def begin_class() -> None:
    """A class has been made, and has no attributes yet: what could use it waits."""
    global _open
    _open += 1


def end_class() -> None:
    """It has got its attributes."""
    global _open
    _open -= 1


def is_namespace(space: str) -> bool:
    """Whether it is one that the pool has made here."""
    return type(_namespaces.get(space)) is Namespace


def resolve(space: str, name: str) -> Any:
    """What a name of a namespace stands for, loaded if it is not yet."""
    found = _namespaces.get(space)
    if found is None:
        found = sys.modules[space.rpartition(":")[2]]
    return getattr(found, name)


def module_of(space: str) -> ModuleType:
    """The module that is the namespace."""
    found = _namespaces.get(space)
    return sys.modules[space.rpartition(":")[2]] if found is None else found


def put(space: str, name: str, value: Any) -> None:
    """Gives a name its object."""
    if space == KEYED:
        _keyed[name] = value
        track(value, name)
    elif space == CELL:
        cell(name).cell_contents = value
    else:
        globals_of(space)[name] = value


def _make(space: str, attributes: dict[str, Any]) -> None:
    if space in _namespaces:
        return
    aliases = attributes.pop("aliases")
    spec = attributes.pop("spec")
    made = _namespaces[space] = Namespace(attributes["__name__"])
    _names[id(made)] = space
    if spec is not None:
        attributes["__spec__"] = type(sys.__spec__)(*spec)
    made.__dict__.update(attributes, __builtins__=sys.modules["builtins"])
    for alias in aliases:
        # What runs in the module that was there before has its dictionary by itself.
        _replaced.append(sys.modules.get(alias))
        sys.modules[alias] = made


# The end of a module's life may empty its dictionary.
_replaced: list[Any] = []


def _is_there(key: Key) -> bool:
    space, name = key
    if space == CELL:
        return name in _cells
    if space == KEYED:
        return name in _keyed
    return space in _namespaces and name in _namespaces[space].__dict__


def _load(key: Key) -> None:
    """Loads a definition and all that it needs; or else nothing, or what of it can be had already (see `circles`)."""
    global _depth, _open
    blob = _pending.pop(key)
    first, wanted, classes = len(_put), len(_wanted), _open
    resumed = key in circles.begun
    _put.append((key, blob))
    circles.loading.append(key)
    _depth += 1
    try:
        put(*key, _read(blob))
        circles.begun.pop(key, None)
        _go_on(key)
        if _depth == 1 or (not _open and _depth < _DEEPEST):
            _load_wanted(wanted)
    except circles.Circle as circle:
        del _wanted[wanted:]
        if circle.at != key:
            _undo(first)
            _open = classes
            raise
        # It stays as far as it is made. What it has loaded may have taken it for whole: that is loaded anew.
        _undo(first + 1)
        _open = classes + (isinstance(circles.begun[key], type) and not resumed)
        circles.put_offs[key] = (circle.needs, blob)
    except BaseException as error:
        _undo(first)
        del _wanted[wanted:]
        _open = classes
        if _depth == 1 and isinstance(error, Exception):
            error.add_note(f"while {key[1]!r} of {key[0]!r} was loaded")
        raise
    finally:
        circles.loading.pop()
        _depth -= 1
        if not _depth:
            _put.clear()
            _wanted.clear()
            circles.begun.clear()
            circles.put_offs.clear()
            _open = 0


def _go_on(key: Key) -> None:
    """Goes on with what was put off until this was there."""
    for other, (needs, blob) in list(circles.put_offs.items()):
        if needs == key and other in circles.put_offs:
            del circles.put_offs[other]
            _pending[other] = blob
            _load(other)


class _Reader(pickle.Unpickler):
    """Containers that a script has under a name, and that stand in others, are told apart from copies of them."""

    def persistent_load(self, known: tuple[Any, tuple[str, ...]]) -> Any:
        """See `pickle.Unpickler`."""
        how, arguments = known
        return how(*arguments)


class _StaleReader(_Reader):
    """Reads while names get other objects: what it names is the new one."""

    def find_class(self, module: str, name: str) -> Any:
        """See `pickle.Unpickler`."""
        load_stale("__main__" if module == "__mp_main__" else module, name.partition(".")[0])
        return super().find_class(module, name)


def _read(blob: bytes) -> Any:
    return (_StaleReader if _stale else _Reader)(BytesIO(blob)).load()


def load_stale(space: str, name: str) -> None:
    """Loads what a name is about to stand for, if it is about to stand for something else."""
    key = (space, name)
    if key in _stale and key in _pending:
        _stale.discard(key)
        _renew(key)


def _load_wanted(first: int) -> None:
    while len(_wanted) > first:
        key = _wanted.pop()
        if key[1] == "*":
            _load_all(key[0])
            continue
        if key not in _pending:
            continue
        if key in _stale:
            load_stale(*key)
            continue
        if key[0] != CELL and _is_there(key):
            # The worker has assigned it, and that stays.
            del _pending[key]
            continue
        _load(key)


def _load_all(space: str) -> None:
    _whole.add(space)
    for key in [key for key in _pending if key[0] == space]:
        if key in _pending and not _is_there(key):
            # What fails is not there, and says why when it is asked for.
            with suppress(Exception):
                _load(key)


def _undo(first: int) -> None:
    """Takes back what a load that failed has put, so that the next one fails likewise and nothing is half there."""
    for key, blob in _put[first:]:
        if blob is not None:
            _pending.setdefault(key, blob)
        circles.begun.pop(key, None)
        circles.put_offs.pop(key, None)
        space, name = key
        if space == KEYED:
            _keyed.pop(name, None)
            untrack(name)
        elif space == CELL:
            _cells.pop(name, None)
        elif space in _namespaces:
            _namespaces[space].__dict__.pop(name, None)
    del _put[first:]


def _renew(key: Key) -> None:
    """Gives a name that is in use its new object."""
    space, name = key
    try:
        _load(key)
    except BaseException as error:  # noqa: BLE001 - tasks that do not use it are not to fail for it
        if space not in (CELL, KEYED):
            # Those that do are not to go on with what the program has replaced.
            _namespaces[space].__dict__.pop(name, None)
        sys.stderr.write(f"poolifier: {name!r} of {space!r} was replaced by what cannot be loaded here: {error!r}\n")
