"""Carries out what the scheduler wants, one effect at a time.

Apart from the tasks themselves, which the driver sends: this is off the hot path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from poolifier.errors import PoolifierError
from poolifier.exchange import WorkerExit, WorkerSettings
from poolifier.observe.logs import disabled, levels
from poolifier.protocols import Backend
from poolifier.scheduler import effects as effect
from poolifier.scheduler.node import Node

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver


class Observer(Protocol):
    """Hears of what happens, off the hot path."""

    def event(self, name: str, node: Node | None, detail: object) -> None:
        """An event of the scheduler."""

    def task_error(self, error: BaseException) -> None:
        """A task failed."""

    def message(self, node: Node, message: Any) -> None:
        """A worker sent a message."""


class Performer:
    """Turns effects into calls of the backend, of channels, of futures and of the observer."""

    def __init__(self, driver: Driver, backend: Backend, observer: Observer) -> None:
        self._driver = driver
        self._backend = backend
        self._observer = observer

    def perform(self, wanted: effect.Effect) -> None:
        """Carries out one effect."""
        driver = self._driver
        if isinstance(wanted, effect.Emit):
            self._emit(wanted)
        elif isinstance(wanted, effect.StartWorker):
            self._start_worker(wanted.node)
        elif isinstance(wanted, effect.FailTask):
            driver.fail(wanted.task, wanted.error)
        elif isinstance(wanted, effect.TimeOutTask):
            driver.time_outs.begin(wanted.task, wanted.error, wanted.node.id, wanted.sequence)
        elif isinstance(wanted, effect.CancelTask):
            future = driver.callers.leave(wanted.task)
            if future is not None:
                future.cancel()
        elif isinstance(wanted, effect.FailPool):
            if driver.ready is not None and not driver.ready.done():
                driver.ready.set_exception(wanted.error)
            driver.room.close()
            driver.functions.close(wanted.error)
            self._observer.event("error", None, wanted.error)
        else:
            self._tell(wanted)

    def _tell(self, wanted: effect.Effect) -> None:
        """Effects that go to a worker."""
        driver = self._driver
        node: Node = wanted.node  # type: ignore[union-attr,assignment]
        channel = driver.channels.get(node.id)
        if channel is None:
            return
        if node.in_outbox:
            # What was decided before must arrive before.
            driver.send(node)
        if isinstance(wanted, effect.AbortTask):
            if wanted.sequence in node.sent:
                channel.abort(wanted.sequence)
        elif isinstance(wanted, effect.MeasureMemory):
            memory = channel.memory
            if memory is not None:
                driver.scheduler.memory_measured(node, memory)
        elif isinstance(wanted, effect.Reclaim):
            channel.reclaim()
        elif isinstance(wanted, effect.StopWorker):
            channel.stop()
        elif isinstance(wanted, effect.KillWorker):
            channel.kill()

    def _emit(self, wanted: effect.Emit) -> None:
        driver = self._driver
        if wanted.event == "ready" and driver.ready is not None and not driver.ready.done():
            driver.ready.set_result(None)
            # Whoever hears of it may use the pool, so it is told once `start` has returned.
            driver.loop.call_soon(self._observer.event, wanted.event, wanted.node, wanted.detail)
            return
        self._observer.event(wanted.event, wanted.node, wanted.detail)

    def _start_worker(self, node: Node) -> None:
        driver = self._driver
        settings = WorkerSettings(node.capacity, driver.functions.carried, levels(), disabled())
        try:
            driver.channels[node.id] = self._backend.start_worker(node.id, node.slot, settings)
        except (OSError, PoolifierError) as error:
            # No room for a process or a descriptor: like a worker that died at start, so it is tried
            # again with back-off, and the pool fails if that does not help.
            driver.worker_exited(node.id, WorkerExit(error=error))
        else:
            driver.functions.worker_started(node.id)
