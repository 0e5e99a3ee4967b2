"""The task functions behind executors: they call whatever function they are given.

Imported by every worker of an executor, so it imports nothing heavy. What travels takes one of these
forms, made by `poolifier.futures.packing`; `head` is the function, pickled, or empty where the function is the
first of the arguments:

- `(head, *arguments)`: a few atoms, which ride in the message itself.
- `[head, pickle of (arguments, keywords)]`
- `[head, arguments, keywords]`: with buffers that have a way of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from poolifier.errors import SerializationError
from poolifier.wire import codec
from poolifier.wire.scripts import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["call", "call_here", "each", "initialize_thread"]

_MOST_KNOWN: Final = 256
"""Functions that a worker remembers: enough for any program's own, not for one that makes them as it goes."""

_known: dict[bytes, Callable[..., Any]] = {}

# A name of a script that a function went by may mean another one.
namespaces.on_change.append(_known.clear)

# What the initializer of a worker thread has set, which its tasks are to find.
_set = threading.local()


def call(data: Any) -> Any:
    """Calls a function that comes as a pickle."""
    head = data[0]
    if type(data) is tuple:
        return (_known.get(head) or _load(head))(*data[1:])
    arguments, keywords = data[1:] if len(data) > 2 else _read(data[1])
    if head:
        return (_known.get(head) or _load(head))(*arguments, **keywords)
    return arguments[0](*arguments[1:], **keywords)


def call_here(data: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> Any:
    """Calls a function of this process."""
    for variable, value in getattr(_set, "variables", ()):
        variable.set(value)
    function, arguments, keywords = data
    return function(*arguments, **keywords)


def each(function: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Calls a function with each of some tuples of arguments."""
    return [function(*arguments) for arguments in items]


def initialize_thread(initializer: Callable[..., object], *initargs: Any) -> None:
    """Runs the initializer of a worker thread. What it sets in its context is set for the tasks as well.

    They run in contexts of their callers, which know nothing of it.
    """
    from contextvars import copy_context

    before = copy_context()
    initializer(*initargs)
    _set.variables = [
        (variable, value)
        for variable, value in copy_context().items()
        if variable not in before or before[variable] is not value
    ]


def _load(head: bytes) -> Callable[..., Any]:
    function: Callable[..., Any] = _read(head)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[head] = function
    return function


def _read(payload: bytes) -> Any:
    try:
        return codec.decode(payload)
    except BaseException as error:
        raise SerializationError(
            f"the function or its arguments cannot be unpickled in the worker: {codec.describe(error)}"
        ) from error
