"""Workers that are sub-interpreters of this process: nothing is shared, though all is in one place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

from poolifier.backends.copier import Copier
from poolifier.backends.inheritance import Inheritance
from poolifier.backends.interpreter.channel import InterpreterChannel
from poolifier.backends.interpreter.host import InterpreterHost
from poolifier.backends.interpreter.support import interpreters_module
from poolifier.backends.launch import CarriedFunction, Launch
from poolifier.backends.portions import Portions
from poolifier.backends.request_server import RequestServer
from poolifier.exchange import WorkerSettings
from poolifier.protocols import WorkerListener
from poolifier.wire.scripts.definitions import Definitions
from poolifier.wire.sockets import Socket, socket_pair
from poolifier.worker.ledger import Ledger, create_ledger
from poolifier.worker.loading import check_loaded
from poolifier.worker.source import WorkerSource

__all__ = ["InterpreterBackend"]

_PATIENCE: Final = 0.2
"""Seconds that `close` gives abandoned workers to leave."""

_CLOSING: Final = 3.0
"""Seconds that it gives interpreters whose workers have left to be closed, which takes as long as it takes."""

_logger = logging.getLogger("poolifier")


class InterpreterBackend:
    """A `Backend` whose workers are sub-interpreters. Making one does nothing.

    Args:
        source: Where the task functions come from.
        initializer: Called in each worker before it is ready.
        initargs: What it is called with.
        grace: Seconds that a worker which is to be killed has to stop what it does.
        thread_name: Names the thread of the worker of that number.

    Attributes:
        listener: Who is told what happens.
        portions: What is taken in a turn of the event loop of all that the workers say.
        definitions: What the program's scripts define, as far as workers need it.
        copier: Makes what copies of large data take long.
        grace: As given.
    """

    def __init__(
        self,
        source: WorkerSource,
        initializer: Callable[..., object] | None = None,
        initargs: Sequence[Any] = (),
        grace: float = 1.0,
        thread_name: Callable[[int], str] = "poolifier-{}".format,
    ) -> None:
        self.listener: WorkerListener
        self.portions: Portions
        self.definitions: Definitions
        self.copier: Copier
        self.grace = grace
        self._source = source
        self._initializer = initializer
        self._initargs = tuple(initargs)
        self._thread_name = thread_name
        self._launch: Launch
        self._inheritance = Inheritance()
        self._requests: RequestServer | None = None
        self._interpreters: Any = None
        self._channels: dict[int, InterpreterChannel] = {}
        self._closing: list[threading.Thread] = []
        self._abandoned: list[threading.Thread] = []
        self._started = False

    async def start(self, listener: WorkerListener) -> None:
        """Prepares for workers, on the running event loop.

        Raises:
            SerializationError: The worker or the initializer cannot be pickled.
            UnsupportedError: There are no sub-interpreters here.
            RuntimeError: This is a worker, which is still importing what it runs.
        """
        check_loaded()
        self._interpreters = interpreters_module()
        try:
            self._launch = Launch(self._source, self._initializer, self._initargs, self._inheritance)
            self.definitions = self._launch.definitions
            self._launch.payload()
            self._requests = RequestServer(self._inheritance.locks)
            self._requests.begin()
        except BaseException:
            self._inheritance.close()
            raise
        self.listener = listener
        loop = asyncio.get_running_loop()
        self.portions = Portions(loop)
        self.copier = Copier(loop)
        self._started = True

    def start_worker(self, worker_id: int, slot: int, settings: WorkerSettings) -> InterpreterChannel:  # noqa: ARG002
        """Begins to start a worker; `worker_ready` or `worker_exited` follows.

        Raises:
            OSError: The system has no room for it.
            RuntimeError: The backend has not been started, or has been closed.
        """
        if not self._started:
            raise RuntimeError("the backend has not been started, or has been closed")
        with contextlib.ExitStack() as made:
            ours, channel_fd = _pair(made)
            beside, passing_fd = _pair(made)
            ledger_fd = create_ledger()
            made.callback(os.close, ledger_fd)
            ledger = Ledger(ledger_fd)
            ours.setblocking(False)
            fds = (channel_fd, passing_fd, ledger_fd)

            def start(ended: Callable[[BaseException | None], object]) -> InterpreterHost:
                name = self._thread_name(worker_id)
                return InterpreterHost(self._interpreters, name, fds, self._given(), ended)

            channel = InterpreterChannel(self, worker_id, ours, ledger, beside, start)
            # From here on all of it has owners.
            made.pop_all()
        self._channels[worker_id] = channel
        channel.begin(*self._launch.begin(settings))
        return channel

    def carry_function(self, name: str, function: Callable[..., Any]) -> CarriedFunction:
        """Pickles a task function.

        Raises:
            SerializationError: It cannot be pickled; says why.
        """
        return self._launch.carry(name, function)

    async def close(self) -> None:
        """Lets go of all workers, and waits a moment for them to be gone. Says which are not."""
        self._started = False
        for channel in list(self._channels.values()):
            channel.abandon()
        begun = monotonic()
        while self._waited_for(monotonic() - begun):  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # nothing tells of the last step of a thread
        if left := _alive(self._closing + self._abandoned):
            names = ", ".join(thread.name for thread in left)
            _logger.warning(
                "interpreters that cannot be stopped go on after the pool's end, until their code ends: %s", names
            )
        self._inheritance.close()
        requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()

    def channel_ended(self, worker_id: int, thread: threading.Thread, *, abandoned: bool) -> None:
        """A channel of this backend has closed; its thread may still be there."""
        del self._channels[worker_id]
        self._closing = _alive(self._closing)
        self._abandoned = _alive(self._abandoned)
        (self._abandoned if abandoned else self._closing).append(thread)

    def _given(self) -> tuple[int, ...]:
        """Descriptors for one worker: that for requests, and what it inherits."""
        assert self._requests is not None
        given: list[int] = []
        try:
            for fd in (self._requests.fileno(), *self._inheritance.descriptors):
                given.append(os.dup(fd))  # noqa: PERF401 - those that were made are closed where one cannot be
        except OSError:
            for fd in given:
                os.close(fd)
            raise
        return tuple(given)

    def _waited_for(self, seconds: float) -> bool:
        if self._channels:
            return True  # they report in the next turn of the loop
        return bool((seconds < _CLOSING and _alive(self._closing)) or (seconds < _PATIENCE and _alive(self._abandoned)))


def _pair(made: contextlib.ExitStack) -> tuple[Socket, int]:
    """Two connected sockets: the pool's end, and the descriptor of the worker's."""
    ours, theirs = socket_pair()
    made.callback(ours.close)
    fd = theirs.detach()
    made.callback(os.close, fd)
    return ours, fd


def _alive(threads: list[threading.Thread]) -> list[threading.Thread]:
    for thread in threads:
        if not thread.is_alive():
            # For the system it may be there for a moment more.
            thread.join()
    return [thread for thread in threads if thread.is_alive()]
