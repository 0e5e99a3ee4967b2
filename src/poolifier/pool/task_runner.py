"""Ways to run tasks: one, or one that yields a stream of items."""

# A function that may come without data comes with its name, which no overload can say where data is optional.
# pyright: reportInvalidTypeVarUse=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from poolifier.errors import UnsupportedError
from poolifier.option_checks import check_count
from poolifier.pool.calls import Calls
from poolifier.pool.future import TaskFuture
from poolifier.pool.streams import DEFAULT_BUFFER, Feed, TaskStream
from poolifier.scheduler.task import Task, TaskExtra
from poolifier.task_functions import TaskFunction
from poolifier.wire.shared_buffer import SharedBuffer, check_transfer

if TYPE_CHECKING:
    from typing import Unpack, overload

    from poolifier.pool.call_keywords import ExecuteKeywords, StreamKeywords
    from poolifier.pool.call_signatures import Async, AsyncAlone, Generating, GeneratingAlone, Plain, PlainAlone
    from poolifier.signatures import DataT, GivenT, ResponseT, ResultT
else:
    from typing import TypeVar

    DataT = TypeVar("DataT")
    ResponseT = TypeVar("ResponseT")

__all__ = ["DataT", "ResponseT", "TaskRunner"]


class TaskRunner(Generic[DataT, ResponseT]):
    """Runs task functions on workers, off the event loop: what a pool is to those who submit.

    Args:
        calls: Tells what a call means.
        carry: Turns the data of a call into what its task is given, where that is not the data itself.
    """

    kind: ClassVar[str]

    def __init__(self, calls: Calls, carry: Callable[[Any], Any] | None) -> None:
        self._called = calls.check
        self._call = calls.execute
        self._call_admitted = calls.execute_admitted
        self._carry = carry

    if TYPE_CHECKING:

        @overload
        def execute(
            self, data: DataT | None = None, name: str | None = None, **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResponseT]: ...
        @overload
        def execute(
            self, data: GivenT, name: Async[GivenT, ResultT], **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResultT]: ...
        @overload
        def execute(
            self, data: GivenT, name: Plain[GivenT, ResultT], **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResultT]: ...
        @overload
        def execute(
            self, data: None = None, name: AsyncAlone[ResultT] = ..., **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResultT]: ...
        @overload
        def execute(
            self, data: None = None, name: PlainAlone[ResultT] = ..., **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResultT]: ...

    def execute(
        self,
        data: Any = None,
        name: str | Callable[..., Any] | TaskFunction | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        transfer: Sequence[SharedBuffer] = (),
    ) -> TaskFuture[Any]:
        """Runs a task function on a worker; returns an awaitable future at once.

        Without `data` a task function that can be called without an argument is; other functions get None.
        The data is pickled and its buffers are copied when the task is sent, not before, so it should not
        be changed while the task runs.

        A function that is given in place of its name is one of those that the pool was given as objects, when
        it was created or by `add_task_function`: the same object, or an equal one, as bound methods of one
        object are. It means the name that it has in the pool: of several the default one, or else the first.
        Where workers load their functions from a file or an import string, it is the function that is defined
        in the same place as one of theirs. So it must be one that can be imported: lambdas, closures and
        methods of objects have to be called by name there.

        Args:
            data: What the function gets.
            name: Which function: its name, the function itself, or the `TaskFunction` that declares it; None
                for the default one. Given the function, type checkers know what it takes and returns.
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
            UnknownTaskFunctionError: No function has that name, or the pool does not have that function.
            TypeError: An argument has the wrong type.
            ValueError: An argument is out of range, or a buffer to transfer was released or given away before.
            UnsupportedError: Workers of this kind can be given no buffers.

        The future raises what the function raised, with its remote traceback as text in `__cause__`;
        `TaskTimeoutError` where it ran too long; `WorkerCrashedError` where the worker died while it ran
        the task (`PoisonTaskError` where it did so on every retry); `SerializationError` where data or
        result cannot be pickled; and `asyncio.CancelledError` where it was cancelled, which aborts the task.
        """
        given = data
        if transfer:
            # What is refused gives nothing away.
            self._called(name, timeout, priority)
            check_count("retries", retries, 0)
            given = self._transferred(data, check_transfer(transfer))
        return self._call(given, name, timeout, retries, priority)

    if TYPE_CHECKING:

        @overload
        async def submit(
            self, data: DataT | None = None, name: str | None = None, **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResponseT]: ...
        @overload
        async def submit(
            self, data: GivenT, name: Async[GivenT, ResultT], **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResultT]: ...
        @overload
        async def submit(
            self, data: GivenT, name: Plain[GivenT, ResultT], **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResultT]: ...
        @overload
        async def submit(
            self, data: None = None, name: AsyncAlone[ResultT] = ..., **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResultT]: ...
        @overload
        async def submit(
            self, data: None = None, name: PlainAlone[ResultT] = ..., **options: Unpack[ExecuteKeywords]
        ) -> TaskFuture[ResultT]: ...

    async def submit(
        self,
        data: Any = None,
        name: str | Callable[..., Any] | TaskFunction | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        transfer: Sequence[SharedBuffer] = (),
    ) -> TaskFuture[Any]:
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
        given = data
        if transfer:
            self._called(name, timeout, priority, admitted=True)
            given = self._transferred(data, check_transfer(transfer))
        # It was here before the pool was left, should it be left by now.
        return self._call_admitted(given, name, timeout, retries, priority)

    if TYPE_CHECKING:

        @overload
        def stream(
            self, data: DataT | None = None, name: str | None = None, **options: Unpack[StreamKeywords]
        ) -> TaskStream[ResponseT]: ...
        @overload
        def stream(
            self, data: GivenT, name: Generating[GivenT, ResultT], **options: Unpack[StreamKeywords]
        ) -> TaskStream[ResultT]: ...
        @overload
        def stream(
            self, data: None = None, name: GeneratingAlone[ResultT] = ..., **options: Unpack[StreamKeywords]
        ) -> TaskStream[ResultT]: ...

    def stream(
        self,
        data: Any = None,
        name: str | Callable[..., Any] | TaskFunction | None = None,
        *,
        timeout: float | None = None,
        priority: int | None = None,
        buffer: int = DEFAULT_BUFFER,
    ) -> TaskStream[Any]:
        """Runs a generator or an async generator on a worker; returns an async iterator over what it yields.

        It starts at once, and is one task from its beginning to its end, in which it occupies its place on
        the worker. There it stands still while it is `buffer` items ahead of what has been read.

        Leaving it early stops the generator, whose `finally` runs: by `break` or an error out of `async
        for item in pool.stream(...)`, or with `contextlib.aclosing` where a variable holds the stream.

        Args:
            data: What the function gets; see `execute`.
            name: Which function; see `execute`.
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
        feed = Feed(driver, check_count("buffer", buffer, 1), function.name)
        carried = data if self._carry is None else self._carry(data)
        task = feed.task = Task(driver.callers.admit(carried, feed), function, nice)
        task.extra = TaskExtra(0, limit, buffer)
        driver.submit(task)
        if not feed.ended:
            driver.consumers.add(feed)
        return TaskStream(feed, self)

    def _transferred(self, data: Any, shared: list[SharedBuffer]) -> Any:  # noqa: ARG002 - kinds that can override it
        """What carries the data of a task that is given buffers."""
        raise UnsupportedError(f"transfer must be empty for {self.kind} workers: they can be given no buffers")
