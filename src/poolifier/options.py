"""Every option of a pool: its default, its meaning, its check. The only place with defaults.

All durations are seconds, all sizes bytes.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from os import PathLike
from typing import Any, Final, Literal, TypeAlias, TypeVar

from poolifier.option_checks import (
    check_count,
    check_duration,
    check_flag,
    check_pool_name,
    checked_affinity,
    checked_env,
    checked_executable,
    checked_restart_limit,
    checked_weights,
    member,
)
from poolifier.suggestions import did_you_mean
from poolifier.task_functions import (
    HIGHEST_NICE,
    LOWEST_NICE,
    KillBehavior,
    TaskFunction,
    TaskFunctionProperties,
    Worker,
    check_number,
    check_timeout,
)
from poolifier.worker_choice import WorkerChoiceStrategy

__all__ = [
    "KillBehavior",
    "Measurement",
    "MeasurementOptions",
    "TasksQueueOptions",
    "WorkerChoiceStrategy",
    "WorkerChoiceStrategyOptions",
]

_numbers: Final[defaultdict[str, Iterator[int]]] = defaultdict(lambda: itertools.count(1))
"""What tells pools without a name apart, by their kind."""

StartMethod: TypeAlias = Literal["fork_server", "spawn"]


class Measurement(StrEnum):
    """What a strategy that measures takes as a task's time."""

    RUN_TIME = "run_time"
    WAIT_TIME = "wait_time"
    ELU = "elu"


@dataclass(frozen=True, slots=True)
class MeasurementOptions:
    """How a measured time is summed up.

    Attributes:
        median: Use the median of the times instead of their mean.
    """

    median: bool = False

    def __post_init__(self) -> None:
        check_flag("median", self.median)


@dataclass(frozen=True, slots=True)
class WorkerChoiceStrategyOptions:
    """Options of the worker choice strategies.

    Attributes:
        measurement: What counts as a task's time for `FAIR_SHARE`: `"run_time"` (run and wait
            time), `"wait_time"` or `"elu"`. None leaves the strategy its own choice.
        run_time: How run times are summed up.
        wait_time: How wait times are summed up.
        elu: How active times are summed up.
        weights: Milliseconds of run time that each slot takes per turn, for the weighted
            strategies: one for every slot. None derives them from the CPU.
    """

    measurement: Measurement | None = None
    run_time: MeasurementOptions = field(default_factory=MeasurementOptions)
    wait_time: MeasurementOptions = field(default_factory=MeasurementOptions)
    elu: MeasurementOptions = field(default_factory=MeasurementOptions)
    weights: Mapping[int, float] | None = None

    def __post_init__(self) -> None:
        if self.measurement is not None:
            object.__setattr__(self, "measurement", member("measurement", Measurement, self.measurement))
        for name in ("run_time", "wait_time", "elu"):
            given = getattr(self, name)
            if isinstance(given, Mapping):
                given = _from_mapping(f"worker_choice_strategy_options.{name}", MeasurementOptions, given)
                object.__setattr__(self, name, given)
            if not isinstance(given, MeasurementOptions):
                raise TypeError(f"{name} must be MeasurementOptions, not {given!r}")
        if self.weights is not None:
            object.__setattr__(self, "weights", checked_weights(self.weights))

    def check_slots(self, max_size: int) -> None:
        """Raises `ValueError` where the weights do not match the slots `0 .. max_size - 1`."""
        if self.weights is not None and set(self.weights) != set(range(max_size)):
            raise ValueError(
                f"weights must have one entry for each slot 0 to {max_size - 1}, got slots {sorted(self.weights)}"
            )


