"""How data and results travel through Ray: small ones in the call, large ones through the object store.

What is carried is an atom, a small container of atoms, or a pickle of its own, as with processes. What comes
to `STORED_FROM` bytes goes to Ray's object store, with its buffers beside the pickle, so a NumPy array is
written there once and read where it lies. An `ObjectRef` is never pickled here: Ray must know of every
one that travels, to keep alive what it refers to, so a batch has a list of them, and a pickle says which.
"""

from __future__ import annotations

import copyreg
import pickle
import threading
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Final, TypeAlias

from ray import ObjectRef, put

from poolifier.error_attributes import is_a
from poolifier.errors import SerializationError
from poolifier.exchange import KEY_MARK
from poolifier.wire import codec
from poolifier.wire.remote_errors import decode_error, encode_error

__all__ = ["STORED_FROM", "Carried", "Parcel", "carry", "carry_item", "is_light", "unpack"]

STORED_FROM: Final = 100 * 1024
"""Bytes from which on it goes through the object store."""

_BESIDE_FROM: Final = 16 * 1024
"""Bytes from which on a buffer is left out of the pickle."""

PICKLED: Final = 0
"""The pickle is here."""
STORED: Final = 1
"""The first reference is to (pickle, buffers)."""
REFERENCE: Final = 2
"""The first reference is to the data itself, which a caller gave as an `ObjectRef`."""
BAD: Final = 3
"""In place of a pickle there is the error that kept it from being made."""

Carried: TypeAlias = tuple[int, bytes, int, int]
"""(one of the above, pickle, where its references begin in those of the batch, how many they are)."""


class Parcel:
    """What was carried, at the other side, before it is opened.

    Attributes:
        status: How it was carried.
        payload: The pickle.
        refs: The references that it is made with.
        buffers: What was left out of the pickle.
        value: The value, where it has not been pickled by us.
        error: Why its value did not come.
    """

    __slots__ = ("buffers", "error", "payload", "refs", "status", "value")

    def __init__(self, carried: Carried, refs: Sequence[Any]) -> None:
        self.status: int
        self.payload: bytes
        self.status, self.payload, first, count = carried
        self.refs: list[Any] = list(refs[first : first + count])
        self.buffers: Sequence[Any] = ()
        self.value: Any = None
        self.error: BaseException | None = None

    @property
    def awaited(self) -> ObjectRef[Any] | None:
        """What has to be fetched before it can be opened, or None."""
        return self.refs[0] if self.status in (STORED, REFERENCE) else None

    def arrived(self, value: Any, error: BaseException | None) -> None:
        """What was awaited is here, or will not come."""
        if error is not None:
            self.error = error
        elif self.status == STORED:
            self.payload, self.buffers = value
        else:
            self.value = value
        # What it was fetched from may be freed as soon as nothing else holds it.
        if self.status != PICKLED:
            del self.refs[0]

    def open(self) -> Any:
        """The value.

        Raises:
            BaseException: Reading it failed, or it did not come.
        """
        if self.status == BAD:
            raise decode_error(self.payload)
        if self.error is not None:
            # What a task of Ray's raised is wrapped in an error of Ray's.
            cause = getattr(self.error, "cause", None)
            raise cause if is_a(cause, BaseException) else self.error
        if self.status == REFERENCE:
            return self.value
        before, _here.read = _here.read, self.refs
        try:
            return pickle.loads(self.payload, buffers=self.buffers)
        finally:
            _here.read = before


def is_light(value: Any) -> bool:
    """Whether it rides in the batch as it is, once per batch."""
    kind = type(value)
    if kind in codec.SIZED:
        return len(value) < STORED_FROM
    return kind in codec.ATOMS or codec.is_flat(value)


