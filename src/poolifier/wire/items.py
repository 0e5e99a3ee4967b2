"""The items of a map on their way to a worker. Each has a pickle of its own, as the data of a task has."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from poolifier.errors import SerializationError
from poolifier.wire.codec import encode, encode_data, is_inline
from poolifier.wire.remote_errors import encode_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

__all__ = ["WireItem", "encode_items"]

WireItem: TypeAlias = "Any"
"""What travels inline as it is, `(pickle or parcel,)`, or `(None, error)` for an item that cannot be pickled."""


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
