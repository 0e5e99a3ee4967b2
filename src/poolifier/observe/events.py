"""The events of a pool, and the emitter that brings them to listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context, copy_context
from enum import StrEnum
from typing import Any

from pyee.asyncio import AsyncIOEventEmitter

__all__ = ["PoolEmitter", "PoolEvent"]

_logger = logging.getLogger("poolifier")


class PoolEvent(StrEnum):
    """What `pool.emitter` emits. Listeners get the `PoolInfo`, or the error.

    States are edge-triggered: one event when the state begins, one when it ends.
    """

    READY = "ready"
    """The minimum of workers is ready, for the first time."""
    BUSY = "busy"
    """The pool has its maximum size and every ready worker runs as many tasks as it may."""
    BUSY_END = "busy_end"
    FULL = "full"
    """A dynamic pool has reached its maximum size."""
    FULL_END = "full_end"
    EMPTY = "empty"
    """A dynamic pool has shrunk to nothing."""
    BACK_PRESSURE = "back_pressure"
    """Every worker's queue is full."""
    BACK_PRESSURE_END = "back_pressure_end"
    ERROR = "error"
    """A worker died, a listener or handler raised, or the pool failed. Listeners get the error."""
    TASK_ERROR = "task_error"
    """A task failed: its function raised, its worker died, its time was up. Listeners get the error."""
    DESTROY = "destroy"
    """The pool has been destroyed."""
    WORKER_ONLINE = "worker_online"
    """A worker is ready."""
    WORKER_EXIT = "worker_exit"
    """A worker is gone."""


class PoolEmitter(AsyncIOEventEmitter):
    """pyee's emitter, with two differences.

    A listener runs in the `contextvars` context in which it was registered. And an `error` that
    nobody listens to, a listener's own included, is logged instead of raised: it must not break
    the pool.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, *, name: str = "") -> None:
        super().__init__(loop)
        self._name = name

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Makes async listeners run on that event loop."""
        self._loop = loop

    def _add_event_handler(self, event: str, k: Callable[..., Any], v: Callable[..., Any]) -> None:
        super()._add_event_handler(event, k, self._in_context(v, copy_context()))

    def _in_context(self, listener: Callable[..., Any], context: Context) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            # A copy, since a context cannot be entered twice and a listener may cause an event itself.
            own = context.copy()
            result = own.run(listener, *args, **kwargs)
            if asyncio.iscoroutine(result):
                loop = self._loop or asyncio.get_running_loop()
                return loop.create_task(result, context=own)
            return result

        return call

    def _emit_handle_potential_error(self, event: str, error: Any) -> None:
        if event == PoolEvent.ERROR:
            exc_info = error if isinstance(error, BaseException) else None
            _logger.error("pool %r: unhandled error: %s", self._name, error, exc_info=exc_info)
