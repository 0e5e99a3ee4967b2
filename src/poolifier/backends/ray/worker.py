"""A worker thread whose pool is elsewhere: what it says is fetched by calls of the actor that it lives in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any, Final, cast

from poolifier.backends.ray.functions import wrap
from poolifier.backends.thread.worker import MESSAGE, ThreadWorker
from poolifier.errors import SerializationError
from poolifier.exchange import WorkerSettings
from poolifier.task_functions import Worker
from poolifier.wire import codec
from poolifier.worker.registry import Registry

__all__ = ["LOGGED", "STOOD", "ActorWorker"]

LOGGED: Final = -5
"""In place of a reply's status: a log record; the value is the frame that a process would send."""

STOOD: Final = -6
"""Likewise: where a task with a time limit stood when it was told to stop; the value is (sequence, frames)."""

_MOST_WORDS: Final = 200
"""Words that may wait for the pool before whoever logs waits for that, so that a flood of logs takes no memory."""

_PAUSE: Final = 0.001
_MOST_PATIENCE: Final = 1.0
"""Seconds, for it may be that nobody can fetch while this one logs: a call that reads data, whose code logs."""


class ActorWorker(ThreadWorker):
    """A `ThreadWorker` in an actor: the side that is the event loop's elsewhere is that of the actor's calls here.

    Args:
        fetch: Called, in any thread, when there is something to fetch.
        settings: What the pool wants of the worker.
    """

    __slots__ = ()

    def __init__(self, fetch: Callable[[], object], settings: WorkerSettings) -> None:
        # There is no loop to call: see `call_loop`.
        super().__init__(cast("asyncio.AbstractEventLoop", None), fetch, settings)

    def call_loop(self, callback: Callable[..., object], *arguments: object) -> None:
        """Calls back at once: whoever is called is safe in any thread."""
        callback(*arguments)

    def hold(self, declared: Worker) -> Registry:
        """The task functions, which take and give what travels."""
        registry = Registry(declared)
        for entry in dict.fromkeys(registry.entries.values()):
            wrap(entry)
        for key, carried in self.settings.functions:
            self.add(registry, key, carried)
        return registry

    def add(self, registry: Registry, key: str, carried: bytes) -> None:
        """Adds a function that the pool has sent.

        Raises:
            BaseException: What reading it raised.
        """
        registry.add(key, codec.decode(carried))
        wrap(registry.entries[key])

    def say(self, message: Any) -> None:
        """Sends a message of a task function, from any thread.

        Raises:
            SerializationError: It cannot be pickled.
        """
        try:
            payload = codec.encode(message)
        except Exception as error:
            raise SerializationError(
                f"the message ({type(message).__name__}) cannot be pickled: {codec.describe(error)}"
            ) from error
        self._tell((0, MESSAGE, payload, 0.0))

    def log(self, frame: bytes) -> None:
        """Sends a log record, from any thread. Where much is there that the pool has yet to fetch, waits a while."""
        end = monotonic() + _MOST_PATIENCE
        while len(self.outgoing) > _MOST_WORDS and monotonic() < end:
            sleep(_PAUSE)
        self._tell((0, LOGGED, frame, 0.0))
