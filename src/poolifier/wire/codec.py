"""How user data becomes bytes: C pickle where it will do, cloudpickle where it must travel by value.

Data of one task never shares a pickle with that of another: two tasks that are given the same
dictionary get two, and a pickle that cannot be read harms its own task alone. Immutable atoms need
no pickle of their own, so they ride in the message itself.
"""

from __future__ import annotations

import pickle

from poolifier.errors import SerializationError
from poolifier.exchange import KEY_MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

__all__ = [
    "ATOMS",
    "by_value_is_needed",
    "by_value_pickler",
    "carry_by_value",
    "decode",
    "describe",
    "encode",
    "encode_data",
    "encode_result",
    "is_flat",
]

ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes})
"""Types whose instances (exact, no subclasses) travel inline: they cannot be changed or misbehave."""

PROTOCOL: Final = 5

FLAT: Final = 8
"""Most members of a container that is looked through for atoms."""

# Names of modules whose functions and classes the other side cannot import, as they would show in a
# pickle that refers to them. Such a pickle is made anew by cloudpickle.
_by_value_marks: list[bytes] = [b"__main__"]
_by_value_modules: list[str] = []


def carry_by_value(module_name: str) -> None:
    """Makes functions and classes of a loaded module travel by value: the other side cannot import it.

    cloudpickle is only told once it is needed, for it takes a worker 40 ms to import.
    """
    if module_name not in _by_value_modules:
        _by_value_modules.append(module_name)
        _by_value_marks.append(module_name.encode())


def is_flat(value: Any) -> bool:
    """Whether a small list, tuple or dictionary (exact, no subclass) holds nothing but atoms.

    Such a value can ride in the message itself as well, once per message: a pickle of its own would
    cost more than all the rest of a tiny task.
    """
    kind = type(value)
    if kind is dict:
        if len(value) > FLAT:
            return False
        for key, member in value.items():  # noqa: SIM110 - a generator would cost as much as the pickle
            if type(key) not in ATOMS or type(member) not in ATOMS:
                return False
        return True
    if (kind is not list and kind is not tuple) or len(value) > FLAT:
        return False
    for member in value:  # noqa: SIM110
        if type(member) not in ATOMS:
            return False
    return True


def encode(value: Any) -> bytes:
    """Pickles anything, by value where the other side cannot import it.

    Raises:
        BaseException: Whatever a part of the value raised when it was pickled.
    """
    try:
        payload = pickle.dumps(value, PROTOCOL)
    except Exception:  # noqa: BLE001 - cloudpickle may know how; if not, it says why
        return _encode_by_value(value)
    return _encode_by_value(value) if by_value_is_needed(payload) else payload


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


def decode(payload: bytes) -> Any:
    """Undoes `encode`.

    Raises:
        BaseException: Whatever reading the pickle raised.
    """
    # A pickle of cloudpickle's refers to its module by name.
    if b"cloudpickle" in payload:
        from poolifier.wire import by_value

        return by_value.loads(payload)
    return pickle.loads(payload)


def encode_data(name: str, data: Any) -> bytes:
    """Pickles a task's data, given the key of its task function.

    Raises:
        SerializationError: It cannot be pickled; names the task function, what and why.
    """
    try:
        return encode(data)
    except BaseException as error:
        raise SerializationError(
            f"the data of task function {name.partition(KEY_MARK)[0]!r} ({type(data).__name__}) cannot be pickled: "
            f"{describe(error)}"
        ) from error


def encode_result(name: str, result: Any, what: str = "the result") -> bytes:
    """Pickles a task's result, or an item of its stream; `what` is which, for the error.

    Raises:
        SerializationError: It cannot be pickled; names the task function, what and why.
    """
    try:
        return encode(result)
    except Exception as error:
        raise SerializationError(
            f"{what} of task function {name!r} ({type(result).__name__}) cannot be pickled: {describe(error)}"
        ) from error


def describe(error: BaseException) -> str:
    """`Type: message`, also where the error's own `__str__` fails."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - a __str__ may raise anything
        message = "(its str() failed)"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _encode_by_value(value: Any) -> bytes:
    from poolifier.wire import by_value

    return by_value.dumps(value, _by_value_modules)
