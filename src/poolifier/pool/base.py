"""What every kind of pool can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from types import FunctionType, TracebackType
from typing import Any, ClassVar, NoReturn, Self
from weakref import ref

from poolifier._version import __version__
from poolifier.observe.events import PoolEmitter
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
from poolifier.pool.calls import Calls
from poolifier.pool.driver import Driver
from poolifier.pool.handlers import Handlers
from poolifier.pool.life_cycle import LifeCycle
from poolifier.pool.map_runner import DataT, MapRunner, ResponseT
from poolifier.pool.task_runner import TaskRunner
from poolifier.pool.weights import with_weights
from poolifier.pool.worker_node import WorkerNode
from poolifier.protocols import Backend
from poolifier.scheduler.info import PoolInfo, pool_info
from poolifier.scheduler.placement import AHEAD
from poolifier.scheduler.scheduler import Scheduler
from poolifier.task_functions import (
    DEFAULT_TASK_NAME,
    TaskFunction,
    TaskFunctionProperties,
    check_name,
    properties_of,
)
from poolifier.worker.source import WorkerSource

__all__ = ["DataT", "Pool", "ResponseT"]


class Pool(MapRunner[DataT, ResponseT]):
    """Runs task functions on workers, off the event loop.

    Use it as `async with Pool(...) as pool`, or with `start()` and `destroy()`. It belongs to the event
    loop that it was started on, and is not to be used from other threads. `async with` waits at its end for
    every task that was submitted, and then destroys the pool, so it is entered once: a second time within that
    is a `RuntimeError`. One that was started by `start()` can be entered.

    Type parameters: what `execute` takes as data, and what its future results in, unless it is given the task
    function itself.
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
        worker = source.worker
        if worker is not None:
            check_affinities(worker.list_task_functions_properties(), options.max_size)
        size = f"{options.min_size}..{options.max_size}" if options.dynamic else options.max_size
        self._options = options
        # Without what may refer to the pool, for the event loop refers to the scheduler.
        self._scheduler = Scheduler(options.without_callables(), self.ahead)
        self._emitter = PoolEmitter(name=options.name) if options.enable_events else None
        # None of its parts refers to the pool, so that it is collected as soon as nobody else does.
        me: Callable[[], Pool[DataT, ResponseT] | None] = ref(self)
        self._life = LifeCycle(
            f"{type(self).__name__} {options.name!r} {size}",
            options,
            self._scheduler,
            Handlers(options, self._emitter, partial(_view_in, me), partial(_info_of, me)),
            create_backend,
            worker,
            partial(_tell_begun, me),
        )
        self._calls = Calls(options, self._scheduler, self._life, carry)
        super().__init__(self._calls, carry)

    # ---- life cycle -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Starts the minimum of workers, unless `start_workers=False`.

        Raises:
            RuntimeError: Another `async with` has the pool, and will destroy it.
            Exception: What `start` raises.
        """
        self._life.enter()
        if self._options.start_workers:
            try:
                await self.start()
            except BaseException:
                self._life.not_entered()
                raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Waits for every task that was submitted, for `exit_timeout` seconds at most, and ends the pool.

        From the moment it is called the pool takes nothing new: `execute` raises `PoolNotStartedError`. It waits for
        tasks and their retries, for those already in `submit`, and for streams and maps as long as somebody awaits
        their next item. What is left after `exit_timeout` is aborted at once, as everything is where the block is
        left by an error, or a cancellation interrupts the waiting. Where that cancels tasks, one warning in the log
        says how many. `destroy()` in the meantime ends the waiting.
        """
        if exc_type is None:
            await self._life.leave()
        elif exc_type is not GeneratorExit or self._life.loop_is_running:
            await self._life.destroy(patience=0.0)
        # Otherwise the coroutine has been closed without its event loop, so nothing can be awaited. What ends a pool
        # that is forgotten ends this one.

    async def start(self) -> None:
        """Starts the minimum of workers; returns when they are ready. Does nothing where it has done so before.

        The first worker that fails to start ends it. Nothing is left behind then, and it can be tried again. Once
        this has returned, starts that fail are tried again without it: see `PoolInfo.state`.

        Raises:
            BaseException: What kept a worker from getting ready: the worker module's own error, with
                its remote traceback as `__cause__`.
            WorkerStartError: A worker ended before it was ready, without an error of its own.
            WorkerCrashedError: A worker ended while others were yet to get ready.
            PoolNotStartedError: The pool has been destroyed.
        """
        await self._life.start()

    async def destroy(self) -> None:
        """Ends the pool: lets tasks finish for `tasks_finished_timeout`, cancels the rest, ends all workers.

        Takes at most about `destroy_timeout` seconds, and leaves no child, thread, descriptor, shared
        memory or temporary file behind. Idempotent, and safe to call concurrently.
        """
        await self._life.destroy()

    def _begun(self, driver: Driver) -> None:
        """The minimum of workers is ready: what a kind of pool does then."""

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
            PoolFailedError: No worker is ready, and none can be started.
            SerializationError: The function cannot be pickled.
            Exception: What loading the function raised in a worker, such as `ModuleNotFoundError`.
            RemoteError: Loading the function raised `SystemExit` or the like.
            WorkerCrashedError: Loading the function ended workers.
        """
        if check_name(name) == DEFAULT_TASK_NAME:
            raise ValueError(f"name {name!r} is reserved: it always means the default task function")
        declared = function if isinstance(function, TaskFunction) else TaskFunction(function)
        check_affinities([properties_of(name, declared)], self._options.max_size)
        await self._add_function(name, declared)

    async def _add_function(self, name: str, declared: TaskFunction, *, admitted: bool = False) -> None:
        await self._life.opened(admitted=admitted).functions.add(name, declared)
        self._calls.forget()

    async def remove_task_function(self, name: str) -> None:
        """Removes a task function. Its tasks that have been submitted still run.

        Raises:
            TypeError: `name` is not a string.
            ValueError: The name is empty, or is that of the default task function.
            UnknownTaskFunctionError: There is none of that name.
            PoolNotStartedError: The pool is not started, or is destroyed meanwhile.
            PoolFailedError: No worker is ready, and none can be started.
        """
        check_name(name)
        await self._life.opened().functions.remove(name)
        self._calls.forget()

    async def set_default_task_function(self, name: str) -> None:
        """Makes `name` the task function that runs when a call names none, for tasks submitted from then on.

        Raises:
            TypeError: `name` is not a string.
            ValueError: The name is empty or the reserved `"default"`.
            UnknownTaskFunctionError: There is none of that name.
            PoolNotStartedError: The pool is not started, or is destroyed meanwhile.
            PoolFailedError: No worker is ready, and none can be started.
        """
        if check_name(name) == DEFAULT_TASK_NAME:
            raise ValueError(f"name {name!r} is reserved; name the task function that is to be the default")
        await self._life.opened().functions.set_default(name)
        self._calls.forget()

    def list_task_functions_properties(self) -> list[TaskFunctionProperties]:
        """What is known of the task functions, the default one first; empty before the first worker is ready."""
        return self._scheduler.functions.properties()

    # ---- changes at run time ----------------------------------------------------------------------

    def set_worker_choice_strategy(
        self,
        strategy: WorkerChoiceStrategy | str | type[Any],
        options: WorkerChoiceStrategyOptions | Mapping[str, Any] | None = None,
    ) -> None:
        """Changes the worker choice strategy for tasks submitted from now on.

        O(workers), and for `least_used` O(workers x the different loads that they have).

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
        life = self._life
        return pool_info(
            self._scheduler,
            version=__version__,
            worker=self.kind,
            started=life.open is not None,
            lifetime=life.seconds,
            state=life.phase,
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
        return f"<{self._life.name} {self._life.state}>"

    @property
    def _driver(self) -> Driver | None:
        return self._life.driver


def _view_in(me: Callable[[], Pool[Any, Any] | None], node: Any) -> WorkerNode:
    pool = me()
    return WorkerNode(node, None) if pool is None else pool._view(node)


def _info_of(me: Callable[[], Pool[Any, Any] | None]) -> PoolInfo:
    pool = me()
    assert pool is not None, "the pool's handlers are gone before it is"
    return pool.info


def _tell_begun(me: Callable[[], Pool[Any, Any] | None], driver: Driver) -> None:
    pool = me()
    if pool is not None:
        pool._begun(driver)


for _base in (TaskRunner, MapRunner):
    for _name, _method in vars(_base).items():
        if isinstance(_method, FunctionType) and not _name.startswith("_"):
            # Python names a method by this where its arguments are wrong, and what users know is a pool.
            _method.__qualname__ = f"{Pool.__qualname__}.{_name}"
            _method.__module__ = Pool.__module__
