"""How data and results are pickled that refer to what a script defines."""

from __future__ import annotations

import pickle
from io import BytesIO

from poolifier.errors import SerializationError
from poolifier.wire.codec import Kept, needs_scripts
from poolifier.wire.scripts.active import active
from poolifier.wire.scripts.pickler import Pickler, blame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

__all__ = ["dumps", "dumps_lasting", "dumps_with"]

_GLOBAL: Final = b"\x93"
"""The instruction that finds a global. One alone in a pickle is the class of an instance, say."""

_HEAD: Final = 11
"""Bytes before the first instruction of a pickle that says something: its protocol, and how long its frame is."""

_MOST_SHAPES: Final = 10_000

_shapes: set[bytes] = set()


def dumps(value: Any, keep: Callable[[pickle.PickleBuffer], object] | None = None, plain: bytes = b"") -> bytes:
    """Pickles a value for the other side; `plain` is the pickle that `pickle` has made of it, if it could.

    Raises:
        BaseException: Whatever a part of the value raised when it was pickled.
    """
    definitions = active.definitions
    shapes = _shapes if definitions is None else definitions.shapes
    shape = b""
    if plain and plain.count(_GLOBAL) == 1:
        shape = plain[_HEAD : plain.index(_GLOBAL) + 1]
        if shape in shapes:
            return plain
    if isinstance(keep, Kept):
        keep.buffers.clear()
    payload = dumps_with(value, keep)
    if shape and payload == plain and len(shapes) < _MOST_SHAPES:
        # The same way for whatever begins like this, and names nothing else.
        shapes.add(shape)
    return payload


def dumps_with(
    value: Any,
    keep: Callable[[pickle.PickleBuffer], object] | None = None,
    reducers: Mapping[type, Callable[[Any], Any]] | None = None,
    *,
    lasting: bool = False,
) -> bytes:
    """Pickles a value for the other side, certain types of it as given."""
    try:
        return _dump(value, keep, reducers, lasting)
    except SerializationError:
        raise
    except (TypeError, AttributeError, pickle.PicklingError):
        from poolifier.wire.scripts.values import more_reducers

        if isinstance(keep, Kept):
            keep.buffers.clear()
        return _dump(value, keep, {**more_reducers(), **(reducers or {})}, lasting)


def dumps_lasting(value: Any) -> bytes:
    """Pickles what a worker has for as long as it lives: what its closures refer to is sent again when it changes."""
    try:
        payload = pickle.dumps(value, 5)
    except Exception:  # noqa: BLE001 - there may be another way; if not, that says why
        return dumps_with(value, lasting=True)
    # Of a method, whose name may not be what it is found by.
    needed = needs_scripts(payload) or b"getattr" in payload
    return dumps_with(value, lasting=True) if needed else payload


def _dump(
    value: Any,
    keep: Callable[[pickle.PickleBuffer], object] | None,
    reducers: Mapping[type, Callable[[Any], Any]] | None,
    lasting: bool,
) -> bytes:
    file = BytesIO()
    pickler = Pickler(file, 5, buffer_callback=keep)
    pickler.definitions = active.definitions
    pickler.extra = reducers
    pickler.lasting = lasting
    pickler.functions = []
    try:
        pickler.dump(value)
    except SerializationError:
        raise
    except Exception as error:
        blame(error, pickler.functions)
        raise
    return file.getvalue()
