"""Pools of threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from typing import Any

from poolifier.exchange import InContext
from poolifier.options import PoolOptions, check_sizes
from poolifier.pool.base import DataT, Pool, ResponseT
from poolifier.pool.future import TaskFuture
from poolifier.pool.kinds.arguments import WorkerArgument, check_range, split_options
from poolifier.pool.kinds.unsupported import check_supported
from poolifier.pool.streams import DEFAULT_BUFFER, TaskStream
from poolifier.protocols import Backend
from poolifier.wire.shared_buffer import SharedBuffer, handed_over
from poolifier.worker.source import WorkerSource

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
        source = WorkerSource.from_argument(worker)

        def create_backend() -> Backend:
            # Imported here, so that a pool of another kind does not import what only this one needs.
            from poolifier.backends.thread.backend import ThreadBackend

            return ThreadBackend(source, checked.initializer, checked.initargs, checked.abort_grace)

        super().__init__(source, checked, create_backend)

    # Workers here can run a task in the context of its caller, so it goes with the data. Other kinds, for
    # which nothing of this is done, do not pay for it.

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
        """Runs a task function in a worker thread, in a copy of the caller's `contextvars` context.

        The data is passed by reference, and so is the result. Buffers to `transfer` must be the data or be in
        lists, tuples and dictionaries of it: those are copied, with other objects for the buffers, so that the
        caller's cannot be used while the task's can. Otherwise as `Pool.execute`.
        """
        carried: Any = InContext(copy_context(), data)
        return super().execute(carried, name, timeout=timeout, retries=retries, priority=priority, transfer=transfer)

    def stream(
        self,
        data: DataT | None = None,
        name: str | None = None,
        *,
        timeout: float | None = None,
        priority: int | None = None,
        buffer: int = DEFAULT_BUFFER,
    ) -> TaskStream[ResponseT]:
        """Runs a generator in a worker thread, in a copy of the caller's context. Otherwise as `Pool.stream`."""
        carried: Any = InContext(copy_context(), data)
        return super().stream(carried, name, timeout=timeout, priority=priority, buffer=buffer)

    def _transferred(self, data: Any, shared: list[SharedBuffer]) -> Any:
        data.data = handed_over(data.data, shared)
        return data

    def _carrier(self) -> Callable[[Any], Any]:
        context = copy_context()
        # A copy for each task, for two of them may run at once.
        return lambda data: InContext(context.copy(), data)


class FixedThreadPool(_ThreadPool[DataT, ResponseT]):
    """Runs tasks on a fixed number of threads of this process. Data and results pass by reference.

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

    def __init__(self, n: int, worker: WorkerArgument, **options: Any) -> None:
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

    def __init__(self, min: int, max: int, worker: WorkerArgument, **options: Any) -> None:  # noqa: A002
        super().__init__(check_range(min, max), worker, options, dynamic=True)
