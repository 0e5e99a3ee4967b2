"""What a user's worker module declares: task functions, and the `Worker` that holds them.

Imported by every worker process, so it imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from poolifier.errors import UnknownTaskFunctionError
from poolifier.function_kinds import function_kind, needed_arguments
from poolifier.records import Record
from poolifier.signatures import DataT, ResponseT, Typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias, TypedDict, TypeVar, Unpack, overload

    from poolifier.signatures import AsyncOrGenerator

    AnyFunction: TypeAlias = Callable[..., Any]
    FunctionT = TypeVar("FunctionT", bound=AnyFunction)

    class TaskFunctionKeywords(TypedDict, total=False):
        """The options of a `TaskFunction`."""

        priority: int
        strategy: str | None
        worker_nodes: Iterable[int] | None
        timeout: float | None

    class WorkerKeywords(TypedDict, total=False):
        """The options of a `Worker`."""

        max_inactive_time: float
        kill_behavior: KillBehavior | str
        kill_handler: Callable[[], object] | None


__all__ = [
    "DEFAULT_TASK_NAME",
    "KillBehavior",
    "TaskFunction",
    "TaskFunctionProperties",
    "Worker",
]

DEFAULT_TASK_NAME: Final = "default"
"""The reserved name that always means the default task function."""

LOWEST_NICE: Final = -20
HIGHEST_NICE: Final = 19


class KillBehavior(StrEnum):
    """When a dynamic worker that has been idle for `max_inactive_time` may be retired."""

    SOFT = "soft"
    """Only when nothing runs or waits on it."""
    HARD = "hard"
    """Also while a task runs on it; that task is aborted."""


class TaskFunction(Record, Typed[DataT, ResponseT]):
    """A task function and how its tasks are to be scheduled.

    Attributes:
        function: Takes one argument, or none. A plain function, an `async def`, a generator or an
            async generator function.
        priority: Unix nice level of its tasks, -20 (first) to 19 (last).
        strategy: A worker choice strategy for its tasks alone, or None for the pool's.
        worker_nodes: The worker slots its tasks may run on, or None for all.
        timeout: Seconds that its tasks may run unless the call says otherwise, or None for the pool's.

    Raises:
        TypeError: `function` is not callable or needs more than one argument, or another argument has
            the wrong type.
        ValueError: `priority` or `worker_nodes` is out of range.
    """

    function: AnyFunction
    priority: int = 0
    strategy: str | None = None
    worker_nodes: tuple[int, ...] | None = None
    timeout: float | None = None

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, function: AsyncOrGenerator[DataT, ResponseT], **options: Unpack[TaskFunctionKeywords]
        ) -> None: ...
        @overload
        def __init__(self, function: Callable[[DataT], ResponseT], **options: Unpack[TaskFunctionKeywords]) -> None: ...
        @overload
        def __init__(self, function: Callable[[], ResponseT], **options: Unpack[TaskFunctionKeywords]) -> None: ...

    def __init__(
        self,
        function: AnyFunction,
        *,
        priority: int = 0,
        strategy: str | None = None,
        worker_nodes: Iterable[int] | None = None,
        timeout: float | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, not {function!r}")
        needed = needed_arguments(function)
        if len(needed) > 1 or (needed and needed[0].endswith("=")):
            raise TypeError(
                f"function must take one argument, which is all that a task function gets, "
                f"not {function_name(function)}({', '.join(needed)}); put several values into a tuple"
            )
        super().__init__(
            function,
            check_priority(priority),
            _check_strategy_name(strategy),
            _check_slots(worker_nodes),
            check_timeout(timeout),
        )


class TaskFunctionProperties(Record):
    """What the pool knows of a task function that its workers hold.

    Attributes:
        name: The name that `execute` takes.
        priority: The nice level of its tasks unless the call says otherwise.
        strategy: Its own worker choice strategy, or None.
        worker_nodes: The slots it may run on, or None for all.
        timeout: Seconds that its tasks may run, or None.
        kind: `"plain"`, `"async"`, `"generator"` or `"async_generator"`.
    """

    name: str
    priority: int = 0
    strategy: str | None = None
    worker_nodes: tuple[int, ...] | None = None
    timeout: float | None = None
    kind: str = "plain"


class Worker(Typed[DataT, ResponseT]):
    """The task functions of a worker, and when an idle worker may leave.

    Args:
        task_functions: A callable, a `TaskFunction`, or a mapping of names to either. The first is
            the default. May be left out and filled with `@worker.task`.
        max_inactive_time: Seconds without work after which a dynamic worker retires.
        kill_behavior: Whether it may be retired while a task runs (`HARD`) or not (`SOFT`).
        kill_handler: Called in the worker just before it leaves in good order.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A name is empty or reserved, or a number is out of range.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, task_functions: AsyncOrGenerator[DataT, ResponseT], **options: Unpack[WorkerKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self,
            task_functions: Callable[[DataT], ResponseT] | TaskFunction[DataT, ResponseT],
            **options: Unpack[WorkerKeywords],
        ) -> None: ...
        @overload
        def __init__(
            self,
            task_functions: Callable[[], ResponseT] | Mapping[str, AnyFunction | TaskFunction] | None = None,
            **options: Unpack[WorkerKeywords],
        ) -> None: ...

    def __init__(
        self,
        task_functions: AnyFunction | TaskFunction | Mapping[str, AnyFunction | TaskFunction] | None = None,
        *,
        max_inactive_time: float = 60.0,
        kill_behavior: KillBehavior | str = KillBehavior.SOFT,
        kill_handler: Callable[[], object] | None = None,
    ) -> None:
        if isinstance(max_inactive_time, bool) or not isinstance(max_inactive_time, int | float):
            raise TypeError(f"max_inactive_time must be a number of seconds, not {max_inactive_time!r}")
        if not max_inactive_time > 0:
            raise ValueError(f"max_inactive_time must be above 0 seconds, not {max_inactive_time!r}")
        if kill_behavior not in KillBehavior._value2member_map_:
            raise ValueError(f"kill_behavior must be 'soft' or 'hard', not {kill_behavior!r}")
        if kill_handler is not None and not callable(kill_handler):
            raise TypeError(f"kill_handler must be callable or None, not {kill_handler!r}")
        self.max_inactive_time: float = float(max_inactive_time)
        self.kill_behavior: KillBehavior = KillBehavior(kill_behavior)
        self.kill_handler = kill_handler
        self._functions: dict[str, TaskFunction] = {}
        self._default: str | None = None
        if task_functions is not None:
            for name, function in _named(task_functions).items():
                self._add(name, function)

    if TYPE_CHECKING:

        @overload
        def task(self, function: FunctionT, /) -> FunctionT: ...
        @overload
        def task(
            self,
            *,
            name: str | None = None,
            priority: int = 0,
            strategy: str | None = None,
            worker_nodes: Iterable[int] | None = None,
            timeout: float | None = None,
        ) -> Callable[[FunctionT], FunctionT]: ...

    def task(
        self,
        function: FunctionT | None = None,
        *,
        name: str | None = None,
        priority: int = 0,
        strategy: str | None = None,
        worker_nodes: Iterable[int] | None = None,
        timeout: float | None = None,
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Registers the decorated function under its own name, or under `name`; returns it as it was."""

        def register(function: FunctionT) -> FunctionT:
            declared = TaskFunction(
                function, priority=priority, strategy=strategy, worker_nodes=worker_nodes, timeout=timeout
            )
            self._add(name if name is not None else function_name(function), declared)
            return function

        return register if function is None else register(function)

    def has_task_function(self, name: str) -> bool:
        """Whether `name` (or `"default"`) is a task function here."""
        return check_name(name) in self._functions or (name == DEFAULT_TASK_NAME and self._default is not None)

    def add_task_function(self, name: str, function: AnyFunction | TaskFunction) -> None:
        """Adds a task function, or replaces the one of that name.

        Raises:
            ValueError: The name is empty or the reserved `"default"`.
            TypeError: The name is not a string, or the function is not callable.
        """
        self._add(name, function)

    def remove_task_function(self, name: str) -> None:
        """Removes a task function.

        Raises:
            UnknownTaskFunctionError: There is none of that name.
            ValueError: It is the default one.
        """
        if check_name(name) == DEFAULT_TASK_NAME or name == self._default:
            raise ValueError(f"name {name!r} is the default task function, which cannot be removed")
        if name not in self._functions:
            raise UnknownTaskFunctionError(name, self._functions)
        del self._functions[name]

    def set_default_task_function(self, name: str) -> None:
        """Makes `name` the task function that runs when a call names none.

        Raises:
            UnknownTaskFunctionError: There is none of that name.
            ValueError: The name is empty or the reserved `"default"`.
        """
        if check_name(name) == DEFAULT_TASK_NAME:
            raise ValueError(f"name {name!r} is reserved; name the task function that is to be the default")
        if name not in self._functions:
            raise UnknownTaskFunctionError(name, self._functions)
        self._default = name

    def list_task_functions_properties(self) -> list[TaskFunctionProperties]:
        """The task functions, the default one first, the others in the order they were added."""
        names = sorted(self._functions, key=lambda name: name != self._default)
        return [properties_of(name, self._functions[name]) for name in names]

    @property
    def task_functions(self) -> Mapping[str, TaskFunction]:
        """The task functions by name (a copy)."""
        return dict(self._functions)

    @property
    def default_task_function(self) -> str | None:
        """The name of the default task function, or None while there is none."""
        return self._default

    def _add(self, name: str, function: AnyFunction | TaskFunction) -> None:
        check_name(name)
        if name == DEFAULT_TASK_NAME:
            raise ValueError(f"name {name!r} is reserved: it always means the default task function")
        self._functions[name] = function if isinstance(function, TaskFunction) else TaskFunction(function)
        if self._default is None:
            self._default = name


def properties_of(name: str, declared: TaskFunction) -> TaskFunctionProperties:
    """What the pool is told of a task function."""
    kind = function_kind(declared.function)
    return TaskFunctionProperties(
        name, declared.priority, declared.strategy, declared.worker_nodes, declared.timeout, kind
    )


def function_name(function: AnyFunction) -> str:
    """The name a function is registered under when none is given."""
    name = getattr(function, "__name__", None) or type(function).__name__
    return str(name)


def check_name(name: object) -> str:
    """Returns `name`, or raises where it cannot name a task function."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {name!r}")
    if not name.strip():
        raise ValueError(f"name must not be empty, got {name!r}")
    return name


