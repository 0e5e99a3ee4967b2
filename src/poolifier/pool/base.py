"""What every kind of pool can do."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from threading import get_ident
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self
from weakref import finalize

from poolifier._version import __version__
from poolifier.errors import PoolNotStartedError, UnsupportedError
from poolifier.exchange import WorkerReady
from poolifier.observe.events import PoolEmitter, PoolEvent
from poolifier.option_checks import check_count
from poolifier.options import (
    PoolOptions,
    TasksQueueOptions,
    WorkerChoiceStrategy,
    WorkerChoiceStrategyOptions,
    check_affinities,
    check_strategy,
    check_strategy_options,
    check_tasks_queue_options,
)
from poolifier.pool.belonging import FORKED, forget, watch
from poolifier.pool.driver import Driver
from poolifier.pool.future import TaskFuture
from poolifier.pool.handlers import Handlers
from poolifier.pool.map_run import MapRun
from poolifier.pool.maps import Mapper, in_batches, one_by_one
from poolifier.pool.progress import open_bar
from poolifier.pool.start_and_end import close, finish, start, stop
from poolifier.pool.streams import DEFAULT_BUFFER, Feed, TaskStream
from poolifier.pool.weights import with_weights
from poolifier.pool.worker_node import WorkerNode
from poolifier.protocols import Backend
from poolifier.scheduler.functions import Function
from poolifier.scheduler.info import PoolInfo, pool_info
from poolifier.scheduler.placement import AHEAD
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import Task, TaskExtra
from poolifier.task_functions import (
    DEFAULT_TASK_NAME,
    TaskFunction,
    TaskFunctionProperties,
    check_name,
    check_name_of_call,
    check_priority,
    check_timeout,
    properties_of,
    wrong_use,
)
from poolifier.wire.shared_buffer import SharedBuffer, check_transfer
from poolifier.worker.source import WorkerSource

if TYPE_CHECKING:
    from poolifier.signatures import DataT, ResponseT
else:
    from typing import TypeVar

    DataT = TypeVar("DataT")
    ResponseT = TypeVar("ResponseT")

__all__ = ["DataT", "Pool", "ResponseT"]

_logger = logging.getLogger("poolifier")


class Pool(Generic[DataT, ResponseT]):
    """Runs task functions on workers, off the event loop.

    Use it as `async with Pool(...) as pool`, or with `start()` and `destroy()`. It belongs to the event
    loop that it was started on, and is not to be used from other threads.

    Type parameters: what `execute` takes as data, and what its future results in.
    """

    kind: ClassVar[str]
    ahead: ClassVar[float] = AHEAD

    def __init__(
        self,
        source: WorkerSource,
        options: PoolOptions,
        create_backend: Callable[[], Backend],
        carry: Callable[[Any], Any] | None = None,
    ) -> None:
        if source.worker is not None:
            check_affinities(source.worker.list_task_functions_properties(), options.max_size)
        self._source = source
        self._create_backend = create_backend
        # Turns the data of a call into what its task is given, where that is not the data itself.
        self._carry = carry
        self._options = options
        self._scheduler = Scheduler(options, self.ahead)
        self._emitter = PoolEmitter() if options.enable_events else None
        self._handlers = Handlers(options, self._emitter, self._view, lambda: self.info)
        self._driver: Driver | None = None
        self._open = False
        self._started_at = 0.0
        self._ended_at: float | None = None
        self._starting: asyncio.Task[BaseException | None] | None = None
        self._destroying: asyncio.Task[None] | None = None
        self._functions: dict[str | None, Function] = {}
        self._watched: finalize[[str, int], object] | None = None

    # ---- life cycle -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Starts the minimum of workers, unless `start_workers=False`."""
        if self._options.start_workers:
            await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Destroys the pool; after an error, without patience for tasks that have not finished."""
        await self._destroy(patience=0.0 if exc_type is not None else None)

    async def start(self) -> None:
        """Starts the minimum of workers; returns when they are ready. Does nothing where they already are.

        Raises:
            BaseException: What kept a worker from getting ready: the worker module's own error, with
                its remote traceback as `__cause__`.
            WorkerStartError: A worker ended before it was ready, without an error of its own.
            PoolNotStartedError: The pool has been destroyed.
        """
        if self._destroying is not None:
            raise PoolNotStartedError("the pool has been destroyed; create a new one")
        if self._open:
            return
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
        try:
            error = await asyncio.shield(self._starting)
        except BaseException:
            # The caller gave up waiting: nothing of it stays behind.
            await self._destroy(patience=0.0)
            raise
        if error is not None:
            await self._destroy(patience=0.0)
            raise error

    async def destroy(self) -> None:
        """Ends the pool: lets tasks finish for `tasks_finished_timeout`, cancels the rest, ends all workers.

        Takes at most about `destroy_timeout` seconds, and leaves no child, thread, descriptor, shared
        memory or temporary file behind. Idempotent, and safe to call concurrently.
        """
        await self._destroy(patience=None)

    async def _start(self) -> BaseException | None:
        """Returns what kept it from starting: a `SystemExit` raised in an asyncio task would end the loop."""
        driver = self._driver = Driver(self._scheduler, self._create_backend(), self._handlers)
        self._watched = watch(self)
        if self._emitter is not None:
            self._emitter.bind(driver.loop)
        worker = self._source.worker
        if worker is not None:
            properties = tuple(worker.list_task_functions_properties())
            ready = WorkerReady(properties, worker.max_inactive_time, worker.kill_behavior)
            self._scheduler.learn(ready, monotonic())
        self._set_strategy(self._scheduler.choosers.strategy, self._scheduler.choosers.options)
        self._started_at = monotonic()
        try:
            await start(driver)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised by `start`
            return error
        if self._destroying is not None:
            return PoolNotStartedError("the pool was destroyed while it was starting")
        self._open = True
        return None

    async def _destroy(self, patience: float | None) -> None:
        if self._destroying is None:
            if self._driver is not None and self._driver.thread == FORKED:
                raise self._elsewhere()
            if self._driver is not None and self._driver.loop is not asyncio.get_running_loop():
                raise RuntimeError("the pool belongs to another event loop; destroy it there, before that is closed")
            self._open = False
            self._destroying = asyncio.get_running_loop().create_task(self._end(patience))
        # Shielded: whoever waits may be cancelled, but what was begun is brought to its end.
        await asyncio.shield(self._destroying)

    async def _end(self, patience: float | None) -> None:
        driver = self._driver
        if driver is None:
            return
        options = self._options
        left = monotonic() + options.destroy_timeout
        if patience is None:
            patience = options.tasks_queue_options.tasks_finished_timeout
        try:
            if patience > 0.0 and self._scheduler.failure is None:
                await finish(driver, min(patience, options.destroy_timeout))
            await stop(driver, max(0.1, left - monotonic()), options.abort_grace)
        finally:
            await close(driver)
            forget(self._watched)
            self._ended_at = monotonic()
            self._handlers.event(PoolEvent.DESTROY, None, None)

    # ---- tasks ------------------------------------------------------------------------------------

    def execute(
        self,
        data: DataT | None = None,
        name: str | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        transfer: Sequence[SharedBuffer] = (),
    ) -> TaskFuture[ResponseT]:
        """Runs a task function on a worker; returns an awaitable future at once.

        Without `data` a task function that can be called without an argument is; other functions get None.
        The data is pickled and its buffers are copied when the task is sent, not before, so it should not
        be changed while the task runs.

        Args:
            data: What the function gets.
            name: Which function; None for the default one.
            timeout: Seconds that the task may run, not counting what it waits; None for the limit of
                the function, or else of the pool. Past it the task is aborted.
            retries: How often the task may run again after a crash of its worker. Errors that the
                function raises are never retried.
            priority: Unix nice level, -20 (first) to 19 (last); None for that of the function.
            transfer: Those among the `SharedBuffer`s in the data that are given away: the task has them,
                and the caller's objects cannot be used from here on, whatever comes of the task. The pool
                keeps them for retries until the task has ended; what the task does not return is gone then.

        Raises:
            PoolNotStartedError: The pool is not started, or destroyed.
            PoolFailedError: The pool has failed; `__cause__` says why.
            UnknownTaskFunctionError: No function has that name.
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, or a buffer to transfer was released or given away before.
            UnsupportedError: Workers of this kind can be given no buffers.

        The future raises what the function raised, with its remote traceback as text in `__cause__`;
        `TaskTimeoutError` where it ran too long; `WorkerCrashedError` where the worker died while it ran
        the task (`PoisonTaskError` where it did so on every retry); `SerializationError` where data or
        result cannot be pickled; and `asyncio.CancelledError` where it was cancelled, which aborts the task.
        """
        driver, function, nice, limit = self._called(name, timeout, priority)
        extra = TaskExtra(check_count("retries", retries, 0), limit) if retries or limit is not None else None
        carried: Any = data if not transfer else self._transferred(data, check_transfer(transfer))
        if self._carry is not None:
            carried = self._carry(carried)
        return driver.call(function, carried, nice, extra)

    async def submit(
        self,
        data: DataT | None = None,
        name: str | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        transfer: Sequence[SharedBuffer] = (),
    ) -> TaskFuture[ResponseT]:
        """Waits until the pool has room, then does as `execute` and returns the future.

        There is room while fewer than `max_queued` tasks wait. Those who wait are let in first come,
        first served; one that is cancelled stops waiting, and has submitted nothing, nor given away anything.

        Raises:
            Exception: What `execute` raises; also where the pool ends while this waits.
        """
        # A wrong argument is told at once, not after waiting.
        driver = self._called(name, timeout, priority)[0]
        check_count("retries", retries, 0)
        check_transfer(transfer)
        await driver.room.wait()
        return self.execute(data, name, timeout=timeout, retries=retries, priority=priority, transfer=transfer)

    def stream(
        self,
        data: DataT | None = None,
        name: str | None = None,
        *,
        timeout: float | None = None,
        priority: int | None = None,
        buffer: int = DEFAULT_BUFFER,
    ) -> TaskStream[ResponseT]:
        """Runs a generator or an async generator on a worker; returns an async iterator over what it yields.

        It starts at once, and is one task from its beginning to its end, in which it occupies its place on
        the worker. There it stands still while it is `buffer` items ahead of what has been read.

        Leaving it early stops the generator, whose `finally` runs: by `break` or an error out of `async
        for item in pool.stream(...)`, or with `contextlib.aclosing` where a variable holds the stream.

        Args:
            data: What the function gets; see `execute`.
            name: Which function; None for the default one.
            timeout: Seconds that the task may take in all, waiting for its reader included; see `execute`.
            priority: See `execute`.
            buffer: Items that the worker may be ahead of the reader, at least 1.

        Raises:
            TypeError: The function is not a generator, or an argument has the wrong type.
            Exception: What `execute` raises.

        The iterator raises what the generator raised, after the items before it, and what the future of
        `execute` raises. After a crash of its worker it ends with `WorkerCrashedError`: it is not retried.
        """
        driver, function, nice, limit = self._called(name, timeout, priority, stream=True)
        feed = Feed(driver, check_count("buffer", buffer, 1))
        carried: Any = data if self._carry is None else self._carry(data)
        task = feed.task = Task(driver.next_task_id(), function, carried, nice, feed)
        task.extra = TaskExtra(0, limit, buffer)
        driver.submit(task)
        return TaskStream(feed)

    async def map_execute(
        self,
        iterable: Iterable[DataT] | AsyncIterable[DataT],
        name: str | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        limit: int | None = None,
        chunksize: int | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> list[ResponseT]:
        """Runs a task function on every item; returns the results in the order of the items.

        The first error ends the map at once: what is left is cancelled, and the error is raised.

        Args:
            iterable: The items; an async iterable will do. It is pulled from as room appears.
            name: Which function; None for the default one.
            timeout: Seconds that each item may run; see `execute`.
            retries: How often each item may run again after a crash; see `execute`.
            priority: See `execute`.
            limit: Items that may be under way at a time. None: a few chunks per worker.
            chunksize: Items that travel together. None: as many as the function has lately run in a few
                milliseconds, so one for slow functions. Each keeps its own result and error, and counts as a task.
            return_exceptions: Errors take the place of their results, and end nothing.
            progress: Show a progress bar (needs the extra `poolifier[progress]`).

        Raises:
            Exception: What `execute` raises, and what iterating over the input raises.
        """
        values: list[ResponseT] = []
        batches = self._map(
            iterable,
            name,
            timeout=timeout,
            retries=retries,
            priority=priority,
            limit=limit,
            chunksize=chunksize,
            return_exceptions=return_exceptions,
            progress=progress,
            in_order=True,
            fail_fast=True,
            gathers=True,
        )
        async with aclosing(batches):
            async for batch in batches:
                values += batch
        return values

    def map_ordered(
        self,
        iterable: Iterable[DataT] | AsyncIterable[DataT],
        name: str | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        limit: int | None = None,
        chunksize: int | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> AsyncGenerator[ResponseT, None]:
        """Iterates over the results of a task function on every item, in the order of the items.

        Pulls from the input only as results are taken, so any number of items runs in constant memory.
        Leaving the loop cancels what is under way; so does the first error, which is raised where its
        result would have come. The arguments are those of `map_execute`.
        """
        batches = self._map(
            iterable,
            name,
            timeout=timeout,
            retries=retries,
            priority=priority,
            limit=limit,
            chunksize=chunksize,
            return_exceptions=return_exceptions,
            progress=progress,
            in_order=True,
        )
        return one_by_one(batches)

    def map_unordered(
        self,
        iterable: Iterable[DataT] | AsyncIterable[DataT],
        name: str | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        limit: int | None = None,
        chunksize: int | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> AsyncGenerator[ResponseT, None]:
        """Iterates over the results of a task function on every item, in the order in which they come.

        Otherwise as `map_ordered`, and the better choice where the order does not matter: a slow item
        holds up nothing.
        """
        batches = self._map(
            iterable,
            name,
            timeout=timeout,
            retries=retries,
            priority=priority,
            limit=limit,
            chunksize=chunksize,
            return_exceptions=return_exceptions,
            progress=progress,
            in_order=False,
        )
        return one_by_one(batches)

    def _map(
        self,
        iterable: Iterable[DataT] | AsyncIterable[DataT],
        name: str | None,
        *,
        timeout: float | None,
        retries: int,
        priority: int | None,
        limit: int | None,
        chunksize: int | None,
        return_exceptions: bool,
        progress: bool,
        in_order: bool,
        fail_fast: bool = False,
        gathers: bool = False,
    ) -> AsyncGenerator[list[ResponseT], None]:
        driver, function, nice, seconds = self._called(name, timeout, priority)
        retries = check_count("retries", retries, 0)
        mapper = Mapper(
            self._scheduler,
            driver,
            function,
            priority=nice,
            timeout=seconds,
            retries=retries,
            carry=self._carrier(),
        )
        fail_fast = fail_fast and not return_exceptions
        run = MapRun(mapper, iterable, limit=limit, chunksize=chunksize, fail_fast=fail_fast, gathers=gathers)
        bar = open_bar(iterable, function.name) if progress else None
        return in_batches(run, in_order=in_order, return_exceptions=return_exceptions, bar=bar)

    def _carrier(self) -> Callable[[Any], Any] | None:
        """What turns the data of a map's tasks into what is sent, or None where it is sent as it is."""
        return None

    def _transferred(self, data: Any, shared: list[SharedBuffer]) -> Any:  # noqa: ARG002 - kinds that can override it
        """What carries the data of a task that is given buffers."""
        raise UnsupportedError(f"transfer must be empty for {self.kind} workers: they can be given no buffers")

    def _called(
        self, name: str | None, timeout: float | None, priority: int | None, *, stream: bool = False
    ) -> tuple[Driver, Function, int, float | None]:
        """Checks what every way to call a task function takes."""
        driver = self._driver
        if driver is None or not self._open:
            raise self._closed()
        if get_ident() != driver.thread or driver.loop.is_closed():
            raise self._elsewhere()
        if self._scheduler.failure is not None:
            raise self._failed(self._scheduler.failure)
        function = None
        if not stream and (name is None or isinstance(name, str)):
            function = self._functions.get(name)
        if function is None:
            function = self._find(name, stream=stream)
        nice = function.priority if priority is None else check_priority(priority)
        limit = check_timeout(timeout) or function.timeout or self._options.timeout
        return driver, function, nice, limit

    def _find(self, name: str | None, *, stream: bool) -> Function:
        functions = self._scheduler.functions
        function = functions.find(DEFAULT_TASK_NAME if name is None else check_name_of_call(name))
        if functions.learned:
            error = wrong_use(function.name, function.properties.kind, stream=stream)
            if error is not None:
                raise error
            if not stream:
                self._functions[name] = function
        return function

    def _opened(self) -> Driver:
        if self._driver is None or not self._open:
            raise self._closed()
        if get_ident() != self._driver.thread:
            raise self._elsewhere()
        if self._scheduler.failure is not None:
            raise self._failed(self._scheduler.failure)
        return self._driver

    def _failed(self, failure: BaseException) -> BaseException:
        # A fresh one: an error that is raised again and again collects all the tracebacks.
        fresh = type(failure)(*failure.args)
        fresh.__cause__ = failure.__cause__
        return fresh

    def _disown(self) -> None:
        """This is a process that was forked off the pool's own."""
        if self._driver is not None:
            self._driver.thread = FORKED

    def _elsewhere(self) -> RuntimeError:
        if self._driver is not None and self._driver.thread == FORKED:
            return RuntimeError(
                f"the pool belongs to the process that started it, and process {os.getpid()} was forked off that one; "
                "create a pool here"
            )
        return RuntimeError(
            "the pool belongs to the event loop that it was started on; from another thread use "
            "asyncio.run_coroutine_threadsafe(pool.submit(...), loop)"
        )

    def _closed(self) -> PoolNotStartedError:
        if self._destroying is not None:
            return PoolNotStartedError("the pool has been destroyed; create a new one")
        return PoolNotStartedError("the pool is not started; use `async with` or `await pool.start()`")

    # ---- task functions ---------------------------------------------------------------------------

    def has_task_function(self, name: str) -> bool:
        """Whether the workers hold a task function of that name; False for all while that is not known."""
        check_name(name)
        functions = self._scheduler.functions
        return functions.learned and functions.has(name)

    async def add_task_function(self, name: str, function: Callable[..., Any] | TaskFunction) -> None:
        """Adds a task function to all present and future workers, or replaces the one of that name.

        Returns once every worker has loaded it, each after the task that it runs meanwhile. It is all or
        nothing: where this raises or is cancelled, the pool and its workers are as they were. Tasks that
        were submitted before it returns run the function that the name meant then, wherever they are;
        tasks submitted from then on run the new one. Concurrent changes take turns.

        Args:
            name: What `execute` is to call it.
            function: Lambdas, closures and what `__main__` defines travel by value; everything else is
                imported by the workers.

        Raises:
            TypeError: `name` is not a string, or `function` cannot be called.
            ValueError: The name is empty or the reserved `"default"`, or the function is bound to a slot
                that the pool does not have.
            PoolNotStartedError: The pool is not started, or is destroyed meanwhile.
            PoolFailedError: The pool has failed, or fails meanwhile.
            SerializationError: The function cannot be pickled.
            Exception: What loading the function raised in a worker, such as `ModuleNotFoundError`.
            RemoteError: Loading the function raised `SystemExit` or the like.
            WorkerCrashedError: Loading the function ended workers.
        """
        if check_name(name) == DEFAULT_TASK_NAME:
            raise ValueError(f"name {name!r} is reserved: it always means the default task function")
        declared = function if isinstance(function, TaskFunction) else TaskFunction(function)
        check_affinities([properties_of(name, declared)], self._options.max_size)
        await self._opened().functions.add(name, declared)
        self._functions.clear()

    async def remove_task_function(self, name: str) -> None:
        """Removes a task function. Its tasks that have been submitted still run.

        Raises:
            TypeError: `name` is not a string.
            ValueError: The name is empty, or is that of the default task function.
            UnknownTaskFunctionError: There is none of that name.
            PoolNotStartedError: The pool is not started, or is destroyed meanwhile.
            PoolFailedError: The pool has failed, or fails meanwhile.
        """
        check_name(name)
        await self._opened().functions.remove(name)
        self._functions.clear()

    async def set_default_task_function(self, name: str) -> None:
        """Makes `name` the task function that runs when a call names none, for tasks submitted from then on.

        Raises:
            TypeError: `name` is not a string.
            ValueError: The name is empty or the reserved `"default"`.
            UnknownTaskFunctionError: There is none of that name.
            PoolNotStartedError: The pool is not started, or is destroyed meanwhile.
            PoolFailedError: The pool has failed, or fails meanwhile.
        """
        if check_name(name) == DEFAULT_TASK_NAME:
            raise ValueError(f"name {name!r} is reserved; name the task function that is to be the default")
        await self._opened().functions.set_default(name)
        self._functions.clear()

    def list_task_functions_properties(self) -> list[TaskFunctionProperties]:
        """What is known of the task functions, the default one first; empty before the first worker is ready."""
        return self._scheduler.functions.properties()

    # ---- changes at run time ----------------------------------------------------------------------

    def set_worker_choice_strategy(
        self,
        strategy: WorkerChoiceStrategy | str | type[Any],
        options: WorkerChoiceStrategyOptions | Mapping[str, Any] | None = None,
    ) -> None:
        """Changes the worker choice strategy for tasks submitted from now on. O(workers).

        Args:
            strategy: One of `WorkerChoiceStrategy`, its name, or a `Strategy` class.
            options: Its options; None for the defaults.
        """
        checked = check_strategy_options(options, self._options.max_size)
        self._set_strategy(check_strategy(strategy), checked)

    def set_worker_choice_strategy_options(
        self, options: WorkerChoiceStrategyOptions | Mapping[str, Any] | None
    ) -> None:
        """Changes the options of the worker choice strategy. O(workers)."""
        checked = check_strategy_options(options, self._options.max_size)
        self._set_strategy(self._scheduler.choosers.strategy, checked)

    def _set_strategy(self, strategy: WorkerChoiceStrategy | type[Any], options: WorkerChoiceStrategyOptions) -> None:
        weighed = with_weights(strategy, options, self._options.max_size)
        if self._driver is None:
            self._scheduler.set_strategy(strategy, weighed)
        else:
            self._driver.changed(lambda now: self._scheduler.set_strategy(strategy, weighed, now))

    def enable_tasks_queue(
        self,
        enable: bool,
        options: TasksQueueOptions | Mapping[str, Any] | None = None,
    ) -> None:
        """Switches the tasks queues on or off; off, what waits is sent to its worker at once. O(tasks).

        Args:
            enable: Whether tasks wait here for a worker that has room.
            options: Options of the queues; None leaves them as they are.
        """
        if not isinstance(enable, bool):
            raise TypeError(f"enable must be True or False, not {enable!r}")
        checked = self._scheduler.placement.options
        if options is not None:
            checked = check_tasks_queue_options(options, self._options.max_size)
        self._set_queue(checked, enabled=enable)

    def set_tasks_queue_options(self, options: TasksQueueOptions | Mapping[str, Any] | None) -> None:
        """Changes the options of the tasks queues. O(workers)."""
        checked = check_tasks_queue_options(options, self._options.max_size)
        self._set_queue(checked, enabled=self._scheduler.placement.queue_enabled)

    def _set_queue(self, options: TasksQueueOptions, *, enabled: bool) -> None:
        if self._driver is None:
            self._scheduler.set_queue(options, monotonic(), enabled=enabled)
        else:
            self._driver.set_queue(options, enabled=enabled)

    # ---- numbers ----------------------------------------------------------------------------------

    @property
    def emitter(self) -> PoolEmitter | None:
        """Where to listen to `PoolEvent`s, or None with `enable_events=False`."""
        return self._emitter

    @property
    def info(self) -> PoolInfo:
        """A snapshot of the pool's numbers. O(workers x task functions)."""
        until = self._ended_at if self._ended_at is not None else monotonic()
        return pool_info(
            self._scheduler,
            version=__version__,
            worker=self.kind,
            started=self._open,
            lifetime=until - self._started_at if self._started_at else 0.0,
        )

    @property
    def worker_nodes(self) -> tuple[WorkerNode, ...]:
        """A read-only view per worker, by slot."""
        by_slot = self._scheduler.sizing.by_slot
        return tuple(self._view(by_slot[slot]) for slot in sorted(by_slot))

    def _view(self, node: Any) -> WorkerNode:
        channel = self._driver.channels.get(node.id) if self._driver is not None else None
        return WorkerNode(node, channel)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be sent to a worker, nor anywhere else; a task that needs workers creates a pool"
        )

    def __repr__(self) -> str:
        size = (
            f"{self._options.min_size}..{self._options.max_size}" if self._options.dynamic else self._options.max_size
        )
        return f"<{type(self).__name__} {size} {'started' if self._open else 'not started'}>"
