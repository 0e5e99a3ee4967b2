"""What workers that share no objects with the pool are given to start from, and where they find modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from poolifier.errors import SerializationError
from poolifier.exchange import Program
from poolifier.wire import codec
from poolifier.worker.source import WorkerSource

__all__ = ["pickle_function", "pickle_launch", "program", "program_arguments", "search_path"]


def program() -> Program:
    """What workers are told of this process."""
    # A program may never have used it, so it is not imported before a pool starts.
    from multiprocessing import get_start_method
    from multiprocessing.process import current_process

    process = current_process()
    return Program(os.getpid(), process.name, bytes(process.authkey), get_start_method(allow_none=True))


def pickle_launch(
    source: WorkerSource,
    initializer: Callable[..., object] | None,
    initargs: Sequence[Any],
    dumps: Callable[[Any], bytes] = codec.encode,
) -> bytes:
    """Pickles what a worker starts from, by `dumps`.

    Raises:
        SerializationError: It cannot be pickled; says why.
    """
    try:
        return dumps((source, initializer, tuple(initargs)))
    except Exception as error:
        raise SerializationError(f"the worker or its initializer cannot be pickled: {codec.describe(error)}") from error


def pickle_function(name: str, function: Callable[..., Any]) -> bytes:
    """Pickles a task function that is added at run time.

    Raises:
        SerializationError: It cannot be pickled; says why.
    """
    try:
        return codec.encode(function)
    except Exception as error:
        raise SerializationError(f"task function {name!r} cannot be pickled: {codec.describe(error)}") from error


def search_path() -> list[str]:
    """This interpreter's `sys.path`, as it would mean the same elsewhere, and where this package is."""
    # Imports pass over what is no str, such as a Path. Subclasses of str would not travel as what they are.
    path = [str.__str__(entry) or _cwd() for entry in sys.path if isinstance(entry, str)]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    return path if root in path else [*path, root]


def program_arguments() -> list[str]:
    """This program's `sys.argv`, which it may have filled with anything, as plain strings.

    In a program that embeds Python there may be none: then it is what Python has where nothing is known.
    """
    given = getattr(sys, "argv", None)
    if not isinstance(given, list | tuple):
        return [""]
    return [_as_text(argument) for argument in given]


def _as_text(argument: object) -> str:
    if isinstance(argument, str):
        return str.__str__(argument)
    try:
        return os.fsdecode(argument)  # type: ignore[arg-type]  # a path or bytes, or else a TypeError
    except Exception:  # noqa: BLE001 - a path's own code may raise anything
        pass
    try:
        return str.__str__(str(argument))
    except Exception:  # noqa: BLE001 - likewise
        return object.__repr__(argument)


def _cwd() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""
