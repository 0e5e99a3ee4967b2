"""The pool's side: what of the program's scripts its workers need, in the order in which it is sent to them.

Each name that a pickle needs is pickled once, with all the names that this needs in turn. A worker is sent what has
been added since it was sent something last. Whether a name means another object than the one that was sent is looked at
once for each frame, by identity. One per pool, for the thread of its event loop.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections import deque
from contextlib import contextmanager, suppress
from io import BytesIO
from types import CellType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from poolifier.errors import SerializationError
from poolifier.wire.codec import NeedsPoolError, describe
from poolifier.wire.scripts import namespaces, rebuild, values
from poolifier.wire.scripts.learned import Learned
from poolifier.wire.scripts.local_classes import LocalClasses
from poolifier.wire.scripts.pickler import Pickler, blame, named
from poolifier.wire.scripts.reduced import Reduced
from poolifier.wire.scripts.script_globals import ATOMS, Limited, globals_in, is_offered, module_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from poolifier.wire.scripts.namespaces import Operation

__all__ = ["Definitions"]

_MISSING: Final = object()

_OF_ANNOTATIONS: Final = frozenset({"typing", "types"})
"""Modules of the types of what annotations are made of besides classes: special forms, aliases, new types."""

_MOST_FORGOTTEN: Final = 1000
"""Cells and classes that workers are told to forget: those that lag behind hear of the last ones."""

_LARGE: Final = 64 << 10
"""Bytes of a pickle that are not sent where nothing refers to it."""

_NOT_SENT: Final = frozenset(
    {"__name__", "__builtins__", "__spec__", "__loader__", "__package__", "__cached__", "__file__", "__doc__"}
)
"""Names of a module that the worker's has of its own."""

_logger = logging.getLogger("poolifier")

_Key = tuple[str, str]


