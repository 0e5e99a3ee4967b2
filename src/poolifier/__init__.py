"""A worker pool that runs CPU-heavy and blocking Python off the event loop.

Names are imported when they are first used, so that a worker process, whose module says
`from poolifier import Worker`, does not import asyncio and everything else with it.
"""

from __future__ import annotations

from importlib import import_module

from poolifier._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from poolifier.errors import (
        PoisonTaskError,
        PoolFailedError,
        PoolifierError,
        PoolNotStartedError,
        RemoteError,
        SerializationError,
        TaskAborted,
        TaskTimeoutError,
        UnknownTaskFunctionError,
        UnsupportedError,
        WorkerCrashedError,
        WorkerError,
        WorkerStartError,
    )
    from poolifier.observe.events import PoolEmitter, PoolEvent
    from poolifier.options import (
        Measurement,
        MeasurementOptions,
        TasksQueueOptions,
        WorkerChoiceStrategy,
        WorkerChoiceStrategyOptions,
    )
    from poolifier.parallelism import available_parallelism
    from poolifier.pool.base import Pool
    from poolifier.pool.future import TaskFuture
    from poolifier.pool.kinds.interpreter import DynamicInterpreterPool, FixedInterpreterPool
    from poolifier.pool.kinds.process import DynamicProcessPool, FixedProcessPool
    from poolifier.pool.kinds.ray import DynamicRayPool, FixedRayPool
    from poolifier.pool.kinds.thread import DynamicThreadPool, FixedThreadPool
    from poolifier.pool.streams import TaskStream
    from poolifier.pool.worker_node import WorkerNode
    from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
    from poolifier.scheduler.build import compiled
    from poolifier.scheduler.info import EluSummary, PoolInfo, TaskCounts, WorkerUsage
    from poolifier.scheduler.time_summary import TimeSummary
    from poolifier.task_functions import KillBehavior, TaskFunction, TaskFunctionProperties, Worker
    from poolifier.wire.shared_buffer import SharedBuffer
    from poolifier.worker.current_task import CurrentTask, current_task
    from poolifier.worker.log_filter import TaskLogFilter
    from poolifier.worker.say import send_message

__all__ = [
    "CurrentTask",
    "DynamicInterpreterPool",
    "DynamicProcessPool",
    "DynamicRayPool",
    "DynamicThreadPool",
    "EluSummary",
    "FixedInterpreterPool",
    "FixedProcessPool",
    "FixedRayPool",
    "FixedThreadPool",
    "KillBehavior",
    "Measurement",
    "MeasurementOptions",
    "PoisonTaskError",
    "Pool",
    "PoolEmitter",
    "PoolEvent",
    "PoolFailedError",
    "PoolInfo",
    "PoolNotStartedError",
    "PoolifierError",
    "RemoteError",
    "SerializationError",
    "SharedBuffer",
    "Strategy",
    "StrategyPolicy",
    "TaskAborted",
    "TaskCounts",
    "TaskFunction",
    "TaskFunctionProperties",
    "TaskFuture",
    "TaskLogFilter",
    "TaskStream",
    "TaskTimeoutError",
    "TasksQueueOptions",
    "TimeSummary",
    "UnknownTaskFunctionError",
    "UnsupportedError",
    "Worker",
    "WorkerCandidate",
    "WorkerChoiceStrategy",
    "WorkerChoiceStrategyOptions",
    "WorkerCrashedError",
    "WorkerError",
    "WorkerNode",
    "WorkerStartError",
    "WorkerUsage",
    "__version__",
    "available_parallelism",
    "compiled",
    "current_task",
    "send_message",
]

_ROOMS: Final = {
    "poolifier.errors": (
        "PoisonTaskError",
        "PoolFailedError",
        "PoolNotStartedError",
        "PoolifierError",
        "RemoteError",
        "SerializationError",
        "TaskAborted",
        "TaskTimeoutError",
        "UnknownTaskFunctionError",
        "UnsupportedError",
        "WorkerCrashedError",
        "WorkerError",
        "WorkerStartError",
    ),
    "poolifier.observe.events": ("PoolEmitter", "PoolEvent"),
    "poolifier.options": (
        "Measurement",
        "MeasurementOptions",
        "TasksQueueOptions",
        "WorkerChoiceStrategy",
        "WorkerChoiceStrategyOptions",
    ),
    "poolifier.parallelism": ("available_parallelism",),
    "poolifier.pool.base": ("Pool",),
    "poolifier.pool.future": ("TaskFuture",),
    "poolifier.pool.kinds.interpreter": ("DynamicInterpreterPool", "FixedInterpreterPool"),
    "poolifier.pool.kinds.process": ("DynamicProcessPool", "FixedProcessPool"),
    "poolifier.pool.kinds.ray": ("DynamicRayPool", "FixedRayPool"),
    "poolifier.pool.kinds.thread": ("DynamicThreadPool", "FixedThreadPool"),
    "poolifier.pool.streams": ("TaskStream",),
    "poolifier.pool.worker_node": ("WorkerNode",),
    "poolifier.protocols": ("Strategy", "StrategyPolicy", "WorkerCandidate"),
    "poolifier.scheduler.build": ("compiled",),
    "poolifier.scheduler.info": ("EluSummary", "PoolInfo", "TaskCounts", "WorkerUsage"),
    "poolifier.scheduler.time_summary": ("TimeSummary",),
    "poolifier.task_functions": ("KillBehavior", "TaskFunction", "TaskFunctionProperties", "Worker"),
    "poolifier.wire.shared_buffer": ("SharedBuffer",),
    "poolifier.worker.current_task": ("CurrentTask", "current_task"),
    "poolifier.worker.log_filter": ("TaskLogFilter",),
    "poolifier.worker.say": ("send_message",),
}
_ROOM_OF: Final = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
