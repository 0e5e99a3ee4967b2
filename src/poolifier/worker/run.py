"""The results of a map's tiny items, written one after another where they outlive the worker.

Numbers, and records of numbers whose keys are the same, are written as rows (see `wire.rows`): a store of eight bytes
for each number, of which the last makes the result count. All others are marshalled, and count once the ledger
says where they end.

Compiled where that can be done (see `hatch_build.py`): this is gone through for every item.
"""

from __future__ import annotations

import marshal

from poolifier.wire.flat import ATOMS, FLAT, IMMUTABLE, LARGE, is_flat
from poolifier.wire.rows import FLOATS, INTEGERS, UNWRITTEN
from poolifier.worker.ledger import (
    FORM_LENGTH,
    FORM_START,
    ROWS_END,
    ROWS_START,
    RUN_END,
    Ledger,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

__all__ = ["Run"]

# Version 2 has no references between values, so values that were written one by one can be read
# together as one list.
_MARSHAL_VERSION: Final = 2

_UNDECIDED: Final = 0
_MARSHALLED: Final = 1
_NUMBERS: Final = 2
_RECORDS: Final = 3

_FIRST_WORD: Final = ROWS_START // 8
_LAST_WORD: Final = ROWS_END // 8


class Run:
    """A reply that is being written, of which there is one at most. Its first result decides about its form.

    Attributes:
        open: It is being written.
        count: The results in it.
        end: Where the next one goes where they are marshalled, counted from the start of the memory.
        mixed: Results differ, so they are to be marshalled.
    """

    __slots__ = (
        "_at",
        "_blank",
        "_codes",
        "_dumps",
        "_floats",
        "_form",
        "_integers",
        "_keys",
        "_memory",
        "_room",
        "_slots",
        "count",
        "end",
        "mixed",
        "open",
    )

    def __init__(self, ledger: Ledger, room: int) -> None:
        self._memory: Any = ledger.memory
        self._slots: Any = ledger.slots
        self._integers: Any = ledger.integers
        self._floats: Any = ledger.floats
        self._dumps: Callable[[Any, int], bytes] = marshal.dumps
        self._room: int = room
        self._blank: bytes = b""
        self._form: int = _UNDECIDED
        self._codes: str = ""
        self._keys: list[str] = []
        self._at: int = _FIRST_WORD
        self.open: bool = False
        self.count: int = 0
        self.end: int = 0
        self.mixed: bool = False

    def begin(self, start: int) -> None:
        """Begins; what is marshalled goes there."""
        self.end = start
        self.count = 0
        self._form = _MARSHALLED if self.mixed else _UNDECIDED
        self.open = True

    def put(self, value: Any) -> bool:
        """Writes one more; returns False where it is none that can be in there, or there is no room or no run."""
        if not self.open:
            return False
        if self._form == _UNDECIDED:
            self._decide(value)
        form = self._form
        kind = type(value)
        if form == _MARSHALLED:
            if kind is dict:
                # As `is_flat` does, whose call would cost as much again in Python.
                members: dict[Any, Any] = value
                if len(members) > FLAT:
                    return False
                for key, member in members.items():
                    of_key = type(key)
                    of_member = type(member)
                    if (of_key is not str and of_key not in IMMUTABLE) or (
                        of_member is not int and of_member not in ATOMS
                    ):
                        if is_flat(value):
                            break
                        return False
            elif kind is str or kind is bytes:
                if len(value) >= LARGE:
                    return False
            elif kind not in ATOMS and not is_flat(value):
                return False
            data = self._dumps(value, _MARSHAL_VERSION)
            start = self.end
            end = start + len(data)
            if end > self._room:
                return False
            self._memory[start:end] = data
            # Last, for from here on it counts.
            self._slots[RUN_END] = end
            self.end = end
            self.count += 1
            return True
        at = self._at
        if form == _NUMBERS:
            if at == _LAST_WORD:
                return False
            if not self._write(value, self._codes, at):
                return self._misfits()
            self._at = at + 1
        else:
            keys = self._keys
            if at + len(keys) > _LAST_WORD:
                return False
            if kind is not dict or len(value) != len(keys):
                return self._misfits()
            record: dict[Any, Any] = value
            codes = self._codes
            column = 0
            for key, member in record.items():
                expected = keys[column]
                if key is not expected and (type(key) is not str or key != expected):
                    return self._misfits()
                if not self._write(member, codes if len(codes) == 1 else codes[column], at + column):
                    return self._misfits()
                column += 1
            self._at = at + column
        self.count += 1
        return True

    def rows(self) -> tuple[str, tuple[str, ...] | None, bytes] | None:
        """What has been written as rows, or None where it was not."""
        if self._form < _NUMBERS:
            return None
        data: bytes = self._memory[ROWS_START : 8 * self._at]
        return self._codes, tuple(self._keys) if self._form == _RECORDS else None, data

    def clear(self) -> None:
        """Takes the rows away, which are where they are safe."""
        if self._form >= _NUMBERS:
            self._slots[FORM_LENGTH] = 0
            # One row more may have been begun.
            end = min(8 * (self._at + FLAT), ROWS_END)
            self._memory[ROWS_START:end] = self._blank[: end - ROWS_START]
        self._at = _FIRST_WORD
        self._form = _UNDECIDED

    def _write(self, value: Any, code: str, at: int) -> bool:
        kind = type(value)
        if code == INTEGERS:
            if kind is not int or value == UNWRITTEN:
                return False
            try:
                self._integers[at] = value
            except ValueError:  # it has more bits
                return False
            return True
        if kind is not float or value != value:
            return False
        self._floats[at] = value
        return True

    def _misfits(self) -> bool:
        self.mixed = True
        return False

    def _decide(self, value: Any) -> None:
        """By the first value: how the run is to be written."""
        self._form = _MARSHALLED
        kind = type(value)
        keys: list[str] = []
        members: list[Any] = [value]
        if kind is dict and 0 < len(value) <= FLAT:
            keys = list(value)
            members = list(value.values())
        codes = "".join([_code(member) for member in members])
        if len(codes) < len(members) or set(map(type, keys)) - {str}:
            return
        form = self._dumps((codes, tuple(keys) if keys else None), _MARSHAL_VERSION)
        if len(form) > ROWS_START - FORM_START:
            return
        if not self._blank:
            self._blank = UNWRITTEN.to_bytes(8, "little", signed=True) * ((ROWS_END - ROWS_START) // 8)
            self._memory[ROWS_START:ROWS_END] = self._blank
        self._memory[FORM_START : FORM_START + len(form)] = form
        # Last, for from here on rows count.
        self._slots[FORM_LENGTH] = len(form)
        self._codes = codes
        self._keys = keys
        self._form = _RECORDS if keys else _NUMBERS


def _code(value: Any) -> str:
    kind = type(value)
    return INTEGERS if kind is int else FLOATS if kind is float else ""
