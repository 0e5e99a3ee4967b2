"""The items of a map on their way to a worker. Each has a pickle of its own, as the data of a task has."""

from __future__ import annotations

from collections.abc import Iterable

from poolifier.errors import SerializationError
from poolifier.wire.codec import ATOMS, encode_data
from poolifier.wire.remote_errors import encode_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

__all__ = ["WireItem", "encode_items"]

WireItem: TypeAlias = "Any"
"""An atom as it is, `(pickle,)`, or `(None, error)` for an item that cannot be pickled."""


def encode_items(name: str, items: Iterable[Any]) -> list[WireItem]:
    """Encodes the items for task function `name`. Never raises: an item that cannot be pickled says so itself."""
    encoded: list[WireItem] = []
    for item in items:
        if type(item) in ATOMS:
            encoded.append(item)
            continue
        try:
            encoded.append((encode_data(name, item),))
        except SerializationError as error:
            encoded.append((None, encode_error(error)))
    return encoded
