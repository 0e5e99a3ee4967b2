"""The pools that users create, one pair for each kind of worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from os import PathLike
from typing import Any, Final, TypeAlias

from poolifier.options import PoolOptions, ProcessOptions, check_sizes
from poolifier.pool.base import DataT, Pool, ResponseT
from poolifier.protocols import Backend
from poolifier.task_functions import TaskFunction, Worker
from poolifier.worker.source import WorkerSource

__all__ = ["DynamicProcessPool", "FixedProcessPool", "WorkerArgument"]

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


def _given(maximum: object) -> object:
    if maximum is None:
        raise TypeError("max must be an integer of at least 1, not None")
    return maximum
