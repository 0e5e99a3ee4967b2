"""Task functions that take what has travelled and give what is to travel.

A worker thread passes data and results by reference. In an actor its functions are wrapped: what comes in
is opened, what comes out is made ready, and errors are encoded, each as a part of the task, so that an
abort interrupts it and a failure is the task's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Self

from poolifier.backends.ray.parcels import Carried, Parcel, carry, is_light
from poolifier.errors import SerializationError
from poolifier.wire import codec
from poolifier.wire.remote_errors import encode_error
from poolifier.worker.registry import Entry

__all__ = ["EncodedError", "Outcome", "wrap"]


_END: Final = object()


class EncodedError(BaseException):
    """An error of a task, encoded where it was raised.

    Attributes:
        payload: See `remote_errors`.
    """

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


class Outcome:
    """A result or an item that is ready to travel.

    Attributes:
        carried: How it is carried; its references begin at 0.
        refs: Its references.
    """

    __slots__ = ("carried", "refs")

    def __init__(self, carried: Carried, refs: list[Any]) -> None:
        self.carried: Carried = carried
        self.refs: list[Any] = refs

    def within(self, refs: list[Any]) -> Carried:
        """As a part of a batch with these references, to which its own are added."""
        status, payload, _, count = self.carried
        first = len(refs)
        refs.extend(self.refs)
        return (status, payload, first, count)


def wrap(entry: Entry) -> None:
    """Wraps a task function."""
    entry.function = _WRAPPERS[entry.kind](entry.name, entry.function)


def _opened(name: str, given: Any) -> Any:
    if type(given) is not Parcel:
        return given
    try:
        return given.open()
    except SerializationError:
        raise
    except Exception as error:
        if given.error is not None:
            raise
        raise SerializationError(
            f"the data of task function {name!r} cannot be unpickled in the worker: {codec.describe(error)}"
        ) from error


def _ready(name: str, value: Any, what: str) -> Any:
    kind = type(value)
    if is_light(value):
        # It travels later, and the task's code may keep it and change it.
        return value.copy() if kind is list or kind is dict else value
    refs: list[Any] = []
    return Outcome(carry(value, refs, f"{what} of task function {name!r}"), refs)


def _plain(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any) -> Any:
        try:
            return _ready(name, function(*(_opened(name, data) for data in given)), "the result")
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            payload = encode_error(error)
        raise EncodedError(payload)

    return run


def _async(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    async def run(*given: Any) -> Any:
        try:
            return _ready(name, await function(*(_opened(name, data) for data in given)), "the result")
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            payload = encode_error(error)
        raise EncodedError(payload)

    return run


def _generator(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any) -> _Items:
        return _Items(name, _begun(name, function, given))

    return run


def _async_generator(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any) -> _AsyncItems:
        return _AsyncItems(name, _begun(name, function, given))

    return run


def _begun(name: str, function: Callable[..., Any], given: Sequence[Any]) -> Any:
    """The generator of a task function."""
    try:
        return function(*(_opened(name, data) for data in given))
    except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
        payload = encode_error(error)
    raise EncodedError(payload)


class _Items:
    """What a generator yields, ready to travel.

    It has the attributes by which a generator tells where it is suspended. A generator around another one would not
    tell that of the inner one, which is the task's.
    """

    __slots__ = ("_generator", "_name")

    def __init__(self, name: str, generator: Any) -> None:
        self._name = name
        self._generator = generator

    @property
    def gi_frame(self) -> Any:
        return self._generator.gi_frame

    @property
    def gi_yieldfrom(self) -> Any:
        return self._generator.gi_yieldfrom

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            value = next(self._generator, _END)
            if value is not _END:
                return _ready(self._name, value, "an item")
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            payload = encode_error(error)
        else:
            raise StopIteration
        raise EncodedError(payload)

    def close(self) -> None:
        try:
            self._generator.close()
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            payload = encode_error(error)
        else:
            return
        raise EncodedError(payload)


class _AsyncItems:
    """The same of an asynchronous generator."""

    __slots__ = ("_generator", "_name")

    def __init__(self, name: str, generator: Any) -> None:
        self._name = name
        self._generator = generator

    @property
    def ag_frame(self) -> Any:
        return self._generator.ag_frame

    @property
    def ag_await(self) -> Any:
        return self._generator.ag_await

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return _ready(self._name, await anext(self._generator), "an item")
        except StopAsyncIteration:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            payload = encode_error(error)
        raise EncodedError(payload)

    async def aclose(self) -> None:
        try:
            await self._generator.aclose()
        except BaseException as error:  # noqa: BLE001 - whatever it raises, it is the task's own
            payload = encode_error(error)
        else:
            return
        raise EncodedError(payload)


_WRAPPERS: Final = {"plain": _plain, "async": _async, "generator": _generator, "async_generator": _async_generator}