class Definitions:
    """What has been sent to the workers of a pool, or is about to be.

    Args:
        everywhere: Workers may run where the program's files are not, so that sources go along.

    Attributes:
        last: The number of the newest definition.
        renewed: How often a name has got another object than before.
        owner: Who the closures belong to that are pickled now: a number, or 0 for the pool.
        shapes: Beginnings of pickles that need nothing which is not here.
        known_names: Names in pickles that need nothing which is not here (see `codec`).
        learned: What else their pickles have found out.
    """

    def __init__(self, *, everywhere: bool = False) -> None:
        self.last: int = 0
        self.renewed: int = 0
        self.owner: int = 0
        self.shapes: set[bytes] = set()
        self.known_names: dict[bytes, str | None] = {}
        self.learned: Learned = Learned()
        self._everywhere = everywhere
        self._log: dict[int, Operation] = {}
        self._numbers: dict[_Key, int] = {}
        self._versions: dict[_Key, int] = {}
        self._names: dict[_Key, tuple[dict[str, Any], Any]] = {}
        self._cells: dict[int, tuple[CellType, str]] = {}
        self._contents: dict[str, tuple[CellType, Any]] = {}
        self._held: dict[int, str] = {}
        self._users: dict[_Key, set[_Key]] = {}
        self._again: set[_Key] = set()
        self._cell_names: dict[str, str] = {}
        self._owners: dict[str, set[int]] = {}
        self._released: deque[int] = deque()
        self._forgotten: deque[_Key] = deque()
        self._anew: set[_Key] = set()
        self._made = 0
        self._limit = 0
        self._reducers: Mapping[type, Callable[[Any], Any]] = {}
        self._refused: set[_Key] = set()
        self._offered: dict[str, int] = {}
        self._classes = LocalClasses()
        self._spaces: dict[str, dict[str, Any]] = {}
        self._sources: set[str] = set()
        self._todo: list[tuple[_Key, Any, str, _Key | None]] = []
        self._because: dict[_Key, tuple[str, _Key | None]] = {}
        self._current: _Key | None = None
        self._working = False
        self._globals: dict[int, _Key] | None = None
        self._describe("__main__", sys.modules["__main__"])

    # ---- what is sent -----------------------------------------------------------------------------

    def since(self, number: int) -> list[Operation]:
        """What a worker has not got that has got all up to that number."""
        if not number:
            return [operation for operation in self._log.values() if operation[2] != namespaces.FORGET]
        return [operation for at, operation in self._log.items() if at > number]

    def look(self) -> bool:
        """Finds names and cells that mean other objects than what was sent, and sends these. True if there are any."""
        self._forget_unneeded()
        changed: list[tuple[_Key, Any]] | None = None
        for key, (there, value) in self._names.items():
            now = there.get(key[1], value)
            if now is not value:
                changed = changed or []
                changed.append((key, now))
        for number, (cell, value) in self._contents.items():
            try:
                now = cell.cell_contents
            except ValueError:
                continue
            if now is not value:
                changed = changed or []
                changed.append(((namespaces.CELL, number), now))
        for space, count in self._offered.items():
            if len(self._spaces[space]) != count:
                self._offer(space)
        if changed is None:
            return False
        for key, now in changed:
            self._renew(key, now)
        self.renewed += 1
        return True

    def offer_all(self) -> None:
        """Sends along what scripts define that nothing refers to: it may be named by a text, or in a pickle."""
        for space in list(self._spaces):
            if space not in self._offered:
                self._offer(space)

    def _offer(self, space: str) -> None:
        there = self._spaces[space]
        self._offered[space] = len(there)
        for name, value in list(there.items()):
            key = (space, name)
            if key in self._names or key in self._refused or name in _NOT_SENT or not is_offered(value):
                continue
            self._limit = _LARGE
            try:
                self._work([(key, value, "", None)])
            except Exception as error:  # noqa: BLE001 - whoever asks for it is told
                self._refused.add(key)
                message = str(error) if isinstance(error, SerializationError) else describe(error)
                self._add(key, pickle.dumps(Reduced((rebuild.refuse, (message,)))))
            finally:
                self._limit = 0

    def _renew(self, key: _Key, now: Any) -> None:
        if key[0] == namespaces.CELL:
            self._hold(key[1], self._contents[key[1]][0], now)
        else:
            there, before = self._names[key]
            self._names[key] = (there, now)
            if type(before) is values.LAZY_IMPORT and isinstance(now, ModuleType):
                return  # it has been used here, and is what it was
        self._globals = None
        self.shapes.clear()
        self.known_names.clear()
        self.learned.forget()
        try:
            self._work([(key, now, "", None)])
        except Exception as error:  # noqa: BLE001 - tasks that do not use it are not to fail for it
            message = f"{key[1]!r} of {key[0]!r} was replaced by what cannot be sent to workers: {describe(error)}"
            _logger.warning("%s", message)
            self._add(key, pickle.dumps(Reduced((rebuild.refuse, (message,)))))
        # Workers that have these keep what they have; those to come are not to take the new object for the old one.
        self._again = self._users.pop(key, set())
        try:
            for user in self._again:
                if user != key and (value := self._value_of(user)) is not _MISSING:
                    with suppress(Exception):
                        self._work([(user, value, "", None)])
        finally:
            self._again = set()

    def _value_of(self, key: _Key) -> Any:
        if key[0] == namespaces.CELL:
            return self._contents.get(key[1], (None, _MISSING))[1]
        if key[0] == namespaces.KEYED:
            return self._classes.get(key[1]) or _MISSING
        return self._names.get(key, (None, _MISSING))[1]

    # ---- what pickles need ------------------------------------------------------------------------

    def require(self, module: str, top: str) -> bool:
        """A pickle names a function or class of a script. True, for it will be there.

        Raises:
            SerializationError: It cannot be sent; says why.
        """
        space = "__main__" if module == "__mp_main__" else module
        there = self._spaces.get(space)
        self.require_at(space, top, sys.modules[module].__dict__ if there is None else there)
        return True

    def has(self, space: str, name: str) -> bool:
        """Whether a global of a script has been sent."""
        return (space, name) in self._names

    def require_at(self, space: str, name: str, there: dict[str, Any] | None = None, by: str = "") -> None:
        """A pickle needs a global of a script; `by` is the function that uses it.

        Raises:
            SerializationError: It cannot be sent; says why.
        """
        key = (space, name)
        if key in self._names or name in _NOT_SENT:
            return
        self._refused.discard(key)
        if there is None:
            there = self._spaces[space]
        if space not in self._spaces:
            self._describe(space, sys.modules[there["__name__"]])
        self._begin(key, there[name], by)

    def require_class(self, cls: type, number: str, *, lasting: bool) -> None:
        """A pickle has a class by its number; `lasting` if it may be read after the class is gone here."""
        current = self._current
        if current is not None and current[0] == namespaces.KEYED:
            self._classes.keep_part(current[1], cls)
        elif current is not None:
            self._classes.keep(number, cls)
        elif lasting:
            self._classes.keep(number, cls, self.owner)
        if number not in self._classes:
            self._classes.add(number, cls)
            self._begin((namespaces.KEYED, number), cls)

    def require_cell(self, cell: CellType, name: str = "a variable", by: str = "") -> str:
        """A pickle has a cell of a closure, which gets a number; `name` and `by` say of which function."""
        # What something else needs in turn stays: it may be shared.
        owner = self.owner if self._current is None else 0
        known = self._cells.get(id(cell))
        if known is not None:
            self._owners[known[1]].add(owner)
            return known[1]
        self._made += 1
        number = f"{os.getpid()}-{id(self)}-{self._made}"
        self._cells[id(cell)] = (cell, number)
        try:
            contents = cell.cell_contents
        except ValueError:
            contents = _MISSING
        self._owners[number] = {owner}
        self._hold(number, cell, contents)
        if contents is not _MISSING:
            self._cell_names[number] = name
            self._begin((namespaces.CELL, number), contents, by)
        return number

    def release(self, owner: int) -> None:
        """Nothing more is needed that was for that owner alone. May be called at any time, and by any thread."""
        self._released.append(owner)

    def _forget_unneeded(self) -> None:
        while self._released:
            owner = self._released.popleft()
            self._classes.release(owner)
            for number, owners in list(self._owners.items()):
                owners.discard(owner)
                if not owners:
                    self._forget((namespaces.CELL, number))
        for number in self._classes.take_gone():
            self._forget((namespaces.KEYED, number))

    def _forget(self, key: _Key) -> None:
        self._drop(key)
        self._put(key, namespaces.FORGET, None)
        self._forgotten.append(key)
        while len(self._forgotten) > _MOST_FORGOTTEN:
            oldest = self._forgotten.popleft()
            self._drop(oldest)
            self._versions.pop(oldest, None)

    def require_module(self, module: ModuleType) -> str:
        """A pickle has a script's module; returns the name of its namespace."""
        name = module.__name__
        if module is sys.modules.get("__main__"):
            return "__main__"
        if name not in self._spaces:
            self._describe(name, module)
        return name

    def offers(self, space: str, there: dict[str, Any], name: str, by: str = "") -> bool:
        """Whether a global could be sent, of which nobody knows whether it will be needed."""
        key = (space, name)
        if key in self._names:
            return True
        value = there[name]
        if isinstance(value, type | ModuleType) or type(value) in ATOMS or type(value).__module__ in _OF_ANNOTATIONS:
            self.require_at(space, name, there, by)
            return True
        return False

    def uses(self, home: _Key, other: _Key) -> None:
        """The definition of `home` says that an object is that of `other`, which it is until that is rebound."""
        self._users.setdefault(other, set()).add(home)

    def is_home(self, home: _Key, module: str, top: str) -> bool:
        """Whether a name is the one that is being defined, so that what it leads to is a part of that."""
        return home[1] == top and home[0] == ("__main__" if module == "__mp_main__" else module)

    def global_with(self, value: Any) -> _Key | None:
        """The global of a script that has that very object, which can be told from others like it."""
        found = self._globals
        if found is None:
            found = self._globals = {}
            for space, there in self._spaces.items():
                for name, each in list(there.items()):
                    if type(each) not in ATOMS and name not in _NOT_SENT:
                        found.setdefault(id(each), (space, name))
        where = found.get(id(value))
        if where is None or self._spaces[where[0]].get(where[1]) is not value:
            return None
        return where

    def cell_with(self, value: Any) -> str | None:
        """The number of a cell that holds that very object, for a definition that has it, too."""
        number = self._held.get(id(value))
        if number is None or self._contents[number][1] is not value:
            return None
        # The cell stays as long as the definition.
        self._owners[number].add(0)
        return number

    def _hold(self, number: str, cell: CellType, contents: Any) -> None:
        self._contents[number] = (cell, contents)
        if type(contents) not in ATOMS and not isinstance(contents, type | ModuleType):
            self._held.setdefault(id(contents), number)

    def add_source(self, filename: str) -> None:
        """A function of that file is sent. The text goes along if workers cannot have the file."""
        if filename in self._sources:
            return
        self._sources.add(filename)
        if not self._everywhere and os.path.exists(filename):  # noqa: PTH110
            return
        import linecache

        lines = linecache.getlines(filename)
        if lines:
            self._put((namespaces.SOURCE, filename), 1, "".join(lines))

    # ---- inside -----------------------------------------------------------------------------------

    def _describe(self, space: str, module: ModuleType) -> None:
        there = globals_in(module)
        self._spaces[space] = there
        self._globals = None
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
        spec = there.get("__spec__")
        known = getattr(spec, "name", None)
        attributes["aliases"] = aliases
        attributes["spec"] = (known, None) if isinstance(known, str) else None
        if isinstance(name, str) and isinstance(there.get("__path__"), list):
            attributes["__path__"] = list(there["__path__"])
        self._put((space, ""), 0, attributes)

    def _begin(self, key: _Key, value: Any, by: str = "") -> None:
        self._todo.append((key, value, by, self._current))
        if not self._working:
            todo, self._todo = self._todo, []
            self._work(todo)

    def _work(self, todo: list[tuple[_Key, Any, str, _Key | None]]) -> None:
        """Pickles these, and what they need. All, or nothing."""
        self._working = True
        self._todo = todo
        done: list[_Key] = []
        try:
            while self._todo:
                key, value, by, requester = self._todo.pop()
                if key in done:
                    continue
                done.append(key)
                self._because[key] = (by, requester)
                if key[0] not in (namespaces.CELL, namespaces.KEYED):
                    self._names[key] = (self._spaces[key[0]], value)
                    self._anew.add(key)
                elif requester in self._anew:
                    self._anew.add(key)
                self._current = key
                self._add(key, self._pickled(key, value))
        except BaseException:
            for key in done:
                self._drop(key)
            for key, *_ in self._todo:
                self._drop(key)
            raise
        finally:
            self._todo = []
            self._because.clear()
            self._current = None
            self._working = False

    def _pickled(self, key: _Key, value: Any) -> bytes:
        other = self._other_name(key, value)
        number = self.cell_with(value) if other is None else None
        if number is not None and key != (namespaces.CELL, number):
            self.uses(key, (namespaces.CELL, number))
            value = Reduced((rebuild.contents_of, (number,)))
        elif other is not None:
            # Two names of one object.
            self.require_at(*other)
            self.uses(key, other)
            value = Reduced((rebuild.global_of, other))
        elif type(value) is values.LAZY_IMPORT:
            value = Reduced(values.lazy_import(value, key[1]))
        try:
            try:
                return self._dump(key, value)
            except NeedsPoolError:
                raise
            except Exception:  # noqa: BLE001 - there may be another way; if not, that says why
                self._forget_todo(key)
                home = module_with(key[1], value)
                if home is not None:
                    return pickle.dumps(Reduced((rebuild.named_in, (home, key[1]))), 5)
                return self._dump(key, value, values.more_reducers())
        except SerializationError:
            raise
        except Exception as error:
            raise self._refusal(key, value, error) from error

    def _other_name(self, key: _Key, value: Any) -> _Key | None:
        """The global that an object is at the other side, if that is not the one that is being defined."""
        kind = type(value)
        if kind in ATOMS or kind is ModuleType or key[0] not in self._spaces:
            return None
        if kind is FunctionType or isinstance(value, type):
            found = named(value)
            if found is not None:
                # The one that it has itself comes first; what is in a class is found in that.
                module = "__main__" if found[0] == "__mp_main__" else found[0]
                at_home = value.__qualname__ == found[1] and module in self._spaces
                return (module, found[1]) if at_home and (module, found[1]) != key else None
        other = self.global_with(value)
        return None if other == key else other

    @contextmanager
    def reducing(self, reducers: Mapping[type, Callable[[Any], Any]]) -> Iterator[None]:
        """What is pickled meanwhile may hold what these reduce: what workers are given only when they start."""
        before, self._reducers = self._reducers, reducers
        try:
            yield
        finally:
            self._reducers = before

    def _dump(self, key: _Key, value: Any, more: Any = None) -> bytes:
        file = BytesIO() if not self._limit else Limited(self._limit)
        pickler = Pickler(file, 5)
        pickler.definitions = self
        pickler.home = key
        pickler.lasting = True
        pickler.target = pickler.whole = value
        pickler.anew = key in self._anew
        pickler.extra = {**self._reducers, **(more or {})}
        pickler.functions = []
        try:
            pickler.dump(value)
        except SerializationError:
            raise
        except Exception as error:
            blame(error, pickler.functions)
            raise
        return file.getvalue()

    def _forget_todo(self, key: _Key) -> None:
        """What was needed by a pickle that could not be made is not needed for it."""
        left = [each for each in self._todo if each[3] != key]
        for other, *_ in self._todo:
            if all(other != each[0] for each in left):
                self._drop(other)
        self._todo = left

    def _refusal(self, key: _Key, value: Any, error: Exception) -> SerializationError:
        path: list[str] = []
        at: _Key | None = key
        users: list[str] = []
        while at is not None:
            by, requester = self._because.get(at, ("", None))
            if at[0] == namespaces.KEYED:
                path.append(getattr(self._classes.get(at[1]), "__qualname__", "a class"))
            elif at[0] == namespaces.CELL:
                path.append(self._cell_names.get(at[1], "a variable"))
            else:
                path.append(at[1])
            if by:
                users.append(by)
                if requester is None or requester[1] != by:
                    path.append(by)
            at = requester
        way = " -> ".join(dict.fromkeys(reversed(path)))
        user = users[0] if users else key[1]
        name = self._cell_names.get(key[1], key[1]) if key[0] == namespaces.CELL else path[0]
        return SerializationError(
            f"{way}: {name!r} ({type(value).__module__}.{type(value).__qualname__}), which {user!r} uses, cannot be "
            f"sent to workers: {describe(error)}. Create it in the pool's initializer or in the function, or "
            f"import it from a module"
        )

    def _add(self, key: _Key, blob: bytes) -> None:
        version = self._versions[key] = self._versions.get(key, 0) + (key not in self._again)
        self._put(key, version, blob)

    def _put(self, key: _Key, version: int, value: Any) -> None:
        self._log.pop(self._numbers.get(key, 0), None)
        self.last += 1
        self._numbers[key] = self.last
        self._log[self.last] = (*key, version, value)

    def _drop(self, key: _Key) -> None:
        self._log.pop(self._numbers.pop(key, 0), None)
        self._names.pop(key, None)
        if key[0] == namespaces.KEYED:
            self._classes.drop(key[1])
        elif key[0] == namespaces.CELL:
            known = self._contents.pop(key[1], None)
            if known is not None and self._held.get(id(known[1])) == key[1]:
                del self._held[id(known[1])]
            self._owners.pop(key[1], None)
            self._cell_names.pop(key[1], None)
            if known is not None:
                self._cells.pop(id(known[0]), None)
