"""How a pool begins and ends: each of them once, whoever asks for it, and however often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from poolifier.errors import PoolNotStartedError
from poolifier.exchange import WorkerReady
from poolifier.observe.events import PoolEvent
from poolifier.pool import at_exit
from poolifier.pool.belonging import FORKED, elsewhere, forget, watch
from poolifier.pool.driver import Driver
from poolifier.pool.handlers import WeakObserver
from poolifier.pool.leaving import wait_for_tasks
from poolifier.pool.start_and_end import discard, end, start
from poolifier.pool.weights import with_weights
from poolifier.worker.lazy_tasks import create_lazy_task

if TYPE_CHECKING:
    from weakref import finalize

    from poolifier.options import PoolOptions
    from poolifier.pool.handlers import Handlers
    from poolifier.protocols import Backend
    from poolifier.scheduler.scheduler import Scheduler
    from poolifier.task_functions import Worker

__all__ = ["LifeCycle"]


class LifeCycle:
    """Starts what drives a pool, and brings it to its end.

    Attributes:
        name: What the pool is called in messages.
        create_backend: Makes what starts the workers; called for each start.
        driver: What drives the pool, from when it begins to start.
        process_ends: The process is about to end, while the pool's event loop goes on in a daemon thread.
        open: The same, while the pool takes tasks; otherwise None.
        leaving: The same, while `async with` is left and waits for what was submitted before; otherwise None.
    """

    def __init__(
        self,
        name: str,
        options: PoolOptions,
        scheduler: Scheduler,
        handlers: Handlers,
        create_backend: Callable[[], Backend],
        worker: Worker | None,
        begun: Callable[[Driver], None],
    ) -> None:
        self.name = name
        self.create_backend = create_backend
        self.driver: Driver | None = None
        self.process_ends: bool = False
        self.open: Driver | None = None
        self.leaving: Driver | None = None
        # What it is called in errors.
        self._pool = f"pool {options.name!r}"
        self._options = options
        self._scheduler = scheduler
        self._handlers = handlers
        # What is known of the workers beforehand.
        self._worker = worker
        # Told once the workers are ready.
        self._begun = begun
        self._started_at = 0.0
        self._ended_at: float | None = None
        self._starting: asyncio.Task[BaseException | None] | None = None
        self._destroying: asyncio.Task[None] | None = None
        self._watched: finalize[..., object] | None = None
        self._entered = False
        self._undoing = False

    # ---- beginning --------------------------------------------------------------------------------

    def enter(self) -> None:
        """An `async with` has the pool from now on, and destroys it: raises where another one has it."""
        if self._entered and self._destroying is None:
            raise RuntimeError(
                f"{self.name} is in an `async with` already, which destroys it at its end; use it there as it is"
            )
        self._entered = True

    def not_entered(self) -> None:
        """That `async with` has come to nothing, for the pool did not start."""
        self._entered = False

    async def start(self) -> None:
        """Returns when the minimum of workers is ready, or raises what kept one from it; see `Pool.start`."""
        if self._destroying is not None or self.leaving is not None:
            raise self._closed()
        if self.open is not None:
            return
        if self._starting is None:
            self._starting = create_lazy_task(asyncio.get_running_loop(), self._start())
        try:
            error = await asyncio.shield(self._starting)
        except BaseException:
            # The caller gave up waiting: nothing of it stays behind.
            await self.destroy(patience=0.0)
            raise
        if self.process_ends:
            # The pool has been destroyed for that. Raised here, the error would be shown as that of a thread that the
            # program leaves behind on purpose, and which Python stops in a moment.
            await asyncio.get_running_loop().create_future()
        if error is not None:
            raise error

    async def _start(self) -> BaseException | None:
        """Returns what kept it from starting: a `SystemExit` raised in an asyncio task would end the loop."""
        scheduler = self._scheduler
        driver = self.driver = Driver(scheduler, self.create_backend(), WeakObserver(self._handlers))
        self._watched = watch(self, driver)
        at_exit.watch(self)
        self._handlers.bind(driver.loop)
        worker = self._worker
        if worker is not None:
            properties = tuple(worker.list_task_functions_properties())
            ready = WorkerReady(properties, worker.max_inactive_time, worker.kill_behavior)
            scheduler.learn(ready, monotonic(), worker.task_functions)
        strategy = scheduler.choosers.strategy
        scheduler.set_strategy(strategy, with_weights(strategy, scheduler.choosers.options, self._options.max_size))
        self._started_at = monotonic()
        try:
            await start(driver)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised by `start`
            if self._destroying is None:
                await self._undo(driver)
            return error
        if self._destroying is not None:
            return PoolNotStartedError(f"{self._pool} was destroyed while it was starting")
        self.open = driver
        self._begun(driver)
        return None

    async def _undo(self, driver: Driver) -> None:
        """The start has failed: leaves nothing of it behind, so that it can be tried again."""
        self._undoing = True
        try:
            await end(driver, 0.0)
        finally:
            discard(driver)
            self._scheduler.reopen()
            forget(self._watched)
            self._watched = self.driver = self._starting = None
            self._started_at = 0.0
            self._undoing = False

    # ---- the end ----------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Takes nothing new, waits for what was submitted, and ends the pool; see `Pool.__aexit__`."""
        # Where another one leaves it already, both wait.
        driver = self.open or self.leaving
        if driver is None or driver.thread == FORKED or driver.loop is not asyncio.get_running_loop():
            await self.destroy(patience=0.0)
            return
        self.leaving, self.open = driver, None
        driver.refuses = True
        for consumer in list(driver.consumers):
            consumer.refuse()
        try:
            await wait_for_tasks(driver, self._options.name, self._options.exit_timeout, self._is_interrupted)
        except GeneratorExit:
            # The coroutine is closed, so there is nothing that could be waited for.
            raise
        except BaseException:
            # Cancelled, by Ctrl-C for example: nobody is willing to wait any longer.
            await self.destroy(patience=0.0)
            raise
        # What is left has had its time. Where somebody else destroys the pool meanwhile, that is waited for.
        await self.destroy(patience=0.0)

    def _is_interrupted(self) -> bool:
        return self._destroying is not None

    async def destroy(self, patience: float | None = None) -> None:
        """Ends the pool: lets tasks finish for so many seconds, or as long as the options say; see `Pool.destroy`."""
        if self._destroying is None:
            driver = self.driver
            if driver is not None and driver.thread == FORKED:
                raise elsewhere(self._pool, driver.thread)
            if driver is not None and driver.loop is not asyncio.get_running_loop():
                raise RuntimeError(
                    f"{self._pool} belongs to another event loop; destroy it there, before that is closed"
                )
            self.open = self.leaving = None
            self._destroying = create_lazy_task(asyncio.get_running_loop(), self._end(patience))
            if driver is not None:
                driver.refuses = True
                # Whoever waits in `leave`.
                driver.stirred()
        # Shielded: whoever waits may be cancelled, but what was begun is brought to its end.
        await asyncio.shield(self._destroying)

    async def _end(self, patience: float | None) -> None:
        if self._undoing and self._starting is not None:
            await asyncio.wait([self._starting])
        driver = self.driver
        if driver is None:
            return
        try:
            await end(driver, patience)
        finally:
            forget(self._watched)
            self._ended_at = monotonic()
            self._handlers.event(PoolEvent.DESTROY, None, None)

    def disown(self) -> None:
        """This is a process that was forked off the pool's own."""
        if self.driver is not None:
            self.driver.thread = FORKED

    @property
    def loop_is_running(self) -> bool:
        """Whether this is called in an event loop."""
        return asyncio._get_running_loop() is not None

    @property
    def longest_end(self) -> float:
        """Seconds that `destroy` takes at most."""
        return self._options.destroy_timeout

    # ---- in between -------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """How long the pool has been there, up to its end."""
        if not self._started_at:
            return 0.0
        return (self._ended_at if self._ended_at is not None else monotonic()) - self._started_at

    @property
    def state(self) -> str:
        """What `repr` says of the pool."""
        if self.open is not None:
            return "started"
        if self.leaving is not None:
            return "closing"
        return "not started" if self._destroying is None else "destroyed"

    @property
    def admitting(self) -> Driver | None:
        """What drives the pool while it takes calls that were made before it was left; otherwise None."""
        return self.open or self.leaving

    @property
    def phase(self) -> str | None:
        """What `PoolInfo` says of the pool, or None while it takes tasks: then the scheduler knows how it is."""
        if self._destroying is not None:
            return "closed" if self._destroying.done() or self._ended_at is not None else "closing"
        if self.open is not None:
            return None
        if self.leaving is not None:
            return "closing"
        return "created" if self._starting is None else "starting"

    def opened(self, *, admitted: bool = False) -> Driver:
        """What drives the pool, or raises where it cannot be used here and now; see `admitting`."""
        driver = self.admitting if admitted else self.open
        if driver is None or get_ident() != driver.thread:
            raise self.refusal()
        return driver

    def refusal(self) -> BaseException:
        """Why the pool cannot be used here and now, where that is so."""
        driver = self.open
        if driver is None:
            return self._closed()
        return elsewhere(self._pool, driver.thread)

    def _closed(self) -> PoolNotStartedError:
        if self._destroying is not None:
            return PoolNotStartedError(f"{self._pool} has been destroyed; create a new one")
        if self.leaving is not None:
            return PoolNotStartedError(
                f"{self._pool} takes nothing new: its `async with` is left, which waits for what was submitted before"
            )
        if self._entered and not self._options.start_workers:
            return PoolNotStartedError(
                f"{self._pool} is not started: with start_workers=False, `async with` starts no workers; "
                f"call `await pool.start()` in it first"
            )
        return PoolNotStartedError(f"{self._pool} is not started; use `async with` or `await pool.start()`")
