"""Pools of sub-interpreters of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack
from weakref import ref

from poolifier.options import PoolOptions, check_sizes
from poolifier.pool.base import DataT, Pool, ResponseT
from poolifier.pool.kinds.arguments import WorkerArgument, check_range, split_options
from poolifier.pool.kinds.keywords import PoolKeywords
from poolifier.pool.kinds.unsupported import check_supported
from poolifier.protocols import Backend
from poolifier.wire.shared_buffer import SharedBuffer, Transferred
from poolifier.worker.source import WorkerSource

if TYPE_CHECKING:
    from typing import overload

    from poolifier.pool.kinds.arguments import OneFunction, OtherWorker
    from poolifier.signatures import AsyncOrGenerator

__all__ = ["DynamicInterpreterPool", "FixedInterpreterPool"]


class _InterpreterPool(Pool[DataT, ResponseT]):
    """A pool whose workers are sub-interpreters of this process."""

    kind = "interpreter"

    def __init__(
        self, sizes: tuple[int, int], worker: WorkerArgument, options: Mapping[str, Any], *, dynamic: bool
    ) -> None:
        common, _ = split_options(type(self), options, frozenset())
        checked = PoolOptions.checked(sizes=sizes, dynamic=dynamic, **common)
        # Imported here, so that a pool of another kind does not import what only this one needs.
        from poolifier.backends.interpreter.support import interpreters_module

        interpreters_module()
        check_supported(self.kind, checked)
        # Executors have names of their own. Threads have this, and so it must not lead to the options.
        name = checked.name
        self._thread_name: Callable[[int], str] = lambda worker_id: f"poolifier: {name} worker {worker_id}"
        source = WorkerSource.from_argument(worker, checked.name)

        me = ref(self)

        def create_backend() -> Backend:
            pool = me()
            assert pool is not None, "it is being started"
            from poolifier.backends.interpreter.backend import InterpreterBackend

            return InterpreterBackend(
                source, checked.initializer, checked.initargs, checked.abort_grace, pool._thread_name
            )

        super().__init__(source, checked, create_backend)

    def _transferred(self, data: Any, shared: list[SharedBuffer]) -> Any:
        return Transferred(data, shared)


class FixedInterpreterPool(_InterpreterPool[DataT, ResponseT]):
    """Runs tasks on a fixed number of sub-interpreters of this process, each with its own GIL (PEP 734).

    Needs Python 3.14, or Python 3.13 with the extra `poolifier[interpreters]`. Data and results are copied,
    as between processes, large ones through shared memory. An interpreter that cannot be stopped (it is in C
    code, say, or ignores `TaskAborted`) is abandoned and replaced after `abort_grace`.

    Args:
        n: The number of workers, at least 1.
        worker: The task functions: a `Worker`, a callable, a mapping of names to callables, a Python
            file (`"workers.py"`) or an import string (`"package.module"`, `"package.module:name"`).
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
        UnsupportedError: There are no sub-interpreters here, or they cannot do that.
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


class DynamicInterpreterPool(_InterpreterPool[DataT, ResponseT]):
    """Runs tasks on `min` to `max` sub-interpreters: more when all are busy, fewer when they have been idle.

    Args:
        min: The number of workers that are always there, at least 0.
        max: The most workers there may be.
        worker: The task functions; see `FixedInterpreterPool`.
        options: See the reference of options.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
        UnsupportedError: There are no sub-interpreters here, or they cannot do that.
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
