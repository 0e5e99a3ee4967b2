"""The kinds of task functions: how each is run, and by which method it is to be called.

Imported by every worker process, so it imports nothing heavy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["function_kind", "wrong_use"]

_GENERATOR: Final = 0x20
_COROUTINE: Final = 0x80
_ASYNC_GENERATOR: Final = 0x200
"""The flags of code objects; `inspect` has them by name."""


def function_kind(function: Callable[..., Any]) -> str:
    """How a task function is run: `"plain"`, `"async"`, `"generator"` or `"async_generator"`."""
    while isinstance(function, functools.partial):
        function = function.func
    # A mark that makes a plain function count as asynchronous would stand among its attributes.
    if type(function) is FunctionType and not function.__dict__:
        flags = function.__code__.co_flags
        if flags & _ASYNC_GENERATOR:
            return "async_generator"
        if flags & _COROUTINE:
            return "async"
        return "generator" if flags & _GENERATOR else "plain"
    if type(function) is BuiltinFunctionType:
        return "plain"
    # Only where it is needed, for it takes longer to import than all that a worker needs.
    import inspect

    call = function if inspect.isroutine(function) or inspect.isclass(function) else type(function).__call__
    for kind, matches in (
        ("async_generator", inspect.isasyncgenfunction),
        ("async", inspect.iscoroutinefunction),
        ("generator", inspect.isgeneratorfunction),
    ):
        if matches(function) or matches(call):
            return kind
    return "plain"


def wrong_use(name: str, kind: str, *, stream: bool) -> TypeError | None:
    """Why a function of that kind cannot be called by `stream`, or not by it; None where it can."""
    if stream == (kind in ("generator", "async_generator")):
        return None
    if stream:
        return TypeError(f"task function {name!r} is not a generator; use pool.execute for it, not stream")
    return TypeError(f"task function {name!r} is a generator; use pool.stream for it, not execute")
