"""What the constructors of all kinds take, and how they check it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from poolifier.options import PoolOptions, ProcessOptions, check_sizes, default_name
from poolifier.suggestions import did_you_mean
from poolifier.task_functions import TaskFunction, Worker

__all__ = ["OF_PROCESSES", "WorkerArgument", "check_range", "split_options"]

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

if TYPE_CHECKING:
    from poolifier.pool.base import Pool

    # In the order in which the constructors are overloaded, after `AsyncOrGenerator`: a pool's type is inferred from
    # what a single function takes and returns.
    from poolifier.signatures import DataT, ResponseT

    OneFunction: TypeAlias = Callable[[DataT], ResponseT] | TaskFunction[DataT, ResponseT] | Worker[DataT, ResponseT]
    OtherWorker: TypeAlias = (
        Callable[[], ResponseT]
        | Mapping[str, Callable[..., Any]]
        | Mapping[str, TaskFunction]
        | Mapping[str, Callable[..., Any] | TaskFunction]
        | str
        | PathLike[str]
    )

OF_PROCESSES: Final = frozenset(field.name for field in fields(ProcessOptions))
"""The options that only process pools have."""

_OF_ALL: Final = frozenset(field.name for field in fields(PoolOptions)) - {"min_size", "max_size", "dynamic"}
_OF_OTHERS: Final = {"ray_options": "Ray pools", **dict.fromkeys(OF_PROCESSES, "process pools")}


def split_options(
    cls: type[Pool[Any, Any]], options: Mapping[str, Any], own: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parts the options into those of every pool, a name included, and those of this kind; raises for others."""
    for name in options:
        if name in _OF_ALL or name in own:
            continue
        owner = f"it is one of {_OF_OTHERS[name]}; " if name in _OF_OTHERS else ""
        known = ", ".join(sorted(_OF_ALL | own))
        near = "" if owner else did_you_mean(name, _OF_ALL | own)
        raise TypeError(f"{cls.__name__} has no option {name!r}{near}: {owner}its options are {known}")
    common = {name: value for name, value in options.items() if name in _OF_ALL}
    if common.get("name") is None:
        common["name"] = default_name(cls.kind)
    return common, {name: value for name, value in options.items() if name in own}


def check_range(minimum: object, maximum: object) -> tuple[int, int]:
    """The sizes of a dynamic pool; raises where they are wrong."""
    if maximum is None:
        raise TypeError("max must be an integer of at least 1, not None")
    return check_sizes(minimum, maximum)
