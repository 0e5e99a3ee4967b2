"""Lists, dicts and their like that several definitions have: at the other side they are to be the same one, too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from poolifier.wire.scripts import rebuild
from poolifier.wire.scripts.reduced import Reduced
from poolifier.wire.scripts.script_globals import ATOMS

if TYPE_CHECKING:
    from poolifier.wire.scripts.operations import Key

__all__ = ["CONTAINERS", "PLACED", "is_flat", "placed", "referred_to"]

CONTAINERS: Final = frozenset({list, dict, set, bytearray, tuple, frozenset})
"""Types of which `pickle` makes objects anew wherever they stand, without asking."""

PLACED: Final = frozenset({list, dict, set})
"""Containers that are there before what they hold, which may refer to them."""


def referred_to(there: dict[str, Any]) -> dict[int, Any]:
    """The containers among a module's globals that something else may refer to as well, by identity.

    Most are referred to by their name alone: where there are no others, nothing has to be looked through for them.
    """
    alone = _counted({"": []})[0][1]
    return {id(each): each for each, count in _counted(there) if count > alone and not is_constant(each)}


def is_constant(value: Any) -> bool:
    """Whether a container can neither change nor has anything that does."""
    return type(value) in (tuple, frozenset) and is_flat(value)


def is_flat(value: Any) -> bool:
    """Whether a container holds nothing but numbers, texts and the like."""
    if type(value) is dict:
        return ATOMS.issuperset(map(type, value)) and ATOMS.issuperset(map(type, value.values()))
    return type(value) is bytearray or (type(value) in CONTAINERS and ATOMS.issuperset(map(type, value)))


def _counted(there: dict[str, Any]) -> list[tuple[Any, int]]:
    """The containers, and how many references there are to each, as far as that can be told."""
    return [(each, sys.getrefcount(each)) for each in list(there.values()) if type(each) in CONTAINERS]


def placed(key: Key, value: Any) -> Reduced:
    """A container that its name leads to before it is filled."""
    kind = type(value)
    made = (rebuild.placed, (*key, kind, ()))
    if kind is list:
        return Reduced((*made, None, iter(value)))
    if kind is dict:
        return Reduced((*made, None, None, iter(value.items())))
    return Reduced((*made, list(value), None, None, rebuild.fill_set))
