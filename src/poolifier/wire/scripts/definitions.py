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
from poolifier.wire.scripts import rebuild, sources, values
from poolifier.wire.scripts.bindings import Bindings
from poolifier.wire.scripts.closure_cells import EMPTY, ClosureCells
from poolifier.wire.scripts.definition_log import DefinitionLog
from poolifier.wire.scripts.learned import Learned
from poolifier.wire.scripts.local_classes import LocalClasses
from poolifier.wire.scripts.operations import CELL, KEYED, SOURCE
from poolifier.wire.scripts.pickler import Pickler, SharingPickler, named
from poolifier.wire.scripts.reduced import Reduced
from poolifier.wire.scripts.refusals import Reasons
from poolifier.wire.scripts.script_globals import ATOMS, Limited, description, is_offered, module_with
from poolifier.wire.scripts.sent_scripts import NOT_SENT, SentScripts
from poolifier.wire.scripts.shared_containers import CONTAINERS, PLACED, is_flat, placed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from poolifier.wire.scripts.operations import Key, Operation

__all__ = ["Definitions"]

_OF_ANNOTATIONS: Final = frozenset({"typing", "types"})
"""Modules of the types of what annotations are made of besides classes: special forms, aliases, new types."""

_LARGE: Final = 64 << 10
"""Bytes of a pickle that are not sent where nothing refers to it."""

_logger = logging.getLogger("poolifier")