def check_priority(priority: object) -> int:
    """Returns `priority`, or raises where it is no Unix nice level."""
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise TypeError(f"priority must be an integer from {LOWEST_NICE} to {HIGHEST_NICE}, not {priority!r}")
    if not LOWEST_NICE <= priority <= HIGHEST_NICE:
        raise ValueError(f"priority must be from {LOWEST_NICE} (first) to {HIGHEST_NICE} (last), not {priority}")
    return priority


def check_timeout(timeout: object) -> float | None:
    """Returns a task's time limit in seconds, or None for none."""
    if timeout is None:
        return None
    seconds = check_number("timeout", timeout, "a number of seconds above 0, or None")
    if not seconds > 0:
        raise ValueError(f"timeout must be above 0 seconds or None, not {timeout!r}")
    return seconds


def check_number(name: str, value: object, allowed: str = "a number") -> float:
    """Returns `value` as a float, or raises where it is no number; `allowed` is what the message says it must be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be {allowed}, not {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} must be {allowed}, not an integer that is too large for a float") from None
    if math.isnan(number):
        raise ValueError(f"{name} must be {allowed}, not {value!r}")
    return number


def _named(declared: object) -> dict[str, AnyFunction | TaskFunction]:
    if isinstance(declared, Mapping):
        if not declared:
            raise ValueError("task_functions must hold at least one task function, got an empty mapping")
        for name, function in declared.items():
            if not (callable(function) or isinstance(function, TaskFunction)):
                raise TypeError(f"task_functions[{name!r}] must be a callable or a TaskFunction, not {function!r}")
        return dict(declared)
    if isinstance(declared, TaskFunction):
        return {_declared_name(declared.function): declared}
    if callable(declared):
        return {_declared_name(declared): declared}
    raise TypeError(f"task_functions must be a callable or a mapping of names to callables, not {declared!r}")


def _declared_name(function: AnyFunction) -> str:
    name = function_name(function)
    # A function that happens to be called "default" is still welcome as the only one.
    return name if name != DEFAULT_TASK_NAME else f"{name}_"


def _check_strategy_name(strategy: object) -> str | None:
    if strategy is None:
        return None
    # Only where it is needed: what there is to choose from is no business of workers.
    from poolifier.worker_choice import check_strategy_name

    return check_strategy_name(strategy)


def _check_slots(slots: object) -> tuple[int, ...] | None:
    if slots is None:
        return None
    if isinstance(slots, str | bytes) or not isinstance(slots, Iterable):
        raise TypeError(f"worker_nodes must be slot numbers or None, not {slots!r}")
    checked = tuple(slots)
    if not checked:
        raise ValueError("worker_nodes must name at least one slot, got none; leave it out for all")
    for slot in checked:
        if isinstance(slot, bool) or not isinstance(slot, int):
            raise TypeError(f"worker_nodes must be slot numbers, not {slot!r}")
        if slot < 0:
            raise ValueError(f"worker_nodes must be slots from 0 on, not {slot}")
    return tuple(sorted(set(checked)))
