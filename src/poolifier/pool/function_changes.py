"""Task functions that come and go while the pool runs: on all workers, or on none.

A worker knows a function by its key, and every version of a function has a key of its own. So loading
one changes nothing that a task can see, and a change is in two steps: all workers load the function
under its new key; then the scheduler lets the name mean that key, which is one assignment. Where a
worker cannot load it, the others forget the key, and nothing has happened.

It also settles which function a task runs: the one that its name meant when it was submitted. Workers
keep a function that was replaced or removed until its last task has ended.

Nothing here waits for a worker that is gone: a worker's end counts as its answer. One that takes its
place while the change is under way is asked as well, and one that starts later begins with all that
was added before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from poolifier.errors import PoolNotStartedError, RemoteError, WorkerCrashedError
from poolifier.exchange import KEY_MARK, WorkerExit
from poolifier.protocols import Backend, Channel
from poolifier.scheduler.crashes import crashed, start_failed
from poolifier.scheduler.node import RETIRING
from poolifier.task_functions import TaskFunction, properties_of

if TYPE_CHECKING:
    from poolifier.scheduler.scheduler import Scheduler

_FAILED_STARTS: Final = 2
"""Workers that may fail to start while a change waits for one."""


class _Change:
    """A change that is under way.

    Attributes:
        key: The function's key, or None where the change waits for the first worker and nothing else.
        asked: Workers that have yet to answer.
        loaded: How many have the function.
        failed_starts: How many died before they were ready.
        error: What the change fails with.
        news: Set when any of these has changed.
    """

    __slots__ = ("asked", "carried", "error", "failed_starts", "key", "loaded", "name", "news")

    def __init__(self, name: str, key: str | None = None, carried: Any = None) -> None:
        self.name = name
        self.key = key
        self.carried = carried
        self.asked: set[int] = set()
        self.loaded = 0
        self.failed_starts = 0
        self.error: Exception | None = None
        self.news = asyncio.Event()


class FunctionChanges:
    """Changes the task functions of one pool, one change after another."""

    __slots__ = (
        "_backend",
        "_carried",
        "_change",
        "_changed",
        "_channels",
        "_ended",
        "_lock",
        "_scheduler",
        "_unanswered",
        "_version",
    )

    def __init__(
        self,
        scheduler: Scheduler,
        backend: Backend,
        channels: Mapping[int, Channel],
        changed: Callable[[Callable[[float], None]], None],
    ) -> None:
        self._scheduler = scheduler
        self._backend = backend
        self._channels = channels
        self._changed = changed
        self._lock = asyncio.Lock()
        self._carried: dict[str, Any] = {}
        self._change: _Change | None = None
        self._ended: BaseException | None = None
        # By worker, in the order in which they were given and are loaded.
        self._unanswered: dict[int, list[str]] = {}
        self._version = 0

    # ---- what the pool asks -----------------------------------------------------------------------

    async def add(self, name: str, declared: TaskFunction) -> None:
        """Adds or replaces a task function; cancelled, it leaves everything as it was.

        Raises:
            SerializationError: The function cannot be sent to workers.
            Exception: What loading it raised in a worker.
            RemoteError: Loading it raised `SystemExit` or the like.
            WorkerCrashedError: Loading it ended the workers.
        """
        async with self._lock:
            carried = self._backend.carry_function(name, declared.function)
            self._version += 1
            key = f"{name}{KEY_MARK}{self._version}"
            change = self._begin(_Change(name, key, carried))
            try:
                for worker_id in self._channels:
                    self.worker_started(worker_id)
                while change.asked or not change.loaded:
                    await self._news(change)
                # From here on nothing else runs until the workers that start next know it as well.
                self._scheduler.put_function(properties_of(name, declared), key, declared)
                self._carried[key] = carried
            except BaseException:
                self._forget([key])
                raise
            finally:
                self._change = None
            self._forget(self._scheduler.forget_functions())

    async def remove(self, name: str) -> None:
        """Removes a task function. Raises as `Functions.remove`."""
        async with self._lock:
            await self._learned(name)
            self._scheduler.remove_function(name)
            self._forget(self._scheduler.forget_functions())

    async def set_default(self, name: str) -> None:
        """Makes another task function the default one. Raises as `Functions.set_default`."""
        async with self._lock:
            await self._learned(name)
            self._scheduler.set_default_function(name)

    # ---- what the driver tells --------------------------------------------------------------------

    @property
    def carried(self) -> tuple[tuple[str, Any], ...]:
        """What a worker that starts now has to be given."""
        return tuple(self._carried.items())

    def worker_started(self, worker_id: int) -> None:
        """A worker has been given what `carried` was; it is to have what is being added, too."""
        change = self._change
        if change is None or change.key is None:
            return
        node = self._scheduler.sizing.nodes.get(worker_id)
        if node is None or node.state != RETIRING:
            change.asked.add(worker_id)
            self._unanswered.setdefault(worker_id, []).append(change.key)
            self._channels[worker_id].add_function(change.key, change.carried)

    def worker_ready(self) -> None:
        """A worker is ready, so it is known what workers can do."""
        if self._change is not None:
            self._change.news.set()

    def answered(self, worker_id: int, key: str, error: BaseException | None) -> None:
        """A worker has loaded a function, or could not. Late answers do nothing."""
        unanswered = self._unanswered.get(worker_id, [])
        if key in unanswered:
            del unanswered[: unanswered.index(key) + 1]
        change = self._change
        if change is None or change.key != key:
            return
        change.asked.discard(worker_id)
        if error is None:
            change.loaded += 1
        else:
            change.error = change.error or _raisable(error)
        change.news.set()

    def worker_exited(self, worker_id: int, exited: WorkerExit, *, started: bool, retiring: bool) -> None:
        """A worker is gone; says whether it ever was ready, and whether it had been told to leave."""
        unanswered = self._unanswered.pop(worker_id, [])
        change = self._change
        if change is None:
            return
        asked = worker_id in change.asked
        change.asked.discard(worker_id)
        if exited.loading and unanswered and unanswered[0] != change.key:
            # It was not there yet: it had been given another one before, by a change that has failed.
            pass
        # One that had to leave may have been ended while it loaded the function, and not by that.
        elif asked and exited.loading and not retiring:
            change.error = change.error or _died(self._scheduler.options.name, worker_id, exited, change.name)
        elif not started:
            change.failed_starts += 1
            if change.failed_starts >= _FAILED_STARTS and not change.loaded:
                change.error = change.error or _raisable(start_failed(self._scheduler.options.name, worker_id, exited))
        change.news.set()

    def close(self, error: BaseException) -> None:
        """The pool ends, and with it all changes."""
        self._ended = error
        if self._change is not None:
            self._change.news.set()

    # ---- inside -----------------------------------------------------------------------------------

    def _begin(self, change: _Change) -> _Change:
        if self._ended is not None:
            raise self._ended
        self._change = change
        return change

    async def _learned(self, name: str) -> None:
        """Waits until it is known which functions there are, which takes a worker in a pool that has none yet."""
        change = self._begin(_Change(name))
        try:
            while not self._scheduler.functions.learned:
                await self._news(change)
        finally:
            self._change = None

    async def _news(self, change: _Change) -> None:
        if not change.asked:
            # Nobody there to ask: a dynamic pool without workers starts one.
            self._changed(self._scheduler.employ)
        await change.news.wait()
        change.news.clear()
        if self._ended is not None:
            raise self._ended
        if change.error is not None:
            raise change.error

    def _forget(self, keys: list[str]) -> None:
        if not keys:
            return
        for key in keys:
            self._carried.pop(key, None)
        for channel in self._channels.values():
            channel.remove_functions(keys)


def _raisable(error: BaseException) -> Exception:
    """What stands for SystemExit and the like, which would end the event loop if a coroutine raised them."""
    if isinstance(error, Exception):
        return error
    wrapped = RemoteError(type(error).__name__, str(error))
    wrapped.__cause__ = error
    return wrapped


def _died(pool: str, worker_id: int, exited: WorkerExit, name: str) -> WorkerCrashedError:
    return crashed(pool, worker_id, exited, f"while it loaded task function {name!r}")


def destroyed(pool: str) -> PoolNotStartedError:
    """What a change fails with where the pool is destroyed meanwhile."""
    return PoolNotStartedError(f"pool {pool!r} was destroyed while its task functions were being changed")
