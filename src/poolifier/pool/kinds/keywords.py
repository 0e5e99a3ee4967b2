"""The options of the constructors as type checkers see them, so that a wrong one is found before the program runs.

What the options mean and which values are right is `poolifier.options`'s business; a test holds both to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from poolifier.options import (
    StartMethod,
    TasksQueueOptions,
    WorkerChoiceStrategy,
    WorkerChoiceStrategyOptions,
)

__all__ = ["PoolKeywords", "ProcessPoolKeywords", "RayPoolKeywords"]


class PoolKeywords(TypedDict, total=False):
    """Options of every kind of pool."""

    worker_choice_strategy: WorkerChoiceStrategy | str | type[Any]
    worker_choice_strategy_options: WorkerChoiceStrategyOptions | Mapping[str, Any] | None
    enable_tasks_queue: bool
    tasks_queue_options: TasksQueueOptions | Mapping[str, Any] | None
    start_workers: bool
    restart_worker_on_error: bool
    restart_limit: tuple[int, float]
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
    initargs: Iterable[Any]
    name: str | None
    exit_timeout: float | None


class ProcessPoolKeywords(PoolKeywords, total=False):
    """Options of process pools."""

    env: Mapping[str, str | None] | None
    nice: int | None
    cpu_affinity: Iterable[int] | Iterable[Iterable[int]] | None
    start_method: StartMethod
    preload: bool


class RayPoolKeywords(PoolKeywords, total=False):
    """Options of Ray pools."""

    ray_options: Mapping[str, Any] | None
