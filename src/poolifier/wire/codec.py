"""How user data becomes bytes: C pickle where it will do, `scripts` where the other side cannot import something.

Two tasks that are given the same dictionary get two, and a pickle that cannot be read harms its own
task alone. Immutable atoms need no pickle of their own, so they ride in the message itself, and so do
small containers of them, of which the worker makes a copy for every further task (see `flat`).
"""

from __future__ import annotations

import pickle
import sys

from poolifier.error_attributes import attributes_of, is_a, text_of, type_name_of
from poolifier.errors import SerializationError
from poolifier.exchange import KEY_MARK
from poolifier.wire.flat import ATOMS, FLAT, IMMUTABLE, LARGE, SIZED, is_flat, is_inline
from poolifier.wire.multiprocessing_reducers import MARK as CONNECTION
from poolifier.wire.scripts import importable
from poolifier.wire.scripts.active import active

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

__all__ = [
    "ATOMS",
    "FLAT",
    "IMMUTABLE",
    "LARGE",
    "PROTOCOL",
    "SIZED",
    "Kept",
    "NeedsPoolError",
    "decode",
    "describe",
    "encode",
    "encode_data",
    "encode_result",
    "encode_with",
    "is_flat",
    "is_inline",
    "names_in",
    "needs_scripts",
]

PROTOCOL: Final = 5

_GLOBAL: Final = b"\x93"
"""The instruction of a pickle that finds a global."""

_HEAD: Final = 11
"""Bytes before the first instruction of a pickle that says something: its protocol, and how long its frame is."""

_MOST_SHAPE: Final = 300
"""Bytes of a pickle within which its first global stands, where that is worth to be remembered."""

_MOST_SHAPES: Final = 10_000

_MOST_NAMES: Final = 4096
"""Bytes of a pickle in which names are looked for, and how many of them are remembered."""

_MEMOIZE: Final = 0x94
_GET: Final = ord("h")
_LONG_GET: Final = ord("j")

_MOST_LOOKED_AT: Final = 16
"""How often a byte is looked at that may find a global, and more in large pickles."""

# Types, by identity, of which the last value had several globals, so that its plain pickle was of no use.
_again: set[int] = set()

# Beginnings of pickles that the other side can read as they are.
_shapes: set[bytes] = set()

# Names in pickles that the other side can read as they are (see `_are_known`).
_names: dict[bytes, str | None] = {}


class NeedsPoolError(SerializationError):
    """A `SharedBuffer` was pickled where there is no pool to carry its memory."""


class Kept:
    """The buffers that are kept out of a pickle, in their order, to travel apart.

    Args:
        stand_ins: What is kept in the place of certain buffers, by their identity.

    Attributes:
        buffers: What is kept: views of large buffers, and what stands for the others.
    """

    __slots__ = ("_stand_ins", "buffers")

    def __init__(self, stand_ins: Mapping[int, tuple[object, Any]] | None = None) -> None:
        self.buffers: list[Any] = []
        self._stand_ins = {} if stand_ins is None else stand_ins

    def __call__(self, buffer: pickle.PickleBuffer) -> bool:
        """Whether the buffer is to be in the pickle."""
        stand_in = self._stand_ins.get(id(buffer))
        if stand_in is not None:
            self.buffers.append(stand_in[1])
            return False
        raw = buffer.raw()
        if raw.nbytes < LARGE:
            return True
        self.buffers.append(raw)
        return False


def encode(value: Any, keep: Kept | None = None) -> bytes:
    """Pickles anything, by value where the other side cannot import it; `keep` gets the large buffers.

    Raises:
        BaseException: Whatever a part of the value raised when it was pickled.
    """
    if _again and id(type(value)) in _again:
        repeated = _encode_again(value, keep)
        if repeated is not None:
            return repeated
    try:
        payload = pickle.dumps(value, PROTOCOL, buffer_callback=keep)
    except NeedsPoolError:
        raise
    except Exception:  # noqa: BLE001 - there may be another way; if not, that says why
        return _encode_for_scripts(value, keep)
    if _GLOBAL not in payload:
        return payload
    # One global alone is the class of an instance, say. What begins the same way then needs the same.
    definitions = active.definitions
    shapes = _shapes if definitions is None else definitions.shapes
    shape = payload[_HEAD : payload.find(_GLOBAL, 0, _MOST_SHAPE) + 1]
    if shape in shapes and (payload.count(_GLOBAL) == 1 or _is_last_global(payload, len(shape) + _HEAD)):
        return payload
    if _are_known(payload):
        return payload
    return _encode_globals(value, keep, payload, shape, shapes)


def _encode_globals(value: Any, keep: Kept | None, plain: bytes, shape: bytes, shapes: set[bytes]) -> bytes:
    needed = needs_scripts(plain)
    payload = _encode_for_scripts(value, keep) if needed else plain
    if shape and payload == plain and _is_last_global(plain, len(shape) + _HEAD):
        if len(shapes) < _MOST_SHAPES:
            shapes.add(shape)
    elif needed and payload == plain and not _learn_names(plain):
        _again.add(id(type(value)))
    return payload


