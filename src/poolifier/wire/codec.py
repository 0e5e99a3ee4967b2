"""How user data becomes bytes: C pickle where it will do, cloudpickle where it must travel by value.

Two tasks that are given the same dictionary get two, and a pickle that cannot be read harms its own
task alone. Immutable atoms need no pickle of their own, so they ride in the message itself, and so do
small containers of them, of which the worker makes a copy for every further task (see `flat`).
"""

from __future__ import annotations

import pickle

from poolifier.error_attributes import text_of, type_name_of
from poolifier.errors import SerializationError
from poolifier.exchange import KEY_MARK
from poolifier.wire.flat import ATOMS, FLAT, IMMUTABLE, LARGE, SIZED, is_flat, is_inline
from poolifier.wire.multiprocessing_reducers import MARK as CONNECTION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
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
    "by_value_is_needed",
    "by_value_pickler",
    "carry_by_value",
    "decode",
    "decode_by_value",
    "describe",
    "encode",
    "encode_data",
    "encode_result",
    "is_by_value",
    "is_flat",
    "is_inline",
]

PROTOCOL: Final = 5


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


# Names of modules whose functions and classes the other side cannot import, as they would show in a
# pickle that refers to them. Such a pickle is made anew by cloudpickle, and so is one that has to be reduced otherwise.
_by_value_marks: list[bytes] = [b"__main__", CONNECTION]
_by_value_modules: list[str] = []


def carry_by_value(module_name: str) -> None:
    """Makes functions and classes of a loaded module travel by value: the other side cannot import it.

    cloudpickle is only told once it is needed, for it takes a worker 40 ms to import.
    """
    if module_name not in _by_value_modules:
        _by_value_modules.append(module_name)
        _by_value_marks.append(module_name.encode())


def encode(value: Any, keep: Kept | None = None) -> bytes:
    """Pickles anything, by value where the other side cannot import it; `keep` gets the large buffers.

    Raises:
        BaseException: Whatever a part of the value raised when it was pickled.
    """
    try:
        payload = pickle.dumps(value, PROTOCOL, buffer_callback=keep)
    except NeedsPoolError:
        raise
    except Exception:  # noqa: BLE001 - cloudpickle may know how; if not, it says why
        return _encode_by_value(value, keep)
    return _encode_by_value(value, keep) if by_value_is_needed(payload) else payload


def by_value_is_needed(payload: bytes) -> bool:
    """Whether a pickle refers to what the other side cannot import."""
    for mark in _by_value_marks:  # noqa: SIM110 - a generator would cost as much as a small pickle
        if mark in payload:
            return True
    return False


def by_value_pickler(reducers: Mapping[type, Callable[[Any], Any]]) -> type[pickle.Pickler]:
    """A pickler for what the other side cannot import, which reduces certain types as given."""
    from poolifier.wire import by_value

    return by_value.pickler(_by_value_modules, reducers)


def is_by_value(payload: bytes) -> bool:
    """Whether a pickle is one of cloudpickle's, which refer to its module by name."""
    return b"cloudpickle" in payload


def decode(payload: Any) -> Any:
    """Undoes `encode`, or opens what has come through shared memory.

    Raises:
        BaseException: Whatever reading the pickle raised.
    """
    if type(payload) is not bytes:
        return payload.open()
    if is_by_value(payload):
        return decode_by_value(payload)
    return pickle.loads(payload)


def decode_by_value(payload: bytes | memoryview, buffers: Iterable[Any] = ()) -> Any:
    """Undoes `encode` where that made the pickle by value; `buffers` are those that were kept."""
    from poolifier.wire import by_value

    return by_value.loads(payload, buffers)


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
    return f"{name}: {message}" if message else name


def _encode_by_value(value: Any, keep: Kept | None) -> bytes:
    from poolifier.wire import by_value

    if keep is not None:
        keep.buffers.clear()
    return by_value.dumps(value, _by_value_modules, keep)
