"""The kinds of task functions: how each is run, by which method it is to be called, and what can be none.

Imported by every worker process, so it imports nothing heavy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["function_kind", "needed_arguments", "wrong_use"]

_PLACEHOLDER: Final = getattr(functools, "Placeholder", object())
"""What `partial` keeps a place free by, since Python 3.14."""

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
    if isinstance(function, BuiltinFunctionType):
        return "generator" if _is_compiled_generator(function) else "plain"
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


def _is_compiled_generator(function: BuiltinFunctionType) -> bool:
    """Whether it is a generator that mypyc has compiled, which nothing says but the class of what it returns."""
    owner = function.__self__
    if isinstance(owner, ModuleType):
        module = owner.__name__ if getattr(owner, "__file__", None) else ""
    else:
        module = (owner if isinstance(owner, type) else type(owner)).__module__
    if module in ("", "builtins"):
        return False
    name = "_".join(reversed(function.__qualname__.split("."))) + "_gen"
    return any(
        each.__name__ == name and each.__module__ == module and hasattr(each, "send") and not hasattr(each, "__await__")
        for each in object.__subclasses__()
    )


def needed_arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of what a function cannot be called without; none where that is not certain.

    Goes by code alone. What a decorator left of the signature of the function that it wraps says nothing of itself.
    """
    given: list[Any] = []
    named = set[str]()
    while isinstance(function, functools.partial):
        given = _filled(function.args, given)
        named |= function.keywords.keys()
        function = function.func
    if type(function) is not FunctionType:
        # Of a bound method, or of an object that can be called.
        function = function.__func__ if isinstance(function, MethodType) else type(function).__call__
        given = [None, *given]
    if type(function) is not FunctionType:
        return ()
    code, names = function.__code__, function.__code__.co_varnames
    by_place = names[: code.co_argcount]
    without_default = len(by_place) - len(function.__defaults__ or ())
    # One that is kept free has to be given by its place, whether it has a default or is given by name as well.
    free = [name for name, value in zip(by_place, given, strict=False) if value is _PLACEHOLDER]
    by_place = by_place[len(given) : without_default]
    by_name = names[code.co_argcount :][: code.co_kwonlyargcount]
    optional = named | (function.__kwdefaults__ or {}).keys()
    needed = [*free, *(name for name in by_place if name not in named)]
    return (*needed, *(f"{name}=" for name in by_name if name not in optional))


def _filled(own: tuple[Any, ...], given: list[Any]) -> list[Any]:
    """The arguments of a `partial` that is called with others, which go where it has kept places free."""
    others = iter(given)
    filled = [next(others, _PLACEHOLDER) if value is _PLACEHOLDER else value for value in own]
    return [*filled, *others]


def wrong_use(name: str, kind: str, *, stream: bool) -> TypeError | None:
    """Why a function of that kind cannot be called by `stream`, or not by it; None where it can."""
    if stream == (kind in ("generator", "async_generator")):
        return None
    if stream:
        return TypeError(f"task function {name!r} is not a generator; use pool.execute for it, not stream")
    return TypeError(f"task function {name!r} is a generator; use pool.stream for it, not execute")
