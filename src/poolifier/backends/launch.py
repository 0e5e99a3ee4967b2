"""What workers that share no objects with the pool are given to start from, and where they find modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from weakref import finalize

from poolifier.backends.inheritance import Inheritance
from poolifier.errors import SerializationError
from poolifier.exchange import Program, WorkerSettings
from poolifier.wire import codec
from poolifier.wire.scripts.active import active
from poolifier.wire.scripts.definitions import Definitions
from poolifier.wire.scripts.encoding import dumps_lasting
from poolifier.worker.source import WorkerSource

_WHAT = "the worker or its initializer"

_number = count(1).__next__

__all__ = ["CarriedFunction", "Launch", "program", "program_arguments", "search_path"]


def program() -> Program:
    """What workers are told of this process."""
    # A program may never have used it, so it is not imported before a pool starts.
    from multiprocessing import get_start_method
    from multiprocessing.process import current_process

    process = current_process()
    return Program(os.getpid(), process.name, bytes(process.authkey), get_start_method(allow_none=True))


class CarriedFunction:
    """A task function that is added at run time, as it travels."""

    def __init__(self, definitions: Definitions, name: str, function: Callable[..., Any]) -> None:
        self._definitions = definitions
        self._what = f"task function {name!r}"
        self._function = function
        self._payload = b""
        self._renewed = -1
        self._number = _number()
        # With it goes what its closure refers to.
        finalize(self, definitions.release, self._number).atexit = False

    def payload(self) -> bytes:
        """The pickle. Another one once a name of its script means something else: the function stays what it was.

        Raises:
            SerializationError: It cannot be pickled; says why.
        """
        definitions = self._definitions
        if self._renewed != definitions.renewed:
            definitions.owner = self._number
            try:
                self._payload = _pickled(definitions, self._function, self._what)
            finally:
                definitions.owner = 0
            self._renewed = definitions.renewed
        return self._payload


class Launch:
    """What the workers of a pool start from.

    Args:
        source: Where the task functions come from.
        initializer: Called in each worker before it is ready.
        initargs: What it is called with.
        inheritance: What is given to workers beside that; None where nothing can be.
        everywhere: Workers may run where the program's files are not.

    Attributes:
        definitions: What the program's scripts define, as far as workers need it.
    """

    def __init__(
        self,
        source: WorkerSource,
        initializer: Callable[..., object] | None,
        initargs: Sequence[Any],
        inheritance: Inheritance | None = None,
        *,
        everywhere: bool = False,
    ) -> None:
        self.definitions: Definitions = Definitions(everywhere=everywhere)
        self._inheritance = inheritance
        self._given = (source, initializer, tuple(initargs))
        self._payload = b""
        self._renewed = -1

    def payload(self) -> bytes:
        """The pickle. Another one once a name of its script means something else: the functions stay what they were.

        Raises:
            SerializationError: It cannot be pickled; says why.
        """
        if self._renewed != self.definitions.renewed:
            self._payload = _pickled(self.definitions, self._given, _WHAT, self._inheritance)
            self._renewed = self.definitions.renewed
        return self._payload

    def for_server(self) -> bytes:
        """What the fork server loads for all workers. It cannot have what is given to each of them.

        Raises:
            SerializationError: It cannot be pickled; says why.
        """
        if self._inheritance is None or not self._inheritance.needed:
            return self.payload()
        return _pickled(self.definitions, (self._given[0], None, ()), _WHAT, Inheritance())

    @property
    def has_scripts(self) -> bool:
        """Whether workers need anything of the program's scripts."""
        return self.definitions.last > 1

    def carry(self, name: str, function: Callable[..., Any]) -> CarriedFunction:
        """A task function that is added at run time, ready to travel.

        Raises:
            SerializationError: It cannot be pickled; says why.
        """
        self.definitions.look()
        carried = CarriedFunction(self.definitions, name, function)
        carried.payload()
        return carried

    def begin(self, settings: WorkerSettings) -> tuple[bytes, WorkerSettings]:
        """What a worker is told first, in which the names of scripts mean what they mean now."""
        self.definitions.look()
        functions = tuple((key, carried.payload()) for key, carried in settings.functions)
        settings = WorkerSettings(
            settings.concurrency, functions, settings.log_levels, settings.log_disabled, program()
        )
        payload = self.payload()
        self.definitions.offer_all()
        return payload, settings


def _pickled(definitions: Definitions, value: Any, what: str, inheritance: Inheritance | None = None) -> bytes:
    before, active.definitions = active.definitions, definitions
    try:
        if inheritance is None or "multiprocessing" not in sys.modules:
            return dumps_lasting(value)
        with inheritance.pickling() as reducers, definitions.reducing(reducers):
            return dumps_lasting(value, reducers)
    except SerializationError as error:
        raise SerializationError(f"{what} cannot be pickled: {error}") from error
    except Exception as error:
        raise SerializationError(f"{what} cannot be pickled: {codec.describe(error)}") from error
    finally:
        active.definitions = before


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
