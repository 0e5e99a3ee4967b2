"""Pools of Ray actors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack

from poolifier.backends.ray.options import RayOptions
from poolifier.options import PoolOptions, check_sizes
from poolifier.pool.base import DataT, Pool, ResponseT
from poolifier.pool.kinds.arguments import WorkerArgument, check_range, split_options
from poolifier.pool.kinds.keywords import RayPoolKeywords
from poolifier.pool.kinds.unsupported import check_supported
from poolifier.protocols import Backend
from poolifier.worker.source import WorkerSource

if TYPE_CHECKING:
    from typing import overload

    from poolifier.pool.kinds.arguments import OneFunction, OtherWorker
    from poolifier.signatures import AsyncOrGenerator

__all__ = ["DynamicRayPool", "FixedRayPool"]

_OWN: Final = frozenset({"ray_options"})


class _RayPool(Pool[DataT, ResponseT]):
    """A pool whose workers are Ray actors."""

    kind = "ray"
    # A call of an actor there and back takes about so long.
    ahead: ClassVar[float] = 0.002

    def __init__(
        self, sizes: tuple[int, int], worker: WorkerArgument, options: Mapping[str, Any], *, dynamic: bool
    ) -> None:
        common, own = split_options(type(self), options, _OWN)
        checked = PoolOptions.checked(sizes=sizes, dynamic=dynamic, **common)
        check_supported(self.kind, checked)
        ray_options = RayOptions.checked(own.get("ray_options"))
        source = WorkerSource.from_argument(worker, checked.name)

        def create_backend() -> Backend:
            # Imported here, so that a pool of another kind does not import what only this one needs.
            from poolifier.backends.ray.backend import RayBackend

            return RayBackend(source, ray_options, checked.initializer, checked.initargs)

        super().__init__(source, checked, create_backend)


class FixedRayPool(_RayPool[DataT, ResponseT]):
    """Runs tasks on a fixed number of Ray actors, on whichever machines of the cluster Ray places them.

    Needs Ray: `pip install 'poolifier[ray]'`.

    Args:
        n: The number of workers, at least 1.
        worker: The task functions: a `Worker`, a callable, a mapping of names to callables, an import
            string (`"package.module"`, `"package.module:name"`) or a Python file (`"workers.py"`),
            which must be there on every machine.
        options: See the reference of options. `ray_options` is a mapping of `address` and `namespace`, as for
            `ray.init`, and of what each actor is to have: `num_cpus`, `num_gpus`, `memory`, `resources`,
            `accelerator_type`, `label_selector`, `runtime_env` and `scheduling_strategy`.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
        UnsupportedError: On start: Ray is not installed.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, n: int, worker: AsyncOrGenerator[DataT, ResponseT], **options: Unpack[RayPoolKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self, n: int, worker: OneFunction[DataT, ResponseT], **options: Unpack[RayPoolKeywords]
        ) -> None: ...
        @overload
        def __init__(self, n: int, worker: OtherWorker[ResponseT], **options: Unpack[RayPoolKeywords]) -> None: ...

    def __init__(self, n: int, worker: WorkerArgument, **options: Unpack[RayPoolKeywords]) -> None:
        super().__init__(check_sizes(n), worker, options, dynamic=False)


class DynamicRayPool(_RayPool[DataT, ResponseT]):
    """Runs tasks on `min` to `max` Ray actors: more when all are busy, fewer when they have been idle.

    Args:
        min: The number of workers that are always there, at least 0.
        max: The most workers there may be.
        worker: The task functions; see `FixedRayPool`.
        options: See the reference of options, and `FixedRayPool`.

    Raises:
        TypeError: An argument has the wrong type, or there is no such option.
        ValueError: An argument has a wrong value.
        UnsupportedError: On start: Ray is not installed.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, min: int, max: int, worker: AsyncOrGenerator[DataT, ResponseT], **options: Unpack[RayPoolKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self, min: int, max: int, worker: OneFunction[DataT, ResponseT], **options: Unpack[RayPoolKeywords]
        ) -> None: ...
        @overload
        def __init__(
            self, min: int, max: int, worker: OtherWorker[ResponseT], **options: Unpack[RayPoolKeywords]
        ) -> None: ...

    def __init__(
        self,
        min: int,  # noqa: A002
        max: int,  # noqa: A002
        worker: WorkerArgument,
        **options: Unpack[RayPoolKeywords],
    ) -> None:
        super().__init__(check_range(min, max), worker, options, dynamic=True)
