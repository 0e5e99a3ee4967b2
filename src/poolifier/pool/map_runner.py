"""Ways to run a task for each of many items."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from poolifier.option_checks import check_count, check_flag
from poolifier.pool.calls import Called
from poolifier.pool.map_run import MapRun
from poolifier.pool.maps import Mapper, in_batches, one_by_one
from poolifier.pool.progress import open_bar
from poolifier.pool.task_runner import DataT, ResponseT, TaskRunner
from poolifier.task_functions import TaskFunction

if TYPE_CHECKING:
    from typing import Unpack, overload

    from poolifier.pool.call_keywords import MapKeywords
    from poolifier.pool.call_signatures import Async, Plain
    from poolifier.signatures import GivenT, ResultT

__all__ = ["DataT", "MapRunner", "ResponseT"]


class MapRunner(TaskRunner[DataT, ResponseT]):
    """Runs task functions on workers, once or for each of many items."""

    if TYPE_CHECKING:

        @overload
        async def map_execute(
            self,
            iterable: Iterable[DataT] | AsyncIterable[DataT],
            name: str | None = None,
            **options: Unpack[MapKeywords],
        ) -> list[ResponseT]: ...
        @overload
        async def map_execute(
            self,
            iterable: Iterable[GivenT] | AsyncIterable[GivenT],
            name: Async[GivenT, ResultT],
            **options: Unpack[MapKeywords],
        ) -> list[ResultT]: ...
        @overload
        async def map_execute(
            self,
            iterable: Iterable[GivenT] | AsyncIterable[GivenT],
            name: Plain[GivenT, ResultT],
            **options: Unpack[MapKeywords],
        ) -> list[ResultT]: ...

    async def map_execute(
        self,
        iterable: Iterable[Any] | AsyncIterable[Any],
        name: str | Callable[..., Any] | TaskFunction | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        limit: int | None = None,
        chunksize: int | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> list[Any]:
        """Runs a task function on every item; returns the results in the order of the items.

        The first error ends the map at once: what is left is cancelled, and the error is raised.

        Args:
            iterable: The items; an async iterable will do. It is pulled from as room appears.
            name: Which function; see `execute`.
            timeout: Seconds that each item may run; see `execute`.
            retries: How often each item may run again after a crash; see `execute`.
            priority: See `execute`.
            limit: Items that may be under way at a time. None: a few chunks per worker.
            chunksize: Items that travel together. None: as many as the function has lately run in a few
                milliseconds, so one for slow functions. Each keeps its own result and error, and counts as a task.
            return_exceptions: Errors take the place of their results, and end nothing.
            progress: Show a progress bar (needs the extra `poolifier[progress]`).

        Raises:
            Exception: What `execute` raises, and what iterating over the input raises.
        """
        values: list[Any] = []
        batches = self._map(
            iterable,
            name,
            timeout=timeout,
            retries=retries,
            priority=priority,
            limit=limit,
            chunksize=chunksize,
            return_exceptions=return_exceptions,
            progress=progress,
            in_order=True,
            fail_fast=True,
            gathers=True,
        )
        async with aclosing(batches):
            async for batch in batches:
                values += batch
        return values

    if TYPE_CHECKING:

        @overload
        def map_ordered(
            self,
            iterable: Iterable[DataT] | AsyncIterable[DataT],
            name: str | None = None,
            **options: Unpack[MapKeywords],
        ) -> AsyncGenerator[ResponseT, None]: ...
        @overload
        def map_ordered(
            self,
            iterable: Iterable[GivenT] | AsyncIterable[GivenT],
            name: Async[GivenT, ResultT],
            **options: Unpack[MapKeywords],
        ) -> AsyncGenerator[ResultT, None]: ...
        @overload
        def map_ordered(
            self,
            iterable: Iterable[GivenT] | AsyncIterable[GivenT],
            name: Plain[GivenT, ResultT],
            **options: Unpack[MapKeywords],
        ) -> AsyncGenerator[ResultT, None]: ...

    def map_ordered(
        self,
        iterable: Iterable[Any] | AsyncIterable[Any],
        name: str | Callable[..., Any] | TaskFunction | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        limit: int | None = None,
        chunksize: int | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Iterates over the results of a task function on every item, in the order of the items.

        Pulls from the input only as results are taken, so any number of items runs in constant memory.
        Leaving the loop cancels what is under way; so does the first error, which is raised where its
        result would have come. The arguments are those of `map_execute`.
        """
        batches = self._map(
            iterable,
            name,
            timeout=timeout,
            retries=retries,
            priority=priority,
            limit=limit,
            chunksize=chunksize,
            return_exceptions=return_exceptions,
            progress=progress,
            in_order=True,
        )
        return one_by_one(batches)

    if TYPE_CHECKING:

        @overload
        def map_unordered(
            self,
            iterable: Iterable[DataT] | AsyncIterable[DataT],
            name: str | None = None,
            **options: Unpack[MapKeywords],
        ) -> AsyncGenerator[ResponseT, None]: ...
        @overload
        def map_unordered(
            self,
            iterable: Iterable[GivenT] | AsyncIterable[GivenT],
            name: Async[GivenT, ResultT],
            **options: Unpack[MapKeywords],
        ) -> AsyncGenerator[ResultT, None]: ...
        @overload
        def map_unordered(
            self,
            iterable: Iterable[GivenT] | AsyncIterable[GivenT],
            name: Plain[GivenT, ResultT],
            **options: Unpack[MapKeywords],
        ) -> AsyncGenerator[ResultT, None]: ...

    def map_unordered(
        self,
        iterable: Iterable[Any] | AsyncIterable[Any],
        name: str | Callable[..., Any] | TaskFunction | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int | None = None,
        limit: int | None = None,
        chunksize: int | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Iterates over the results of a task function on every item, in the order in which they come.

        Otherwise as `map_ordered`, and the better choice where the order does not matter: a slow item
        holds up nothing.
        """
        batches = self._map(
            iterable,
            name,
            timeout=timeout,
            retries=retries,
            priority=priority,
            limit=limit,
            chunksize=chunksize,
            return_exceptions=return_exceptions,
            progress=progress,
            in_order=False,
        )
        return one_by_one(batches)

    def _map(
        self,
        iterable: Iterable[Any] | AsyncIterable[Any],
        name: Called | None,
        *,
        timeout: float | None,
        retries: int,
        priority: int | None,
        limit: int | None,
        chunksize: int | None,
        return_exceptions: bool,
        progress: bool,
        in_order: bool,
        fail_fast: bool = False,
        gathers: bool = False,
    ) -> AsyncGenerator[list[Any], None]:
        driver, function, nice, seconds = self._called(name, timeout, priority)
        retries = check_count("retries", retries, 0)
        check_flag("return_exceptions", return_exceptions)
        check_flag("progress", progress)
        mapper = Mapper(
            driver.scheduler,
            driver,
            function,
            priority=nice,
            timeout=seconds,
            retries=retries,
            carry=self._carrier(),
        )
        fail_fast = fail_fast and not return_exceptions
        run = MapRun(mapper, iterable, limit=limit, chunksize=chunksize, fail_fast=fail_fast, gathers=gathers)
        bar = open_bar(iterable, function.name) if progress else None
        return in_batches(run, self, in_order=in_order, return_exceptions=return_exceptions, bar=bar)

    def _carrier(self) -> Callable[[Any], Any] | None:
        """What turns the data of a map's tasks into what is sent, or None where it is sent as it is."""
        return None
