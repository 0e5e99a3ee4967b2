"""What can travel in a message as it is: values that nobody can change, and small containers of them.

Compiled where that can be done (see `hatch_build.py`), for every item of a map is looked at, and its result.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from poolifier.exchange import WireTask

__all__ = [
    "ATOMS",
    "FLAT",
    "IMMUTABLE",
    "LARGE",
    "SIZED",
    "all_travel",
    "are_flat",
    "compiled",
    "is_flat",
    "is_inline",
    "separate",
]

ATOMS: Final = frozenset({type(None), bool, int, float})
"""Types whose instances (exact, no subclasses) travel inline: they cannot be changed or misbehave."""

SIZED: Final = frozenset({str, bytes})
"""Types whose instances (exact, no subclasses) travel inline as well, unless they are `LARGE`."""

LARGE: Final = 64 * 1024
"""Bytes from which a buffer goes through shared memory, and nothing travels inline."""

IMMUTABLE: Final = ATOMS | SIZED
"""Types whose instances (exact, no subclasses) nobody can change, of whatever size."""

FLAT: Final = 8
"""Most members of a container that is looked through for atoms."""

compiled: bool = not __file__.endswith(".py")
"""Whether this is machine code, in which a loop is faster than built-in functions."""


def is_inline(value: Any) -> bool:
    """Whether a value is one of `ATOMS`, or one of `SIZED` that is not `LARGE`."""
    kind = type(value)
    if kind is int or kind is float or value is None or kind is bool:
        return True
    if kind is str or kind is bytes:
        return len(value) < LARGE
    return False


def is_flat(value: Any) -> bool:
    """Whether a small list, tuple or dictionary (exact, no subclass) holds nothing but what travels inline.

    Such a value can ride in the message itself as well: a pickle of its own would cost more than all
    the rest of a tiny task. Where several tasks of a message are given it, see `separate`.
    """
    kind = type(value)
    if kind is dict:
        members: dict[Any, Any] = value
        if len(members) > FLAT:
            return False
        for key, member in members.items():
            # Nobody has keys as large as that, and with them it would only be slower.
            if type(key) is not str and type(key) not in IMMUTABLE:
                return False
            if type(member) is not int and not is_inline(member):
                return False
        return True
    if (kind is not list and kind is not tuple) or len(value) > FLAT:
        return False
    for member in value:  # noqa: SIM110 - a generator would cost as much as all of this
        if type(member) is not int and not is_inline(member):
            return False
    return True


def are_flat(values: list[Any]) -> bool:
    """Whether each of them travels inline or is flat, and no container is there whose keys are large."""
    for value in values:  # noqa: SIM110 - as above
        if type(value) is not int and not is_inline(value) and not is_flat(value):
            return False
    return True


def all_travel(tasks: Sequence[WireTask], large: int) -> bool:
    """Whether the data of each of these tasks can travel in their message, where what is `large` is not to."""
    for task in tasks:
        data: Any = task[2]
        kind = type(data)
        if kind is str or kind is bytes:
            if len(data) >= large:
                return False
        elif kind is not int and kind is not float and data is not None and kind is not bool and not is_flat(data):
            return False
    return True


def separate(tasks: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Gives each of the tasks of a message a container of its own: one that was given to several came once.

    The worker sees to that, for the event loop has less time. Of what travels, nothing but lists and dictionaries can
    be changed, and what they hold cannot.
    """
    seen: set[int] = set()
    for place, task in enumerate(tasks):
        data: Any = task[2]
        kind = type(data)
        if kind is dict or kind is list:
            if id(data) in seen:
                tasks[place] = (*task[:2], data.copy(), *task[3:])
            seen.add(id(data))
    return tasks
