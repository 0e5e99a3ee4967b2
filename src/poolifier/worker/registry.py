"""The task functions of a running worker, with what is worked out once about each."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

from poolifier.errors import UnknownTaskFunctionError
from poolifier.exchange import KEY_MARK
from poolifier.function_kinds import function_kind
from poolifier.task_functions import DEFAULT_TASK_NAME, TaskFunctionProperties, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["NEVER_RUN", "Entry", "Registry"]

NEVER_RUN: Final = 1e9
"""`Entry.mean` of a function that has not run: it may take any time, so it counts as slow."""


class Entry:
    """A task function.

    Attributes:
        name: Its own name, also where it was called as `"default"`.
        kind: As in `TaskFunctionProperties`.
        function: The function.
        bare: It can be called without an argument.
        mean: Its recent mean run time in seconds.
    """

    __slots__ = ("bare", "function", "kind", "mean", "name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name: str = name
        self.kind: str = function_kind(function)
        self.function: Callable[..., Any] = function
        self.bare: bool = _can_be_bare(function)
        self.mean: float = NEVER_RUN


class Registry:
    """The task functions by key; `"default"` is one of the keys.

    Attributes:
        entries: All of them.
        plain: Those that are plain functions; always the same dictionary.
        worker: What the user's module declares.
    """

    __slots__ = ("entries", "plain", "worker")

    def __init__(self, worker: Worker) -> None:
        self.worker: Worker = worker
        self.entries: dict[str, Entry] = {
            name: Entry(name, declared.function) for name, declared in worker.task_functions.items()
        }
        if worker.default_task_function is not None:
            self.entries[DEFAULT_TASK_NAME] = self.entries[worker.default_task_function]
        self.plain: dict[str, Entry] = {key: entry for key, entry in self.entries.items() if entry.kind == "plain"}

    @property
    def has_async(self) -> bool:
        """Whether any function needs an event loop."""
        return any(entry.kind in ("async", "async_generator") for entry in self.entries.values())

    def add(self, key: str, function: Callable[..., Any]) -> None:
        """Adds a function under a key that is new."""
        entry = self.entries[key] = Entry(key.partition(KEY_MARK)[0], function)
        if entry.kind == "plain":
            self.plain[key] = entry

    def remove(self, key: str) -> None:
        """Forgets a function, if it is here."""
        self.entries.pop(key, None)
        self.plain.pop(key, None)

    def properties(self) -> tuple[TaskFunctionProperties, ...]:
        """What the pool is told of them, the default first."""
        return tuple(self.worker.list_task_functions_properties())

    def unknown(self, name: str) -> UnknownTaskFunctionError:
        """The error for a key that is not here."""
        known = dict.fromkeys(entry.name for entry in list(self.entries.values()))
        return UnknownTaskFunctionError(name.partition(KEY_MARK)[0], known)


def _can_be_bare(function: Callable[..., Any]) -> bool:
    if type(function) is FunctionType and not function.__dict__:
        code = function.__code__
        required = code.co_argcount - len(function.__defaults__ or ())
        return required <= 0 and code.co_kwonlyargcount == len(function.__kwdefaults__ or ())
    # Only where it is needed, for it takes longer to import than all that a worker needs.
    import inspect

    try:
        signature = inspect.signature(function)
        signature.bind()
    except TypeError:
        return False
    except ValueError:
        # Some built-in functions do not say. Called without data, to pass no data is the better guess.
        return True
    return True
