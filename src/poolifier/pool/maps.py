"""The maps of a pool, as its users call them."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from poolifier.errors import PoolNotStartedError
from poolifier.exchange import Items
from poolifier.pool.chunk import Chunk
from poolifier.pool.future import Waiter
from poolifier.pool.map_run import CHUNK_SECONDS, LARGEST_CHUNK, MapRun
from poolifier.pool.progress import Bar
from poolifier.scheduler.task import Task, TaskExtra

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver
    from poolifier.scheduler.functions import Function
    from poolifier.scheduler.scheduler import Scheduler


class Mapper:
    """Submits the chunks of one map. Implements `ChunkSubmitter`.

    Attributes:
        name: That of the task function.
        largest_chunk: Items that a chunk may have at most.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        driver: Driver,
        function: Function,
        *,
        priority: int,
        timeout: float | None,
        retries: int,
        carry: Callable[[Any], Any] | None = None,
    ) -> None:
        self.name: str = function.name
        self._scheduler = scheduler
        self._driver = driver
        self._function = function
        self._learned = scheduler.functions.learned
        self._priority = priority
        self._timeout = timeout
        self._retries = retries
        self._carry = carry
        recycled_after = scheduler.options.max_tasks_per_worker
        # A worker runs the whole of its last chunk: so it passes its limit of tasks by a tenth at most.
        self.largest_chunk: int = sys.maxsize if recycled_after is None else max(1, recycled_after // 10)

    def submit_chunk(self, chunk: Chunk) -> None:
        """Submits what a chunk has left to do as one task, which counts as so many.

        Raises:
            PoolNotStartedError: The pool has been destroyed: it has dropped its tasks, and would keep this one.
        """
        items = chunk.left()
        driver = self._driver
        if self._scheduler.closing and self._scheduler.failure is None:
            raise PoolNotStartedError(f"pool {driver.name!r} has been destroyed; create a new one")
        if not self._learned:
            self._learn()
        data = items[0] if len(items) == 1 else items if type(items) is Items else Items(items)
        if self._carry is not None:
            data = self._carry(data)
        task = Task(driver.callers.admit(data, chunk), self._function, self._priority)
        if self._retries or self._timeout is not None or len(items) > 1:
            task.extra = TaskExtra(self._retries, self._timeout)
            task.extra.items = len(items)
        chunk.attach(driver, task)
        driver.submit(task)

    def _learn(self) -> None:
        """What was taken on trust may turn out to be known by another name."""
        functions = self._scheduler.functions
        if functions.learned:
            self._learned = True
            self._function = functions.current(self._function) or self._function

    @property
    def alone(self) -> bool:
        """Whether each item has to travel by itself: with retries or a limit of its own, or side by side."""
        return bool(self._retries) or self._timeout is not None or self._function.properties.kind != "plain"

    def chunk_size(self) -> int:
        """Items that run through in `CHUNK_SECONDS`."""
        return max(1, min(LARGEST_CHUNK, int(CHUNK_SECONDS / max(self._function.estimate, 1e-7))))

    def must_wait(self) -> bool:
        """Whether others wait for room, who were here before the next chunk."""
        return self._driver.room.awaited

    def waiter(self, tasks: Callable[[], list[Task]]) -> Waiter:
        """Something to wait for until it is set, which `tasks` will lead to."""
        return Waiter(self._driver, tasks)

    def workers(self) -> int:
        """The most workers there may be."""
        return self._scheduler.sizing.maximum

    def opened(self, run: MapRun) -> None:
        """Somebody has begun to read a map.

        Raises:
            PoolNotStartedError: The pool is being left, or has ended: it takes nothing new.
        """
        if self._driver.refuses:
            raise PoolNotStartedError(
                f"pool {self._driver.name!r} takes nothing new any more: it has ended, or its `async with` is left"
            )
        self._driver.consumers.add(run)

    def ended(self, run: MapRun) -> None:
        """Nothing more comes of a map."""
        self._driver.consumers.discard(run)
        self._driver.stirred()


async def in_batches(
    run: MapRun, pool: object, *, in_order: bool, return_exceptions: bool, bar: Bar | None
) -> AsyncGenerator[list[Any], None]:
    """The results, in lists as they come; the first error ends the map, unless errors are to be returned.

    Whoever reads keeps the pool, which would be ended were it forgotten.
    """
    try:
        async with aclosing(run.outcomes(in_order=in_order)) as batches:
            async for batch in batches:
                if bar is not None:
                    bar.update(sum([len(values) for _, values in batch]))
                results: list[Any] = []
                for ok, values in batch:
                    if not ok and not return_exceptions:
                        if results:
                            yield results
                        raise values[0]
                    results += values
                yield results
    finally:
        del pool
        if bar is not None:
            bar.close()


async def one_by_one(batches: AsyncGenerator[list[Any], None]) -> AsyncGenerator[Any, None]:
    """The results by themselves."""
    async with aclosing(batches):
        async for batch in batches:
            for value in batch:
                yield value
