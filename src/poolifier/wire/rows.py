"""Numbers, or records of numbers with the same keys: eight bytes for each number, and the keys once.

This is how the results of a map's tiny items stand in the memory that a worker shares with its pool (see
`worker.run`), for nothing can be written there in less time, and how they travel.
"""

from __future__ import annotations

import marshal
from array import array

from poolifier.wire.flat import FLAT
from poolifier.wire.frames import FrameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

__all__ = ["FLOATS", "INTEGERS", "UNWRITTEN", "Rows", "are_rows", "opened", "rows_left", "written"]

INTEGERS: Final = "q"
"""Code of a column of integers, of 64 bits with a sign."""

FLOATS: Final = "d"
"""Code of a column of floats."""

UNWRITTEN: Final = -0x0007_2152_4110_FFFF
"""What stands where no number has been written, and is none that is. As a float it is not a number."""

Rows: TypeAlias = "tuple[str, tuple[str, ...] | None, bytes]"
"""The code of each column, the keys of a record or None where there is but a number, and row after row."""

_CODES: Final = frozenset((INTEGERS, FLOATS))
_WORD: Final = 8


def are_rows(rows: Any, count: int) -> bool:
    """Whether that many results stand there."""
    if type(rows) is not tuple or len(rows) != 3:
        return False
    codes, keys, data = rows
    return _is_form(codes, keys) and type(data) is bytes and len(data) == _WORD * len(codes) * count


def opened(rows: Rows) -> list[Any]:
    """The results."""
    codes, keys, data = rows
    columns = [array(code, data)[number :: len(codes)].tolist() for number, code in enumerate(codes)]
    if keys is None:
        return columns[0]
    if len(keys) == 1:
        key = keys[0]
        return [{key: number} for number in columns[0]]
    # A copy has its room already.
    empty: dict[str, Any] = dict.fromkeys(keys)
    records = [empty.copy() for _ in columns[0]]
    for key, column in zip(keys, columns, strict=True):
        for record, number in zip(records, column, strict=True):
            record[key] = number
    return records


def rows_left(form: bytes, memory: bytes) -> Rows:
    """The rows that stand whole in the memory, of that marshalled form: its codes and its keys.

    Raises:
        FrameError: It is none.
    """
    try:
        codes, keys = marshal.loads(form)
    except Exception as error:
        raise FrameError(f"expected the form of rows, got {form[:32]!r}") from error
    if not _is_form(codes, keys):
        raise FrameError(f"expected the form of rows, got {repr((codes, keys))[:80]}")
    # A row is there once its last number is.
    last = array(INTEGERS, memory)[len(codes) - 1 :: len(codes)]
    count = last.index(UNWRITTEN) if UNWRITTEN in last else len(last)
    return codes, keys, memory[: _WORD * len(codes) * count]


def written(rows: Rows) -> int:
    """How many results there are."""
    codes, _, data = rows
    return len(data) // (_WORD * len(codes))


def _is_form(codes: Any, keys: Any) -> bool:
    if type(codes) is not str or not 0 < len(codes) <= FLAT or not _CODES.issuperset(codes):
        return False
    if keys is None:
        return len(codes) == 1
    return type(keys) is tuple and len(keys) == len(codes) and set(map(type, keys)) == {str}
