"""Workers that are Ray actors. This module does not need Ray; it imports what does once it is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from poolifier.backends.launch import CarriedFunction, Launch
from poolifier.backends.ray.options import RayOptions
from poolifier.errors import UnsupportedError, WorkerStartError
from poolifier.exchange import WorkerSettings
from poolifier.protocols import WorkerListener
from poolifier.wire import codec
from poolifier.wire.scripts.definitions import Definitions
from poolifier.worker.loading import check_loaded
from poolifier.worker.source import WorkerSource

if TYPE_CHECKING:
    from poolifier.backends.ray.channel import RayChannel

__all__ = ["RayBackend", "check_installed"]

_PATIENCE: Final = 5.0
"""Seconds that `close` gives killed actors to be gone."""

_LOOK: Final = 0.25
"""Seconds between two looks at the connection, of whose end Ray tells nobody."""

_PENDING: Final = 10.0
"""Seconds after which a worker that Ray has found no place for is worth a word."""

_logger = logging.getLogger("poolifier")


def check_installed() -> None:
    """Raises `UnsupportedError` where there is no Ray. Imports nothing."""
    if find_spec("ray") is None:
        raise UnsupportedError("Ray pools need Ray, which is not installed: pip install 'poolifier[ray]'")


class RayBackend:
    """A `Backend` whose workers are Ray actors. Making one does no I/O.

    Args:
        source: Where the task functions come from.
        options: Which cluster, and what the actors are to have.
        initializer: Called in each worker before it is ready.
        initargs: What it is called with.

    Attributes:
        listener: Who is told what happens.
    """

    def __init__(
        self,
        source: WorkerSource,
        options: RayOptions,
        initializer: Callable[..., object] | None = None,
        initargs: Sequence[Any] = (),
    ) -> None:
        self.listener: WorkerListener
        self.definitions: Definitions
        self._source = source
        self._options = options
        self._initializer = initializer
        self._initargs = tuple(initargs)
        self._launch: Launch
        self._actors: Any = None
        self._channels: dict[int, RayChannel] = {}
        self._pending: dict[int, asyncio.TimerHandle] = {}
        self._connected = False
        self._connections: list[str] = []
        self._looking: asyncio.TimerHandle | None = None

    async def start(self, listener: WorkerListener) -> None:
        """Connects to the cluster, unless this program is connected.

        Raises:
            SerializationError: The worker or the initializer cannot be pickled.
            UnsupportedError: Ray is not installed.
            ConnectionError: There is no such cluster.
            TypeError: Ray refuses an option.
            ValueError: Likewise.
            RuntimeError: This is a worker, which is still importing what it runs.
        """
        check_loaded()
        check_installed()
        self._launch = Launch(self._source, self._initializer, self._initargs, everywhere=True)
        self.definitions = self._launch.definitions
        self._launch.payload()
        self.listener = listener
        connection, self._actors = await _in_thread(self._connect, undo=lambda made: _disconnect([made[0]]))
        self._connections.append(connection)
        self._connected = True
        self._look()

    def start_worker(self, worker_id: int, slot: int, settings: WorkerSettings) -> RayChannel:  # noqa: ARG002
        """Has Ray start an actor; `worker_ready` or `worker_exited` follows.

        Raises:
            WorkerStartError: Ray refuses it, or the program has ended its connection to Ray, and made no other.
            RuntimeError: The backend has not been started, or has been closed.
        """
        if not self._connected:
            raise RuntimeError("the backend has not been started, or has been closed")
        from poolifier.backends.ray.channel import RayChannel
        from poolifier.backends.ray.connection import LOST

        if not self._reconnected():
            raise WorkerStartError(f"worker {worker_id} cannot be started: {LOST}", worker_id=worker_id)
        launch, settings = self._launch.begin(settings)
        defined = self.definitions.last
        try:
            actor = self._actors.remote(launch, settings, self.definitions.since(0))
        except Exception as error:
            raise WorkerStartError(
                f"Ray does not start worker {worker_id}: {codec.describe(error)}", worker_id=worker_id
            ) from error
        channel = self._channels[worker_id] = RayChannel(self, worker_id, actor, self._connections[-1], defined)
        self._pending[worker_id] = asyncio.get_running_loop().call_later(_PENDING, self._still_pending, worker_id)
        return channel

    def carry_function(self, name: str, function: Callable[..., Any]) -> CarriedFunction:
        """Pickles a task function.

        Raises:
            SerializationError: It cannot be pickled; says why.
        """
        return self._launch.carry(name, function)

    async def close(self) -> None:
        """Kills what is left of the actors, and ends the connection if pools alone have needed it."""
        if not self._connected:
            return
        self._connected = False
        if self._looking is not None:
            self._looking.cancel()
        for channel in self._channels.values():
            channel.kill()
        deadline = monotonic() + _PATIENCE
        while self._channels and monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await _in_thread(lambda: _disconnect(self._connections))

    def channel_ended(self, worker_id: int) -> None:
        """A channel of this backend has closed."""
        del self._channels[worker_id]
        self._pending.pop(worker_id).cancel()

    def _look(self) -> None:
        """Gives up the workers whose connection has gone."""
        for channel in list(self._channels.values()):
            channel.check_connection()
        self._looking = asyncio.get_running_loop().call_later(_LOOK, self._look)

    def _reconnected(self) -> bool:
        """Whether there is a connection: where the program has ended one and made another, that is used from now on."""
        from poolifier.backends.ray.connection import adopt, connection_id

        connection = connection_id()
        if connection and connection != self._connections[-1]:
            connection = adopt()
            if connection:
                self._connections.append(connection)
                self._actors = self._define()
        return bool(connection)

    def _connect(self) -> tuple[str, Any]:
        from poolifier.backends.ray.connection import connect

        connection = connect(self._options)
        try:
            return connection, self._define()
        except BaseException:
            _disconnect([connection])
            raise

    def _define(self) -> Any:
        """The actors, as Ray is to make them. What it knows of them ends with the connection."""
        import ray

        from poolifier.backends.ray.actor import CALLS, PoolActor

        # A worker that is gone is replaced by the pool, which knows what it ran.
        return ray.remote(PoolActor).options(
            **self._options.actor, max_concurrency=CALLS + 1, max_restarts=0, max_task_retries=0
        )

    def _still_pending(self, worker_id: int) -> None:
        channel = self._channels.get(worker_id)
        if channel is not None and channel.pid is None:
            _logger.warning(
                "worker %d is not ready after %d s: Ray may have no room for an actor with %r",
                worker_id,
                _PENDING,
                dict(self._options.actor),
            )


def _disconnect(connections: Sequence[str]) -> None:
    from poolifier.backends.ray.connection import disconnect

    for connection in connections:
        disconnect(connection)


async def _in_thread(function: Callable[[], Any], undo: Callable[[Any], object] | None = None) -> Any:
    """Runs what takes long in a thread that does not outlive it; where nobody waits for it any more, undoes it."""
    executor = ThreadPoolExecutor(1, "poolifier-ray")
    future = executor.submit(function)
    try:
        result = await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if undo is not None:
            future.add_done_callback(
                lambda done: undo(done.result()) if not done.cancelled() and done.exception() is None else None
            )
        executor.shutdown(wait=False)
        raise
    except BaseException:
        executor.shutdown()
        raise
    executor.shutdown()
    return result
