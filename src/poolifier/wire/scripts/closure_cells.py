"""The cells of closures that workers have been sent: each is one there too, and holds what it holds here."""

from __future__ import annotations

import os
from types import CellType, ModuleType
from typing import Any, Final

from poolifier.wire.scripts.script_globals import ATOMS
from poolifier.wire.scripts.shared_containers import CONTAINERS

__all__ = ["EMPTY", "ClosureCells"]

EMPTY: Final = object()
"""What a cell holds that has not been given anything yet."""


class ClosureCells:
    """Cells by their numbers. One is needed for as long as one of its owners is there: see `release`.

    Attributes:
        sent: Each cell with what it held when it was looked at last.
        containers: The lists, dicts and their like that they hold, by identity.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, tuple[CellType, str]] = {}
        self.sent: dict[str, tuple[CellType, Any]] = {}
        self.containers: dict[int, Any] = {}
        self._holding: dict[int, str] = {}
        self._names: dict[str, str] = {}
        self._owners: dict[str, set[int]] = {}
        self._made = 0

    def known(self, cell: CellType, owner: int) -> str | None:
        """The number of a cell that has one, which the owner needs as well from now on."""
        found = self._numbers.get(id(cell))
        if found is None:
            return None
        self._owners[found[1]].add(owner)
        return found[1]

    def add(self, cell: CellType, name: str, owner: int) -> tuple[str, Any]:
        """Gives a cell a number; returns it with what the cell holds. `name` is that of the variable."""
        self._made += 1
        number = f"{os.getpid()}-{id(self)}-{self._made}"
        self._numbers[id(cell)] = (cell, number)
        contents = _held_by(cell, EMPTY)
        self._owners[number] = {owner}
        self._hold(number, cell, contents)
        if contents is not EMPTY:
            self._names[number] = name
        return number, contents

    def name(self, number: str) -> str | None:
        """The name of the variable."""
        return self._names.get(number)

    def contents(self, number: str) -> Any:
        """What the cell held when it was looked at last; `EMPTY` if there is none of that number."""
        return self.sent.get(number, (None, EMPTY))[1]

    def renew(self, number: str, contents: Any) -> None:
        """What the cell holds now."""
        cell, before = self.sent[number]
        self._let_go(number, before)
        self._hold(number, cell, contents)

    def changed(self) -> list[tuple[str, Any]]:
        """The numbers of cells that hold another object than before, and that object."""
        return [
            (number, now)
            for number, (cell, before) in self.sent.items()
            if (now := _held_by(cell, before)) is not before
        ]

    def holding(self, value: Any, owner: int) -> str | None:
        """The number of a cell that holds that very object, and that the owner needs from now on."""
        number = self._holding.get(id(value))
        if number is None or self.sent[number][1] is not value:
            return None
        self._owners[number].add(owner)
        return number

    def release(self, owner: int) -> list[str]:
        """The owner needs nothing any more; returns the numbers of cells that nobody needs."""
        unneeded: list[str] = []
        for number, owners in self._owners.items():
            owners.discard(owner)
            if not owners:
                unneeded.append(number)
        return unneeded

    def drop(self, number: str) -> None:
        """It is as if the cell had never been sent."""
        known = self.sent.pop(number, None)
        if known is not None:
            self._let_go(number, known[1])
        self._owners.pop(number, None)
        self._names.pop(number, None)
        if known is not None:
            self._numbers.pop(id(known[0]), None)

    def _hold(self, number: str, cell: CellType, contents: Any) -> None:
        self.sent[number] = (cell, contents)
        if type(contents) not in ATOMS and not isinstance(contents, type | ModuleType):
            self._holding.setdefault(id(contents), number)
            if type(contents) in CONTAINERS:
                self.containers[id(contents)] = contents

    def _let_go(self, number: str, contents: Any) -> None:
        if self._holding.get(id(contents)) == number:
            del self._holding[id(contents)]
            self.containers.pop(id(contents), None)


def _held_by(cell: CellType, otherwise: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return otherwise
