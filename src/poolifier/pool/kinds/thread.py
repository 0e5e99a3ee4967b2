"""Pools of threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Unpack
from weakref import ref

from poolifier.exchange import InContext
from poolifier.options import PoolOptions, check_sizes
from poolifier.pool.base import DataT, Pool, ResponseT
from poolifier.pool.kinds.arguments import WorkerArgument, check_range, split_options
from poolifier.pool.kinds.keywords import PoolKeywords
from poolifier.pool.kinds.unsupported import check_supported
from poolifier.protocols import Backend
from poolifier.wire.shared_buffer import SharedBuffer, handed_over
from poolifier.worker.source import WorkerSource

if TYPE_CHECKING:
    from typing import overload

    from poolifier.pool.driver import Driver
    from poolifier.pool.kinds.arguments import OneFunction, OtherWorker
    from poolifier.signatures import AsyncOrGenerator

__all__ = ["DynamicThreadPool", "FixedThreadPool"]


class _ThreadPool(Pool[DataT, ResponseT]):
    """A pool whose workers are threads of this process."""

    kind = "thread"

    def __init__(
        self, sizes: tuple[int, int], worker: WorkerArgument, options: Mapping[str, Any], *, dynamic: bool
    ) -> None:
        common, _ = split_options(type(self), options, frozenset())
        checked = PoolOptions.checked(sizes=sizes, dynamic=dynamic, **common)
        check_supported(self.kind, checked)
        # Executors have names of their own. Threads have this, and so it must not lead to the options.
        name = checked.name
        self._thread_name: Callable[[int], str] = lambda worker_id: f"poolifier: {name} worker {worker_id}"
        source = WorkerSource.from_argument(worker, checked.name)

        me = ref(self)

        def create_backend() -> Backend:
            pool = me()
            assert pool is not None, "it is being started"
            # Imported here, so that a pool of another kind does not import what only this one needs.
            from poolifier.backends.thread.backend import ThreadBackend

            return ThreadBackend(
                source, checked.initializer, checked.initargs, checked.abort_grace, pool._thread_name, name
            )

        super().__init__(source, checked, create_backend, _with_context)

    def _begun(self, driver: Driver) -> None:
        from poolifier.pool.own_waits import watch_own_waits

        watch_own_waits(self, driver)

    def _transferred(self, data: Any, shared: list[SharedBuffer]) -> Any:
        return handed_over(data, shared)

    def _carrier(self) -> Callable[[Any], Any]:
        context = copy_context()
        # A copy for each task, for two of them may run at once.
        return lambda data: InContext(context.copy(), data)


class FixedThreadPool(_ThreadPool[DataT, ResponseT]):
    """Runs tasks on a fixed number of threads of this process, each in a copy of its caller's `contextvars` context.

    Data and results pass by reference. Buffers to `transfer` must be the data or be in lists, tuples and
    dictionaries of it: those are copied, with other objects for the buffers, so that the caller's cannot be
    used while the task's can.

    A thread that cannot be stopped (it is in C code, say, or ignores `TaskAborted`) is abandoned and
    replaced after `abort_grace`. Threads are daemons: the interpreter ends without waiting for them.

    Args:
        n: The number of workers, at least 1.
        worker: The task functions: a `Worker`, a callable, a mapping of names to callables, a Python
            file (`"workers.py"`) or an import string (`"package.module"`, `"package.module:name"`).
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
        UnsupportedError: Threads cannot do that.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, n: int, worker: AsyncOrGenerator[DataT, ResponseT], **options: Unpack[PoolKeywords]
        ) -> None: ...
        @overload
        def __init__(self, n: int, worker: OneFunction[DataT, ResponseT], **options: Unpack[PoolKeywords]) -> None: ...
        @overload
        def __init__(self, n: int, worker: OtherWorker[ResponseT], **options: Unpack[PoolKeywords]) -> None: ...

    def __init__(self, n: int, worker: WorkerArgument, **options: Unpack[PoolKeywords]) -> None:
        super().__init__(check_sizes(n), worker, options, dynamic=False)


class DynamicThreadPool(_ThreadPool[DataT, ResponseT]):
    """Runs tasks on `min` to `max` threads: more when all are busy, fewer when they have been idle.

    Args:
        min: The number of workers that are always there, at least 0.
        max: The most workers there may be.
        worker: The task functions; see `FixedThreadPool`.
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
        UnsupportedError: Threads cannot do that.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, min: int, max: int, worker: AsyncOrGenerator[DataT, ResponseT], **options: Unpack[PoolKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self, min: int, max: int, worker: OneFunction[DataT, ResponseT], **options: Unpack[PoolKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self, min: int, max: int, worker: OtherWorker[ResponseT], **options: Unpack[PoolKeywords]
        ) -> None: ...

    def __init__(
        self,
        min: int,  # noqa: A002
        max: int,  # noqa: A002
        worker: WorkerArgument,
        **options: Unpack[PoolKeywords],
    ) -> None:
        super().__init__(check_range(min, max), worker, options, dynamic=True)


def _with_context(data: Any) -> Any:
    """With the context of the caller: workers of other kinds could not run a task in that."""
    context = copy_context()
    # An empty one is what a worker makes by itself, and costs less.
    return InContext(context, data) if context else data