def carry(value: Any, refs: list[Any], what: str, *, resolve: bool = False) -> Carried:
    """Makes a value ready to travel; `what` names it, for the error. What it refers to is added to `refs`.

    With `resolve` a reference stands for its value, which is then fetched where it arrives.

    Raises:
        SerializationError: It cannot be pickled; says what and why.
    """
    first = len(refs)
    if resolve and type(value) is ObjectRef:
        refs.append(value)
        return (REFERENCE, b"", first, 1)
    found: list[Any] = []
    try:
        payload, buffers = _dump(value, found)
    except Exception as error:
        raise SerializationError(
            f"{what} ({type(value).__name__}) cannot be pickled: {codec.describe(error)}"
        ) from error
    if buffers or len(payload) >= STORED_FROM:
        refs.append(put((pickle.PickleBuffer(payload), buffers)))
        payload, status = b"", STORED
    else:
        status = PICKLED
    refs.extend(found)
    return (status, payload, first, len(refs) - first)


def carry_item(value: Any, refs: list[Any], what: str) -> Any:
    """As `carry`, for an item of a map: an atom as it is, and never raises."""
    if type(value) in codec.IMMUTABLE and is_light(value):
        return value
    try:
        return carry(value, refs, what, resolve=True)
    except SerializationError as error:
        return (BAD, encode_error(error), 0, 0)


def unpack(carried: Any, refs: Sequence[Any]) -> Any:
    """Undoes `carry_item`, up to the opening."""
    return Parcel(carried, refs) if type(carried) is tuple else carried


def data_of(key: str) -> str:
    """What the data of a task function is called in errors."""
    return f"the data of task function {key.partition(KEY_MARK)[0]!r}"


def _dump(value: Any, refs: list[Any]) -> tuple[bytes, list[Any]]:
    payload, buffers = _dump_beside(value, refs, _BESIDE_FROM)
    if buffers and len(payload) + sum(buffer.raw().nbytes for buffer in buffers) < STORED_FROM:
        refs.clear()
        return _dump_beside(value, refs, STORED_FROM)
    return payload, buffers


def _dump_beside(value: Any, refs: list[Any], least: int) -> tuple[bytes, list[Any]]:
    """Pickles with buffers of `least` bytes beside; by value where the other side cannot import it."""
    try:
        payload, buffers = _dump_with(_by_reference, value, refs, least)
    except Exception:  # noqa: BLE001 - cloudpickle may know how; if not, it says why
        pass
    else:
        if not codec.needs_scripts(payload):
            return payload, buffers
    refs.clear()
    return _dump_with(_for_scripts, value, refs, least)


def _dump_with(dump: Callable[..., bytes], value: Any, refs: list[Any], least: int) -> tuple[bytes, list[Any]]:
    buffers: list[pickle.PickleBuffer] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        try:
            small = buffer.raw().nbytes < least
        except BufferError:
            return True  # it does not lie in one piece
        if not small:
            buffers.append(buffer)
        return small

    # A part of the value may be pickled with a pickle of its own.
    before, _here.made = _here.made, refs
    try:
        payload = dump(value, beside)
    finally:
        _here.made = before
    return payload, buffers


def _by_reference(value: Any, beside: Callable[[pickle.PickleBuffer], bool]) -> bytes:
    out = BytesIO()
    pickler = pickle.Pickler(out, 5, buffer_callback=beside)
    pickler.dispatch_table = {**copyreg.dispatch_table, ObjectRef: _refer}
    pickler.dump(value)
    return out.getvalue()


def _for_scripts(value: Any, beside: Callable[[pickle.PickleBuffer], bool]) -> bytes:
    return codec.encode_with(value, {ObjectRef: _refer}, beside)


def _refer(ref: ObjectRef[Any]) -> tuple[Any, ...]:
    made = _here.made
    assert made is not None
    made.append(ref)
    return _ref_at, (len(made) - 1,)


class _Here(threading.local):
    """The references of the pickle that is made, and of the one that is read, in this thread."""

    made: list[Any] | None = None
    read: list[Any] | None = None


_here = _Here()


def _ref_at(position: int) -> Any:
    read = _here.read
    assert read is not None
    return read[position]
