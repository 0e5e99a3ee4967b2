"""The pools that users create, one pair for each kind of worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import fields
from os import PathLike
from typing import Any, Final, TypeAlias

from poolifier.errors import UnsupportedError
from poolifier.options import PoolOptions, ProcessOptions, check_sizes
from poolifier.pool.base import DataT, Pool, ResponseT
from poolifier.pool.future import TaskFuture
from poolifier.pool.streams import DEFAULT_BUFFER, TaskStream
from poolifier.protocols import Backend, InContext
from poolifier.task_functions import TaskFunction, Worker
from poolifier.worker.source import WorkerSource

__all__ = ["DynamicProcessPool", "DynamicThreadPool", "FixedProcessPool", "FixedThreadPool", "WorkerArgument"]

WorkerArgument: TypeAlias = (
    Worker
    | Callable[..., Any]
    | TaskFunction
    | Mapping[str, Callable[..., Any]]
    | Mapping[str, TaskFunction]
    | Mapping[str, Callable[..., Any] | TaskFunction]
    | str
    | PathLike[str]
)
"""What a pool takes for `worker`: the task functions, or a file or an import string that holds them."""

_OF_PROCESSES: Final = frozenset(field.name for field in fields(ProcessOptions))
_OF_ALL: Final = frozenset(field.name for field in fields(PoolOptions)) - {"min_size", "max_size", "dynamic"}
_OF_OTHERS: Final = {"ray_options": "Ray pools", **dict.fromkeys(_OF_PROCESSES, "process pools")}


def _split(cls: type, options: Mapping[str, Any], own: frozenset[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parts the options into those of every pool and those of this kind; raises for others."""
    for name in options:
        if name in _OF_ALL or name in own:
            continue
        owner = f"it is one of {_OF_OTHERS[name]}; " if name in _OF_OTHERS else ""
        known = ", ".join(sorted(_OF_ALL | own))
        raise TypeError(f"{cls.__name__} has no option {name!r}: {owner}its options are {known}")
    common = {name: value for name, value in options.items() if name in _OF_ALL}
    return common, {name: value for name, value in options.items() if name in own}


class _ProcessPool(Pool[DataT, ResponseT]):
    """A pool whose workers are child processes."""

    kind = "process"

    def __init__(
        self, sizes: tuple[int, int], worker: WorkerArgument, options: Mapping[str, Any], *, dynamic: bool
    ) -> None:
        common, own = _split(type(self), options, _OF_PROCESSES)
        checked = PoolOptions.checked(sizes=sizes, dynamic=dynamic, **common)
        process_options = ProcessOptions(**own)
        source = WorkerSource.from_argument(worker)

        def create_backend() -> Backend:
            # Imported here, so that a pool of another kind does not import what only this one needs.
            from poolifier.backends.process.backend import ProcessBackend

            return ProcessBackend(source, process_options, checked.initializer, checked.initargs)

        super().__init__(source, checked, create_backend)


class FixedProcessPool(_ProcessPool[DataT, ResponseT]):
    """Runs tasks on a fixed number of child processes.

    Args:
        n: The number of workers, at least 1.
        worker: The task functions: a `Worker`, a callable, a mapping of names to callables, a Python
            file (`"workers.py"`) or an import string (`"package.module"`, `"package.module:name"`).
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
    """

    def __init__(self, n: int, worker: WorkerArgument, **options: Any) -> None:
        super().__init__(check_sizes(n), worker, options, dynamic=False)


class DynamicProcessPool(_ProcessPool[DataT, ResponseT]):
    """Runs tasks on `min` to `max` child processes: more when all are busy, fewer when they have been idle.

    Args:
        min: The number of workers that are always there, at least 0.
        max: The most workers there may be.
        worker: The task functions; see `FixedProcessPool`.
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
    """

    def __init__(self, min: int, max: int, worker: WorkerArgument, **options: Any) -> None:  # noqa: A002
        super().__init__(check_sizes(min, _given(max)), worker, options, dynamic=True)


class _ThreadPool(Pool[DataT, ResponseT]):
    """A pool whose workers are threads of this process."""

    kind = "thread"

    def __init__(
        self, sizes: tuple[int, int], worker: WorkerArgument, options: Mapping[str, Any], *, dynamic: bool
    ) -> None:
        common, _ = _split(type(self), options, frozenset())
        checked = PoolOptions.checked(sizes=sizes, dynamic=dynamic, **common)
        if checked.max_memory_per_worker is not None:
            raise UnsupportedError(
                "max_memory_per_worker: a thread shares its memory with all others, so nobody can tell what it takes; "
                "use a process pool"
            )
        source = WorkerSource.from_argument(worker)

        def create_backend() -> Backend:
            # Imported here, so that a pool of another kind does not import what only this one needs.
            from poolifier.backends.thread.backend import ThreadBackend

            return ThreadBackend(source, checked.initializer, checked.initargs, checked.abort_grace)

        super().__init__(source, checked, create_backend)

    # Workers here can run a task in the context of its caller, so it goes with the data. Other kinds, for
    # which nothing of this is done, do not pay for it.

    def execute(
        self,
        data: DataT | None = None,
        name: str | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
    ) -> TaskFuture[ResponseT]:
        """Runs a task function in a worker thread, in a copy of the caller's `contextvars` context.

        The data is passed by reference, and so is the result. Otherwise as `Pool.execute`.
        """
        carried: Any = InContext(copy_context(), data)
        return super().execute(carried, name, timeout=timeout, retries=retries, priority=priority)

    def stream(
        self,
        data: DataT | None = None,
        name: str | None = None,
        *,
        timeout: float | None = None,
        priority: int | None = None,
        buffer: int = DEFAULT_BUFFER,
    ) -> TaskStream[ResponseT]:
        """Runs a generator in a worker thread, in a copy of the caller's context. Otherwise as `Pool.stream`."""
        carried: Any = InContext(copy_context(), data)
        return super().stream(carried, name, timeout=timeout, priority=priority, buffer=buffer)

    def _carrier(self) -> Callable[[Any], Any]:
        context = copy_context()
        # A copy for each task, for two of them may run at once.
        return lambda data: InContext(context.copy(), data)


class FixedThreadPool(_ThreadPool[DataT, ResponseT]):
    """Runs tasks on a fixed number of threads of this process. Data and results pass by reference.

    A thread that cannot be stopped (it is in C code, say, or ignores `TaskAborted`) is abandoned and
    replaced after `abort_grace`. Threads are daemons: the interpreter ends without waiting for them.

    Args:
        n: The number of workers, at least 1.
        worker: The task functions: a `Worker`, a callable, a mapping of names to callables, a Python
            file (`"workers.py"`) or an import string (`"package.module"`, `"package.module:name"`).
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
        UnsupportedError: Threads cannot do that.
    """

    def __init__(self, n: int, worker: WorkerArgument, **options: Any) -> None:
        super().__init__(check_sizes(n), worker, options, dynamic=False)


class DynamicThreadPool(_ThreadPool[DataT, ResponseT]):
    """Runs tasks on `min` to `max` threads: more when all are busy, fewer when they have been idle.

    Args:
        min: The number of workers that are always there, at least 0.
        max: The most workers there may be.
        worker: The task functions; see `FixedThreadPool`.
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
        UnsupportedError: Threads cannot do that.
    """

    def __init__(self, min: int, max: int, worker: WorkerArgument, **options: Any) -> None:  # noqa: A002
        super().__init__(check_sizes(min, _given(max)), worker, options, dynamic=True)


def _given(maximum: object) -> object:
    if maximum is None:
        raise TypeError("max must be an integer of at least 1, not None")
    return maximum
