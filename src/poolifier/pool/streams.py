"""What `stream` returns: the items of a generator that runs in a worker.

Two objects, so that whoever drops the one in his hands ends the task: the pool holds the `Feed`
alone, in the place where other tasks have their future, and the `TaskStream` is the user's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from poolifier.error_attributes import is_a
from poolifier.pool.future import Waiter
from poolifier.pool.leaving import current_reader

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver
    from poolifier.scheduler.task import Task

__all__ = ["DEFAULT_BUFFER", "Feed", "TaskStream"]

DEFAULT_BUFFER: Final = 16
"""Items that a worker may be ahead of the reader, unless the call says otherwise."""

_PATIENCE: Final = 0.002
"""Seconds that a reader waits before it asks for items that the worker may hold back."""

ItemT = TypeVar("ItemT", covariant=True)


class TaskStream(Generic[ItemT]):
    """The items that a task function yields: an async iterator, as an async generator is one.

    Leaving it (`aclose`, as `contextlib.aclosing` calls it, or letting go of it) stops the generator in
    the worker, where its `finally` runs; none of them waits for that. Cancelling a read does not leave it.
    """

    __slots__ = ("__weakref__", "_feed", "_pool")

    def __init__(self, feed: Feed, pool: object) -> None:
        self._feed = feed
        # Kept, for it would be ended were it forgotten.
        self._pool = pool

    @property
    def task_id(self) -> int:
        """The task's number; never reused within a pool. Errors about the task name it."""
        return self._feed.task.id

    def __aiter__(self) -> Self:
        """Itself: the items can be read once."""
        return self

    async def __anext__(self) -> ItemT:
        """The next item.

        Raises:
            StopAsyncIteration: There are no more.
            RuntimeError: Another asyncio task waits for the next item.
            BaseException: What the generator raised, after all that it had yielded; and what the
                future of `execute` raises.
        """
        feed = self._feed
        while not feed.items:
            if feed.ended:
                raise feed.end()
            await feed.wait()
        item: ItemT = feed.take()
        return item

    async def aclose(self) -> None:
        """Stops the generator. Does nothing where it has ended."""
        self._feed.close()

    def __del__(self) -> None:
        # This may run in any thread, and in the middle of anything.
        feed = self._feed
        if not feed.ended:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and the pool with it
                feed.driver.loop.call_soon_threadsafe(feed.close)


class Feed:
    """What the pool knows of a stream. It is put where other tasks have a future, and is told like one.

    Attributes:
        driver: The pool's driver.
        task: The task.
        items: What has arrived and was not read.
        ended: Nothing more arrives.
        active: Seconds of the worker's active time that fell to it so far.
        name: That of the task function.
    """

    __slots__ = (
        "_error",
        "_granting",
        "_reader",
        "_taken",
        "_timer",
        "_waiter",
        "_waits",
        "active",
        "driver",
        "ended",
        "items",
        "name",
        "task",
    )

    task: Task

    def __init__(self, driver: Driver, buffer: int, name: str) -> None:
        self.driver: Driver = driver
        self.name: str = name
        self._reader = current_reader()
        self.items: deque[Any] = deque()
        self.ended: bool = False
        self.active: float = 0.0
        self._error: BaseException | None = None
        # Credit is given back in halves of the buffer: seldom, and in time for the worker never to run out.
        self._granting = (buffer + 1) // 2
        self._taken = 0
        self._waiter: asyncio.Future[None] | None = None
        self._waits = 0
        self._timer: asyncio.TimerHandle | None = None

    # ---- for the reader ---------------------------------------------------------------------------

    def take(self) -> Any:
        """The next item, of which there is one."""
        self._taken += 1
        if self._taken >= self._granting and not self.ended:
            self.driver.credit(self.task, self._taken)
            self._taken = 0
        return self.items.popleft()

    async def wait(self) -> None:
        """Waits until there is something new."""
        if self._waiter is not None:
            raise RuntimeError("another asyncio task waits for the next item of this stream")
        loop = self.driver.loop
        self._waits += 1
        if self._timer is None:
            self._timer = loop.call_later(_PATIENCE, self._ask, self._waits)
        waiter = self._waiter = Waiter(self.driver, lambda: [self.task])
        self._reader = current_reader()
        try:
            await waiter
        finally:
            self._waiter = None

    def end(self) -> BaseException:
        """What ends the reading: the error, once, and `StopAsyncIteration`."""
        error, self._error = self._error, None
        return StopAsyncIteration() if error is None else error

    def close(self) -> None:
        """The reader has left."""
        if not self.ended:
            self._end(None)
            self.driver.abort(self.task)
        self.items.clear()
        self._error = None

    # ---- for whoever waits for the end of the pool: see `leaving` ------------------------------------

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for the next item."""
        return self._waiter is not None

    @property
    def reader(self) -> asyncio.Task[Any] | None:
        """The asyncio task that opened it, or the last that had to wait for an item."""
        return self._reader()

    @property
    def under_way(self) -> int:
        """Tasks that it is: one, for it is forgotten once that has ended."""
        return 1

    @property
    def is_cut_short(self) -> bool:
        """True: see `under_way`."""
        return True

    def refuse(self) -> None:
        """Nothing: it was submitted before."""

    def pool_ended(self, name: str) -> None:
        """Nothing: it has been cancelled with its task."""

    def __str__(self) -> str:
        return f"the stream of {self.name!r} (task {self.task.id})"

    # ---- for the driver ---------------------------------------------------------------------------

    def put(self, item: Any) -> None:
        """An item has arrived."""
        self.items.append(item)
        self._wake()

    def done(self) -> bool:
        """Whether it has ended."""
        return self.ended

    def set_result(self, result: None) -> None:  # noqa: ARG002 - a generator has no result, only items
        """The generator has yielded all that it will."""
        self._end(None)

    def set_exception(self, error: BaseException) -> None:
        """The task has failed."""
        if is_a(error, StopAsyncIteration):
            # It would end the loop of the reader quietly.
            error, cause = RuntimeError("the task function raised StopAsyncIteration"), error
            error.__cause__ = cause
        self._end(error)

    def cancel(self) -> None:
        """The pool has dropped the task."""
        self._end(asyncio.CancelledError())

    def _end(self, error: BaseException | None) -> None:
        if self.ended:
            return
        self.ended = True
        self._error = error
        self.driver.consumers.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _ask(self, waits: int) -> None:
        """One timer serves a reader that waits often and never for long."""
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if waits == self._waits:
            self.driver.hurry(self.task)
        else:
            self._timer = self.driver.loop.call_later(_PATIENCE, self._ask, self._waits)
