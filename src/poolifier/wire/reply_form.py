"""Whether what a worker says are replies. A task may have written where it should not, so each is looked at.

Compiled where that can be done (see `hatch_build.py`). In Python built-in functions are faster than a loop.
"""

from __future__ import annotations

import reprlib
from operator import itemgetter

from poolifier.exchange import MAPPED_RUN
from poolifier.wire.flat import compiled
from poolifier.wire.frames import FrameError
from poolifier.wire.rows import are_rows, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["checked_replies"]

_sequence, _status, _run_time = itemgetter(0), itemgetter(1), itemgetter(3)
_TUPLES: Final = frozenset({tuple})
_INTS: Final = frozenset({int})
_FLOATS: Final = frozenset({float})
_SHORT: Final = frozenset({4})
_EITHER: Final = frozenset({4, 5})
_STATUSES: Final = frozenset(range(MAPPED_RUN + 1))
_FOREVER: Final = 1e12


def checked_replies(replies: Any, active: Any, idle: Any, *, pickles: bool = True) -> list[tuple[Any, ...]]:
    """The replies, their form and that of the times that come with them checked, and those opened that stand in rows.

    Raises:
        FrameError: They are not replies, or have pickles although `pickles` is False.
    """
    runs = False
    try:
        right = (
            type(replies) is list
            and (_have_form(replies, pickles) if compiled else _have_form_by_built_ins(replies, pickles))
            # In this order, which is false for what is no number.
            and 0.0 <= active < _FOREVER
            and 0.0 <= idle < _FOREVER
        )
        runs = right and MAPPED_RUN in map(_status, replies)
        if runs:
            right = all(_is_run(reply) for reply in replies if reply[1] == MAPPED_RUN)
    except (TypeError, LookupError, ValueError):
        right = False
    if not right:
        raise FrameError(f"expected replies, got {reprlib.repr(replies)}")
    checked: list[tuple[Any, ...]] = replies
    return list(map(_opened, checked)) if runs else checked


def _have_form(replies: list[Any], pickles: bool) -> bool:
    longest = 5 if pickles else 4
    seconds = 0.0
    for reply in replies:
        if type(reply) is not tuple:
            return False
        members: tuple[Any, ...] = reply
        if not 4 <= len(members) <= longest or type(members[0]) is not int:
            return False
        if type(members[1]) is not int or type(members[3]) is not float:
            return False
        status: int = members[1]
        run_time: float = members[3]
        if not 0 <= status <= MAPPED_RUN:
            return False
        seconds += run_time
    return 0.0 <= seconds < _FOREVER


def _have_form_by_built_ins(replies: list[Any], pickles: bool) -> bool:
    seconds = list(map(_run_time, replies))
    return (
        set(map(type, replies)) <= _TUPLES
        and set(map(len, replies)) <= (_EITHER if pickles else _SHORT)
        and set(map(type, map(_sequence, replies))) <= _INTS
        and set(map(_status, replies)) <= _STATUSES
        and set(map(type, seconds)) <= _FLOATS
        and 0.0 <= _total(seconds) < _FOREVER
    )


def _is_run(reply: tuple[Any, ...]) -> bool:
    values, counts, means = reply[2]
    return (
        len(reply) == 4
        and type(counts) is list
        and type(means) is list
        and len(counts) == len(means) > 0
        and set(map(type, counts)) <= _INTS
        and set(map(type, means)) <= _FLOATS
        and min(counts) > 0
        and (sum(counts) == len(values) if type(values) is list else are_rows(values, sum(counts)))
        and min(means) >= 0.0
        and 0.0 <= _total(means) < _FOREVER
    )


def _total(seconds: list[Any]) -> float:
    # By itself it is an integer where there are none, and so it would be to the compiler.
    return sum(seconds, 0.0)


def _opened(reply: tuple[Any, ...]) -> tuple[Any, ...]:
    if reply[1] != MAPPED_RUN or type(reply[2][0]) is list:
        return reply
    sequence, status, (rows, counts, means), run_time = reply
    return (sequence, status, (opened(rows), counts, means), run_time)