@dataclass(frozen=True, slots=True)
class TasksQueueOptions:
    """Options of the workers' task queues.

    Attributes:
        size: Tasks that a worker's queue holds before it is back-pressured. None: the pool's
            maximum size squared.
        concurrency: Tasks that run on a worker at once. More than 1 is for `async def`.
        task_stealing: A worker that runs dry takes tasks from the fullest queue.
        tasks_stealing_on_back_pressure: A full queue's tasks move to workers with room.
        tasks_stealing_ratio: Share of the workers that may steal at a time, 0 to 1.
        tasks_finished_timeout: Seconds that tasks are given to finish when the pool or a worker
            is told to leave.
        aging_factor: How fast a waiting task gains priority, in nice levels a second.
        load_exponent: How strongly a full queue quickens ageing.
    """

    size: int | None = None
    concurrency: int = 1
    task_stealing: bool = True
    tasks_stealing_on_back_pressure: bool = True
    tasks_stealing_ratio: float = 0.6
    tasks_finished_timeout: float = 2.0
    aging_factor: float = 1.0
    load_exponent: float = 2 / 3

    def __post_init__(self) -> None:
        if self.size is not None:
            check_count("size", self.size, 1)
        check_count("concurrency", self.concurrency, 1)
        check_flag("task_stealing", self.task_stealing)
        check_flag("tasks_stealing_on_back_pressure", self.tasks_stealing_on_back_pressure)
        ratio = check_number("tasks_stealing_ratio", self.tasks_stealing_ratio)
        if not 0 <= ratio <= 1:
            raise ValueError(f"tasks_stealing_ratio must be from 0 to 1, not {ratio!r}")
        check_duration("tasks_finished_timeout", self.tasks_finished_timeout)
        check_duration("aging_factor", self.aging_factor)
        check_duration("load_exponent", self.load_exponent)

    def resolved(self, max_size: int) -> TasksQueueOptions:
        """These options with `size` worked out for a pool of at most `max_size` workers."""
        return self if self.size is not None else replace(self, size=max_size**2)


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """Options that only process workers have.

    Attributes:
        env: Environment variables to set (or, where the value is None, to remove) in the workers.
        nice: Unix nice level of the worker processes, -20 to 19.
        cpu_affinity: CPUs that the workers may use: numbers for all of them, or one collection of
            numbers per slot.
        start_method: `"fork_server"` or `"spawn"`.
        preload: Load the worker module, the task functions' data and `initargs` once in the fork server, so that
            workers share their memory. Not with `"spawn"`, where nothing can be shared.
        executable: The Python that runs the workers, which needs the same packages. None: `sys.executable`, or what
            `multiprocessing.set_executable` was given.
    """

    env: Mapping[str, str | None] | None = None
    nice: int | None = None
    cpu_affinity: Iterable[int] | Iterable[Iterable[int]] | None = None
    start_method: StartMethod = "fork_server"
    preload: bool = False
    executable: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "env", checked_env(self.env))
        if self.nice is not None:
            if isinstance(self.nice, bool) or not isinstance(self.nice, int):
                raise TypeError(f"nice must be an integer or None, not {self.nice!r}")
            if not LOWEST_NICE <= self.nice <= HIGHEST_NICE:
                raise ValueError(f"nice must be from {LOWEST_NICE} to {HIGHEST_NICE}, not {self.nice}")
        object.__setattr__(self, "cpu_affinity", checked_affinity(self.cpu_affinity))
        if self.start_method not in ("fork_server", "spawn"):
            near = did_you_mean(self.start_method, ("fork_server", "spawn"))
            raise ValueError(f"start_method must be 'fork_server' or 'spawn', not {self.start_method!r}{near}")
        check_flag("preload", self.preload)
        object.__setattr__(self, "executable", checked_executable(self.executable))

    def cpus_of(self, slot: int) -> tuple[int, ...] | None:
        """The CPUs for the worker in `slot`, or None for all."""
        per_slot = checked_affinity(self.cpu_affinity)
        return None if per_slot is None else per_slot[slot % len(per_slot)]


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """The options of every kind of pool, checked. Section 1 of the reference says what each means."""

    min_size: int
    max_size: int
    dynamic: bool
    worker_choice_strategy: WorkerChoiceStrategy | type[Any]
    worker_choice_strategy_options: WorkerChoiceStrategyOptions
    enable_tasks_queue: bool
    tasks_queue_options: TasksQueueOptions
    start_workers: bool
    restart_worker_on_error: bool
    restart_limit: tuple[int, float] | None
    enable_events: bool
    online_handler: Callable[..., object] | None
    message_handler: Callable[..., object] | None
    error_handler: Callable[..., object] | None
    exit_handler: Callable[..., object] | None
    timeout: float | None
    abort_grace: float
    destroy_timeout: float
    max_queued: int | None
    max_tasks_per_worker: int | None
    max_memory_per_worker: int | None
    initializer: Callable[..., object] | None
    initargs: tuple[Any, ...]
    name: str
    exit_timeout: float | None

    def without_callables(self) -> PoolOptions:
        """The same, without what the user is called by, and so without anything that may refer to the pool."""
        return replace(
            self,
            online_handler=None,
            message_handler=None,
            error_handler=None,
            exit_handler=None,
            initializer=None,
            initargs=(),
        )

    @classmethod
    def checked(
        cls,
        *,
        sizes: tuple[int, int],
        dynamic: bool,
        worker_choice_strategy: WorkerChoiceStrategy | str | type[Any] = WorkerChoiceStrategy.LEAST_USED,
        worker_choice_strategy_options: WorkerChoiceStrategyOptions | Mapping[str, Any] | None = None,
        enable_tasks_queue: bool = True,
        tasks_queue_options: TasksQueueOptions | Mapping[str, Any] | None = None,
        start_workers: bool = True,
        restart_worker_on_error: bool = True,
        restart_limit: tuple[int, float] | None = (5, 10.0),
        enable_events: bool = True,
        online_handler: Callable[..., object] | None = None,
        message_handler: Callable[..., object] | None = None,
        error_handler: Callable[..., object] | None = None,
        exit_handler: Callable[..., object] | None = None,
        timeout: float | None = None,
        abort_grace: float = 1.0,
        destroy_timeout: float = 5.0,
        max_queued: int | None = None,
        max_tasks_per_worker: int | None = None,
        max_memory_per_worker: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        name: str | None = None,
        exit_timeout: float | None = None,
    ) -> PoolOptions:
        """Checks every argument, fills in the defaults and returns the options.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument has the right type and a wrong value.
        """
        min_size, max_size = sizes
        strategy_options = check_strategy_options(worker_choice_strategy_options, max_size)
        for option, flag in (
            ("enable_tasks_queue", enable_tasks_queue),
            ("start_workers", start_workers),
            ("restart_worker_on_error", restart_worker_on_error),
            ("enable_events", enable_events),
        ):
            check_flag(option, flag)
        for option, handler in (
            ("online_handler", online_handler),
            ("message_handler", message_handler),
            ("error_handler", error_handler),
            ("exit_handler", exit_handler),
            ("initializer", initializer),
        ):
            if handler is not None and not callable(handler):
                raise TypeError(f"{option} must be callable or None, not {handler!r}")
        for option, count in (
            ("max_queued", max_queued),
            ("max_tasks_per_worker", max_tasks_per_worker),
            ("max_memory_per_worker", max_memory_per_worker),
        ):
            if count is not None:
                check_count(option, count, 1)
        if name is not None:
            check_pool_name(name)
        if exit_timeout is not None:
            exit_timeout = check_duration("exit_timeout", exit_timeout)
        if isinstance(initargs, str | bytes) or not isinstance(initargs, Iterable):
            raise TypeError(f"initargs must be a tuple of arguments, not {initargs!r}")
        return cls(
            min_size=min_size,
            max_size=max_size,
            dynamic=dynamic,
            worker_choice_strategy=check_strategy(worker_choice_strategy),
            worker_choice_strategy_options=strategy_options,
            enable_tasks_queue=enable_tasks_queue,
            tasks_queue_options=check_tasks_queue_options(tasks_queue_options, max_size),
            start_workers=start_workers,
            restart_worker_on_error=restart_worker_on_error,
            restart_limit=checked_restart_limit(restart_limit),
            enable_events=enable_events,
            online_handler=online_handler,
            message_handler=message_handler,
            error_handler=error_handler,
            exit_handler=exit_handler,
            timeout=check_timeout(timeout),
            abort_grace=check_duration("abort_grace", abort_grace),
            destroy_timeout=check_duration("destroy_timeout", destroy_timeout),
            max_queued=max_queued,
            max_tasks_per_worker=max_tasks_per_worker,
            max_memory_per_worker=max_memory_per_worker,
            initializer=initializer,
            initargs=tuple(initargs),
            name=default_name("pool") if name is None else name,
            exit_timeout=exit_timeout,
        )


