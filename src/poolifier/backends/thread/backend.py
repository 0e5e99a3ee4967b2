"""Workers that are threads of this process: nothing is copied, and nothing is protected from anything."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

from poolifier.backends.thread.channel import ThreadChannel
from poolifier.exchange import WorkerSettings
from poolifier.protocols import WorkerListener
from poolifier.worker.source import WorkerSource

__all__ = ["ThreadBackend"]

_PATIENCE: Final = 0.2
"""Seconds that `close` gives abandoned threads to leave."""

_logger = logging.getLogger("poolifier")


class ThreadBackend:
    """A `Backend` whose workers are threads. Making one does nothing.

    Args:
        source: Where the task functions come from.
        initializer: Called in each thread before it is ready.
        initargs: What it is called with.
        grace: Seconds that a thread which is to be killed has to stop what it does.
        thread_name: Names the thread of the worker of that number.
        pool: The name of the pool.

    Attributes:
        listener: Who is told what happens.
        grace: As given.
        pool: As given.
    """

    def __init__(
        self,
        source: WorkerSource,
        initializer: Callable[..., object] | None = None,
        initargs: Sequence[Any] = (),
        grace: float = 1.0,
        thread_name: Callable[[int], str] = "poolifier-{}".format,
        pool: str | None = None,
    ) -> None:
        self.listener: WorkerListener
        self.grace = grace
        self.pool = pool
        self._source = source
        self._initializer = initializer
        self._initargs = tuple(initargs)
        self._thread_name = thread_name
        self._channels: dict[int, ThreadChannel] = {}
        self._abandoned: list[threading.Thread] = []
        self._started = False

    async def start(self, listener: WorkerListener) -> None:
        """Prepares for workers, on the running event loop."""
        self.listener = listener
        self._started = True

    def start_worker(self, worker_id: int, slot: int, settings: WorkerSettings) -> ThreadChannel:  # noqa: ARG002
        """Starts a thread; `worker_ready` or `worker_exited` follows.

        Raises:
            OSError: The system has no room for it.
            RuntimeError: The backend has not been started, or has been closed.
        """
        if not self._started:
            raise RuntimeError("the backend has not been started, or has been closed")
        name = self._thread_name(worker_id)
        channel = ThreadChannel(self, worker_id, name, self._source, settings, self._initializer, self._initargs)
        self._channels[worker_id] = channel
        return channel

    def carry_function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ARG002
        """The function itself."""
        return function

    async def close(self) -> None:
        """Lets go of all threads, and waits a moment for them to be gone. Says which are not."""
        self._started = False
        for channel in list(self._channels.values()):
            channel.abandon()
        deadline = monotonic() + _PATIENCE
        while (left := [thread for thread in self._abandoned if thread.is_alive()]) and monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # nothing tells of the last step of a thread
        self._abandoned = left
        if left:
            names = ", ".join(thread.name for thread in left)
            _logger.warning(
                "threads that cannot be stopped go on after the pool's end, until their code ends: %s", names
            )

    def channel_ended(self, worker_id: int, abandoned: threading.Thread | None) -> None:
        """A channel of this backend has closed; its thread may still be there."""
        del self._channels[worker_id]
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        if abandoned is not None:
            self._abandoned.append(abandoned)
