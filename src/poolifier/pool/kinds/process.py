"""Pools of child processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from poolifier.options import PoolOptions, ProcessOptions, check_sizes
from poolifier.pool.base import DataT, Pool, ResponseT
from poolifier.pool.kinds.arguments import OF_PROCESSES, WorkerArgument, check_range, split_options
from poolifier.pool.kinds.keywords import ProcessPoolKeywords
from poolifier.protocols import Backend
from poolifier.wire.shared_buffer import SharedBuffer, Transferred
from poolifier.worker.source import WorkerSource

if TYPE_CHECKING:
    from typing import overload

    from poolifier.pool.kinds.arguments import OneFunction, OtherWorker
    from poolifier.signatures import AsyncOrGenerator

__all__ = ["DynamicProcessPool", "FixedProcessPool"]


class _ProcessPool(Pool[DataT, ResponseT]):
    """A pool whose workers are child processes."""

    kind = "process"

    def __init__(
        self, sizes: tuple[int, int], worker: WorkerArgument, options: Mapping[str, Any], *, dynamic: bool
    ) -> None:
        common, own = split_options(type(self), options, OF_PROCESSES)
        checked = PoolOptions.checked(sizes=sizes, dynamic=dynamic, **common)
        process_options = ProcessOptions(**own)
        source = WorkerSource.from_argument(worker, checked.name)

        def create_backend() -> Backend:
            # Imported here, so that a pool of another kind does not import what only this one needs.
            from poolifier.backends.process.backend import ProcessBackend

            return ProcessBackend(
                source,
                process_options,
                checked.initializer,
                checked.initargs,
                checked.name,
                checked.destroy_timeout,
            )

        super().__init__(source, checked, create_backend)

    def _transferred(self, data: Any, shared: list[SharedBuffer]) -> Any:
        return Transferred(data, shared)


class FixedProcessPool(_ProcessPool[DataT, ResponseT]):
    """Runs tasks on a fixed number of child processes.

    Args:
        n: The number of workers, at least 1.
        worker: The task functions: a `Worker`, a callable, a mapping of names to callables, a Python
            file (`"workers.py"`) or an import string (`"package.module"`, `"package.module:name"`).
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, n: int, worker: AsyncOrGenerator[DataT, ResponseT], **options: Unpack[ProcessPoolKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self, n: int, worker: OneFunction[DataT, ResponseT], **options: Unpack[ProcessPoolKeywords]
        ) -> None: ...
        @overload
        def __init__(self, n: int, worker: OtherWorker[ResponseT], **options: Unpack[ProcessPoolKeywords]) -> None: ...

    def __init__(self, n: int, worker: WorkerArgument, **options: Unpack[ProcessPoolKeywords]) -> None:
        super().__init__(check_sizes(n), worker, options, dynamic=False)


class DynamicProcessPool(_ProcessPool[DataT, ResponseT]):
    """Runs tasks on `min` to `max` child processes: more when all are busy, fewer when they have been idle.

    Args:
        min: The number of workers that are always there, at least 0.
        max: The most workers there may be.
        worker: The task functions; see `FixedProcessPool`.
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, min: int, max: int, worker: AsyncOrGenerator[DataT, ResponseT], **options: Unpack[ProcessPoolKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self, min: int, max: int, worker: OneFunction[DataT, ResponseT], **options: Unpack[ProcessPoolKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self, min: int, max: int, worker: OtherWorker[ResponseT], **options: Unpack[ProcessPoolKeywords]
        ) -> None: ...

    def __init__(
        self,
        min: int,  # noqa: A002
        max: int,  # noqa: A002
        worker: WorkerArgument,
        **options: Unpack[ProcessPoolKeywords],
    ) -> None:
        super().__init__(check_range(min, max), worker, options, dynamic=True)