def default_name(kind: str) -> str:
    """The name of a pool that was given none: its kind and a number that no other of that kind has."""
    return f"{kind}-{next(_numbers[kind])}"


def check_sizes(min_size: object, max_size: object | None = None) -> tuple[int, int]:
    """Checks the size of a fixed pool (one number) or of a dynamic one (two)."""
    if max_size is None:
        size = _check_size("n", min_size, 1)
        return size, size
    low = _check_size("min", min_size, 0)
    high = _check_size("max", max_size, 1)
    if low > high:
        raise ValueError(f"min must not be above max, got min={low} and max={high}")
    if low == high:
        raise ValueError(f"min and max must differ, got {low} for both; use a fixed pool")
    return low, high


def _check_size(name: str, value: object, least: int) -> int:
    is_worker = isinstance(value, Worker | TaskFunction | Mapping | PathLike) or callable(value)
    if is_worker or (isinstance(value, str) and not value.isdigit()):
        first = "the number of workers comes" if name == "n" else "min and max come"
        raise TypeError(
            f"{name} must be an integer of at least {least}, not {value!r}: {first} first, and then what the workers "
            f"run, as in {'FixedProcessPool(2, worker)' if name == 'n' else 'DynamicProcessPool(1, 4, worker)'}"
        )
    return check_count(name, value, least)


