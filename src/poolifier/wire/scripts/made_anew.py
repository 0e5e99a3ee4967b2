"""Objects of the standard library that have no way to be pickled, and that a script which is imported makes anew.

Their modules may not be loaded, so that their types go by their names.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from poolifier.wire.scripts import rebuild

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["reducer"]


def reducer(kind: type) -> Callable[[Any], Any] | None:
    """How an object of that type is made anew, if it can be."""
    return _REDUCERS.get((kind.__module__, kind.__qualname__))


def _struct(obj: Any) -> Any:
    return rebuild.made_by, ("struct", "Struct", (obj.format,))


def _system_random(_: Any) -> Any:
    return rebuild.made_by, ("random", "SystemRandom", ())


def _simple_queue(obj: Any) -> Any:
    return (rebuild.made_by, ("queue", "SimpleQueue", ())) if obj.empty() else NotImplemented


def _thread_pool(obj: Any) -> Any:
    # Its threads stay here, as do the calls that it has been given.
    initializer = getattr(obj, "_initializer", None)
    arguments: tuple[Any, ...] = (obj._max_workers, obj._thread_name_prefix)
    if initializer is not None:
        arguments = (*arguments, initializer, obj._initargs)
    return rebuild.made_by, ("concurrent.futures", "ThreadPoolExecutor", arguments)


def _count(obj: Any) -> Any:
    # Since Python 3.14 it tells where it has got to in its `repr` alone.
    text = repr(obj).removeprefix("count")
    try:
        arguments = ast.literal_eval(text if "," in text else f"{text[:-1]},)")
    except (ValueError, SyntaxError):
        return NotImplemented
    return rebuild.made_by, ("itertools", "count", arguments)


_REDUCERS: Final[dict[tuple[str, str], Callable[[Any], Any]]] = {
    ("_struct", "Struct"): _struct,
    ("random", "SystemRandom"): _system_random,
    ("_queue", "SimpleQueue"): _simple_queue,
    ("concurrent.futures.thread", "ThreadPoolExecutor"): _thread_pool,
    ("itertools", "count"): _count,
}