def names_in(payload: bytes) -> list[bytes] | None:
    """The names of all globals that a pickle finds, each behind its length; None where that is not plain to see.

    A name that stands in the pickle a second time is only referred to, and one may look like data.
    """
    parts = payload.split(b"\x94\x93")
    if len(parts) > _MOST_LOOKED_AT or payload.count(_GLOBAL) != len(parts) - 1:
        return None
    parts.pop()
    names = [part[part.rfind(b"\x8c") + 1 :] for part in parts]
    if b"\x07getattr" in names and payload.find(b".") < len(payload) - 1:
        # Of a method whose name may not be what it is found by.
        return None
    return names


def _are_known(payload: bytes) -> bool:
    """Whether a pickle finds nothing but what those before it have found, which needed nothing more than `pickle`.

    Names alone are compared: where their modules stand in the pickle a second time, they are only referred to. So
    there may be one script alone, and what is another module's must not have a name that is the script's as well.
    """
    definitions = active.definitions
    names = _names if definitions is None else definitions.known_names
    if not names or len(payload) > _MOST_NAMES:
        return False
    found = names_in(payload)
    if found is None:
        return False
    script = None
    for name in found:
        other = names.get(name, "")
        if other is None:
            continue
        if script is None:
            script = sys.modules["__main__"].__dict__
        if not other or other in script:
            return False
    importable.scan()
    return len(importable.marks) == 1


def _learn_names(payload: bytes) -> bool:
    """Remembers what a pickle finds that the other side can read as it is. False where that is not plain to see."""
    if len(payload) > _MOST_NAMES or len(importable.marks) > 1:
        return False
    from poolifier.wire.scripts import encoding

    definitions = active.definitions
    names = _names if definitions is None else definitions.known_names
    found = names_in(payload)
    if found is None or not encoding.learn_names(found, names):
        return False
    if len(names) > _MOST_NAMES:
        names.clear()
    return True


def _encode_again(value: Any, keep: Kept | None) -> bytes | None:
    """Pickles what is likely to be made of what has been pickled before; None if it is not."""
    from poolifier.wire.scripts import encoding

    payload = encoding.dumps_again(value, keep)
    if payload is None or _is_last_global(payload, payload.find(_GLOBAL) + 1) or _are_known(payload):
        # What comes next may be like this one, for which the plain pickle is faster.
        _again.discard(id(type(value)))
    return payload


def _is_last_global(payload: bytes, begin: int) -> bool:
    """Whether a pickle finds no global from there on. False as well if its data has the same byte too often."""
    at = payload.find(_GLOBAL, begin)
    for _ in range(_MOST_LOOKED_AT + (len(payload) >> 6)):
        if at < 0:
            return True
        # What it takes is the name, which was remembered just now, or before.
        if payload[at - 1] == _MEMOIZE or payload[at - 2] == _GET or payload[at - 5] == _LONG_GET:
            return False
        at = payload.find(_GLOBAL, at + 1)
    return at < 0


def needs_scripts(payload: bytes) -> bool:
    """Whether a pickle may refer to what the other side cannot import (see `scripts`)."""
    if _GLOBAL in payload:
        importable.scan()
        if CONNECTION in payload:
            # To be reduced otherwise than by its own way.
            return True
        for mark in importable.marks:
            if mark in payload:
                return True
    return False


def encode_with(value: Any, reducers: Mapping[type, Callable[[Any], Any]], keep: Any) -> bytes:
    """As `encode`, where that needs more than `pickle`; certain types are reduced as given."""
    from poolifier.wire.scripts import encoding

    return encoding.dumps_with(value, keep, reducers)


def decode(payload: Any) -> Any:
    """Undoes `encode`, or opens what has come through shared memory.

    Raises:
        BaseException: Whatever reading the pickle raised.
    """
    return pickle.loads(payload) if type(payload) is bytes else payload.open()


def encode_data(name: str, data: Any, pack: Callable[[Any], Any] = encode) -> Any:
    """Pickles a task's data, given the key of its task function; `pack` is what does it.

    Raises:
        SerializationError: It cannot be pickled; names the task function, what and why.
    """
    try:
        return pack(data)
    except BaseException as error:
        raise SerializationError(
            f"the data of task function {name.partition(KEY_MARK)[0]!r} ({type(data).__name__}) cannot be pickled: "
            f"{describe(error)}"
        ) from error


def encode_result(name: str, result: Any, what: str = "the result", pack: Callable[[Any], Any] = encode) -> Any:
    """Pickles a task's result, or an item of its stream; `what` is which, for the error. `pack` is what does it.

    Raises:
        SerializationError: It cannot be pickled; names the task function, what and why.
    """
    try:
        return pack(result)
    except BaseException as error:
        raise SerializationError(
            f"{what} of task function {name!r} ({type(result).__name__}) cannot be pickled: {describe(error)}"
        ) from error


def describe(error: BaseException) -> str:
    """`Type: message`, also where the error's own `__str__` fails."""
    name = type_name_of(error).rpartition(".")[2]
    message = text_of(error)
    text = f"{name}: {message}" if message else name
    if is_a(error, pickle.PicklingError, TypeError, AttributeError):
        # Since Python 3.14 they say where in the value the culprit is.
        notes = attributes_of(error).get("__notes__")
        text += "".join(f"; {note}" for note in notes if type(note) is str) if type(notes) is list else ""
    return text


def _encode_for_scripts(value: Any, keep: Kept | None) -> bytes:
    from poolifier.wire.scripts import encoding

    if keep is not None:
        keep.buffers.clear()
    return encoding.dumps_with(value, keep)
