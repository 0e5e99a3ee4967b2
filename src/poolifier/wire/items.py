"""The items of a map on their way to a worker.

Items that are as simple as can be travel together, marshalled in one: nothing that they may hold can misbehave,
and without references between values each arrives as an object of its own, even where two are the same here.
All others have a pickle each, as the data of a task has.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Collection, Iterable
from itertools import chain

from poolifier.errors import SerializationError
from poolifier.wire.codec import encode, encode_data
from poolifier.wire.flat import ATOMS, FLAT, IMMUTABLE, LARGE, SIZED, are_flat, compiled, is_inline
from poolifier.wire.remote_errors import encode_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

__all__ = ["WireItem", "encode_items", "marshalled_items"]

WireItem: TypeAlias = "Any"
"""What travels inline as it is, `(pickle or parcel,)`, or `(None, error)` for an item that cannot be pickled."""

_LISTS: Final = frozenset({list, tuple})
_SIMPLE: Final = IMMUTABLE | _LISTS | {dict}

# Version 2 has no references between values. All that it writes it reads as the same, but for what has a buffer.
_MARSHAL_VERSION: Final = 2


def marshalled_items(items: list[Any]) -> bytes | None:
    """The items marshalled in one, or None where any of them is not flat (see `flat.is_flat`), or large.

    By built-in functions where this is not compiled: they look at an item in a fraction of the time that a pickle
    would take.
    """
    try:
        if compiled:
            return marshal.dumps(items[:], _MARSHAL_VERSION) if are_flat(items) else None
        kinds = set(map(type, items))
        if not kinds <= _SIMPLE:
            return None
        for kind in kinds - ATOMS:
            some = items if len(kinds) == 1 else [item for item in items if type(item) is kind]
            if not (_are_small(some, {kind}) if kind in SIZED else _are_flat(some, kind)):
                return None
        return marshal.dumps(items[:], _MARSHAL_VERSION)
    except Exception:  # noqa: BLE001 - a key's own, where keys are compared; or it only equals one that could travel
        return None


def encode_items(name: str, items: Iterable[Any], pack: Callable[[Any], Any] = encode) -> list[WireItem]:
    """Encodes the items for task function `name`; `pack` is what pickles one.

    Never raises: an item that cannot be pickled says so itself.
    """
    encoded: list[WireItem] = []
    for item in items:
        if is_inline(item):
            encoded.append(item)
            continue
        try:
            encoded.append((encode_data(name, item, pack),))
        except SerializationError as error:
            encoded.append((None, encode_error(error)))
    return encoded


def _are_flat(containers: list[Any], kind: type) -> bool:
    if max(map(len, containers)) > FLAT:
        return False
    if kind is dict:
        # Of keys that are equal one is looked at, which is twice as fast. Where another is of a type that cannot
        # travel, marshal refuses it, unless it has a buffer: but such a one equals nothing but `bytes`.
        keys = set(map(type, set().union(*containers)))
        if not keys <= IMMUTABLE or bytes in keys:
            return False
        members = list(chain.from_iterable(map(dict.values, containers)))
    else:
        members = list(chain.from_iterable(containers))
    kinds = set(map(type, members))
    return kinds <= IMMUTABLE and _are_small(members, kinds)


def _are_small(values: list[Any], kinds: Collection[type]) -> bool:
    """Whether none of them is `LARGE`, which are of these types."""
    sized = SIZED.intersection(kinds)
    if not sized:
        return True
    if len(sized) < len(kinds):
        values = [value for value in values if type(value) in sized]
    return max(map(len, values)) < LARGE