class Definitions:
    """What has been sent to the workers of a pool, or is about to be.

    Args:
        everywhere: Workers may run where the program's files are not, so that sources go along.

    Attributes:
        log: What has been defined; its last number is asked for with each frame.
        renewed: How often a name has got another object than before.
        owner: Who the closures belong to that are pickled now: a number, or 0 for the pool.
        shapes: Beginnings of pickles that need nothing which is not here.
        known_names: Names in pickles that need nothing which is not here (see `codec`).
        learned: What else their pickles have found out.
    """

    def __init__(self, *, everywhere: bool = False) -> None:
        self.renewed: int = 0
        self.owner: int = 0
        self.shapes: set[bytes] = set()
        self.known_names: dict[bytes, str | None] = {}
        self.learned: Learned = Learned()
        self._everywhere = everywhere
        self.log: DefinitionLog = DefinitionLog()
        self._names = Bindings()
        self._cells = ClosureCells()
        self._users: dict[Key, set[Key]] = {}
        self._again: set[Key] = set()
        self._released: deque[int] = deque()
        self._anew: set[Key] = set()
        self._limit = 0
        self._reducers: Mapping[type, Callable[[Any], Any]] = {}
        self._refused: set[Key] = set()
        self._offered: dict[str, int] = {}
        self._classes = LocalClasses()
        self._spaces = SentScripts()
        self._sources: set[str] = set()
        self._todo: list[tuple[Key, Any, str, Key | None]] = []
        self._reasons = Reasons(self._shown)
        self._current: Key | None = None
        self._working = False
        self._describe("__main__", sys.modules["__main__"])

    @property
    def last(self) -> int:
        """The number of the newest definition."""
        return self.log.last

    # ---- what is sent -----------------------------------------------------------------------------

    def since(self, number: int) -> list[Operation]:
        """What a worker has not got that has got all up to that number."""
        return self.log.since(number)

    def look(self) -> bool:
        """Finds names and cells that mean other objects than what was sent, and sends these. True if there are any."""
        if self._released or self._classes.gone:
            self._forget_unneeded()
        changed = self._names.changed()
        if self._cells.sent:
            changed += [((CELL, number), now) for number, now in self._cells.changed()]
        for space, count in self._offered.items():
            if len(self._spaces[space]) != count:
                self._offer(space)
        if not changed:
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
            if key in self._names or key in self._refused or name in NOT_SENT or not is_offered(value):
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

    def _renew(self, key: Key, now: Any) -> None:
        if key[0] == CELL:
            self._cells.renew(key[1], now)
        else:
            before = self._names.rebind(key, now)
            if type(before) is values.LAZY_IMPORT and isinstance(now, ModuleType):
                return  # it has been used here, and is what it was
        self._spaces.rebound()
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
                if user != key and (value := self._value_of(user)) is not EMPTY:
                    with suppress(Exception):
                        self._work([(user, value, "", None)])
        finally:
            self._again = set()

    def _value_of(self, key: Key) -> Any:
        if key[0] == CELL:
            return self._cells.contents(key[1])
        if key[0] == KEYED:
            return self._classes.get(key[1]) or EMPTY
        return self._names.get(key, EMPTY)

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
        if key in self._names or name in NOT_SENT:
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
        if current is not None and current[0] == KEYED:
            self._classes.keep_part(current[1], cls)
        elif current is not None:
            self._classes.keep(number, cls)
        elif lasting:
            self._classes.keep(number, cls, self.owner)
        if number not in self._classes:
            self._classes.add(number, cls)
            self._begin((KEYED, number), cls)

    def require_cell(self, cell: CellType, name: str = "a variable", by: str = "") -> str:
        """A pickle has a cell of a closure, which gets a number; `name` and `by` say of which function."""
        # What something else needs in turn stays: it may be shared.
        owner = self.owner if self._current is None else 0
        known = self._cells.known(cell, owner)
        if known is not None:
            return known
        number, contents = self._cells.add(cell, name, owner)
        if contents is not EMPTY:
            self._begin((CELL, number), contents, by)
        return number

    def release(self, owner: int) -> None:
        """Nothing more is needed that was for that owner alone. May be called at any time, and by any thread."""
        self._released.append(owner)

    def _forget_unneeded(self) -> None:
        while self._released:
            owner = self._released.popleft()
            self._classes.release(owner)
            for number in self._cells.release(owner):
                self._forget((CELL, number))
        for number in self._classes.take_gone():
            self._forget((KEYED, number))

    def _forget(self, key: Key) -> None:
        self._drop(key)
        self.log.forget(key)

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

    def uses(self, home: Key, other: Key) -> None:
        """The definition of `home` says that an object is that of `other`, which it is until that is rebound."""
        self._users.setdefault(other, set()).add(home)

    def is_home(self, home: Key, module: str, top: str) -> bool:
        """Whether a name is the one that is being defined, so that what it leads to is a part of that."""
        return home[1] == top and home[0] == ("__main__" if module == "__mp_main__" else module)

    def global_with(self, value: Any) -> Key | None:
        """The global of a script that has that very object, which can be told from others like it."""
        return self._spaces.global_with(value)

    def cell_with(self, value: Any) -> str | None:
        """The number of a cell that holds that very object, for a definition that has it, too."""
        # The cell stays as long as the definition.
        return self._cells.holding(value, 0)

    def add_source(self, filename: str, there: dict[str, Any]) -> None:
        """A function of that file is sent. The text goes along if workers cannot have the file.

        `there` are the function's globals, which say where the text is: in a zip file, for example.
        """
        if filename in self._sources:
            return
        self._sources.add(filename)
        if not self._everywhere and os.path.exists(filename):  # noqa: PTH110
            return
        source = sources.source_of(filename, there)
        if source is not None:
            self.log.put((SOURCE, filename), 1, source)

    # ---- inside -----------------------------------------------------------------------------------

    def _describe(self, space: str, module: ModuleType) -> None:
        self._spaces.add(space, module)
        self.log.put((space, ""), 0, description(space, module))

    def _begin(self, key: Key, value: Any, by: str = "") -> None:
        self._todo.append((key, value, by, self._current))
        if not self._working:
            todo, self._todo = self._todo, []
            self._work(todo)

    def _work(self, todo: list[tuple[Key, Any, str, Key | None]]) -> None:
        """Pickles these, and what they need. All, or nothing."""
        self._working = True
        self._todo = todo
        done: list[Key] = []
        try:
            while self._todo:
                key, value, by, requester = self._todo.pop()
                if key in done:
                    continue
                done.append(key)
                self._reasons.note(key, by, requester)
                if key[0] not in (CELL, KEYED):
                    self._names.bind(key, self._spaces[key[0]], value)
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
            self._reasons.clear()
            self._current = None
            self._working = False

    def _pickled(self, key: Key, value: Any) -> bytes:
        other = self._other_name(key, value)
        number = self.cell_with(value) if other is None else None
        if number is not None and key != (CELL, number):
            self.uses(key, (CELL, number))
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
            raise self._reasons.refusal(key, value, error) from error

    def _other_name(self, key: Key, value: Any) -> Key | None:
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

    def _dump(self, key: Key, value: Any, more: Any = None) -> bytes:
        file = BytesIO() if not self._limit else Limited(self._limit)
        pickler = self._pickler(file, key, value)
        if isinstance(pickler, SharingPickler) and pickler.own is not None:
            value = placed(key, value)
        pickler.definitions = self
        pickler.home = key
        pickler.lasting = True
        pickler.target = pickler.whole = value
        pickler.anew = key in self._anew
        pickler.extra = {**self._reducers, **(more or {})}
        return pickler.dump_to(file, value)

    def _pickler(self, file: BytesIO, key: Key, value: Any) -> Pickler:
        """The one that a value needs: the other one takes longer."""
        self.global_with(value)  # which finds the containers of all globals
        of_globals, of_cells = self._spaces.containers, self._cells.containers
        kind = type(value)
        if kind in ATOMS or (kind in CONTAINERS and (not (of_globals or of_cells) or is_flat(value))):
            return Pickler(file, 5)
        pickler = SharingPickler(file, 5)
        pickler.spaces = {id(there): space for space, there in self._spaces.items()}
        pickler.of_globals, pickler.of_cells = of_globals, of_cells
        if kind in PLACED:
            pickler.own = value
            of_cell = key[0] == CELL
            pickler.itself = (rebuild.contents_of, (key[1],)) if of_cell else (rebuild.global_of, key)
        return pickler

    def _forget_todo(self, key: Key) -> None:
        """What was needed by a pickle that could not be made is not needed for it."""
        left = [each for each in self._todo if each[3] != key]
        for other, *_ in self._todo:
            if all(other != each[0] for each in left):
                self._drop(other)
        self._todo = left

    def _shown(self, key: Key) -> str:
        if key[0] == KEYED:
            return getattr(self._classes.get(key[1]), "__qualname__", "a class")
        if key[0] == CELL:
            return self._cells.name(key[1]) or "a variable"
        return key[1]

    def _add(self, key: Key, blob: bytes) -> None:
        self.log.add(key, blob, again=key in self._again)

    def _drop(self, key: Key) -> None:
        self.log.drop(key)
        self._names.drop(key)
        if key[0] == KEYED:
            self._classes.drop(key[1])
        elif key[0] == CELL:
            self._cells.drop(key[1])