def check_strategy(strategy: object) -> WorkerChoiceStrategy | type[Any]:
    """Returns the strategy that was named, or the user's own class."""
    if isinstance(strategy, type) and not isinstance(strategy, str):
        if not callable(getattr(strategy, "choose", None)):
            raise TypeError(f"worker_choice_strategy {strategy!r} must have a method choose; see poolifier.Strategy")
        return strategy
    return member("worker_choice_strategy", WorkerChoiceStrategy, strategy)


def check_strategy_options(
    options: WorkerChoiceStrategyOptions | Mapping[str, Any] | None, max_size: int
) -> WorkerChoiceStrategyOptions:
    """Returns the options as an object, checked against the number of slots."""
    checked = _as_options("worker_choice_strategy_options", WorkerChoiceStrategyOptions, options)
    checked.check_slots(max_size)
    return checked


def check_tasks_queue_options(
    options: TasksQueueOptions | Mapping[str, Any] | None, max_size: int
) -> TasksQueueOptions:
    """Returns the options as an object, with `size` worked out."""
    return _as_options("tasks_queue_options", TasksQueueOptions, options).resolved(max_size)


def check_affinities(functions: Iterable[TaskFunctionProperties], max_size: int) -> None:
    """Raises `ValueError` where a task function is bound to a slot that the pool does not have."""
    for function in functions:
        for slot in function.worker_nodes or ():
            if slot >= max_size:
                raise ValueError(
                    f"worker_nodes of task function {function.name!r} must be slots from 0 to {max_size - 1}, "
                    f"not {slot}"
                )


OptionsT = TypeVar("OptionsT", MeasurementOptions, WorkerChoiceStrategyOptions, TasksQueueOptions)


def _as_options(name: str, cls: type[OptionsT], given: OptionsT | Mapping[str, Any] | None) -> OptionsT:
    if given is None:
        return cls()
    if isinstance(given, Mapping):
        return _from_mapping(name, cls, given)
    if not isinstance(given, cls):
        raise TypeError(f"{name} must be {cls.__name__}, a mapping or None, not {given!r}")
    return given


def _from_mapping(name: str, cls: type[OptionsT], given: Mapping[str, Any]) -> OptionsT:
    known = list(cls.__dataclass_fields__)
    unknown = [key for key in given if key not in known]
    if unknown:
        near = did_you_mean(unknown[0], known)
        raise ValueError(f"{name} has no option {unknown[0]!r}{near}; it has {', '.join(known)}")
    return cls(**given)
