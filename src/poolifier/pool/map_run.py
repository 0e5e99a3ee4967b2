"""Maps: a task function over many items, in constant memory, with back pressure both ways.

The input is pulled only as room appears, and room appears only as results are taken. What is pulled
travels in chunks: as many items as the function has lately run through in a few milliseconds, so
that tiny items share the cost of a task and long ones are never kept together. Nobody has to guess.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from itertools import islice
from operator import length_hint
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

from poolifier.errors import PoolNotStartedError
from poolifier.exchange import Items
from poolifier.option_checks import check_count
from poolifier.pool.chunk import Chunk, Outcomes
from poolifier.pool.leaving import current_reader
from poolifier.worker.lazy_tasks import create_lazy_task

if TYPE_CHECKING:
    from poolifier.scheduler.task import Task

CHUNK_SECONDS: Final = 0.004
"""Run time that a chunk is meant to have."""

LARGEST_CHUNK: Final = 1024
"""Also bounds how long the event loop is busy with one chunk."""

PULL_SECONDS: Final = 0.002
"""An input that takes longer than this to pull from gives way to the event loop."""

CHUNKS_AHEAD: Final = 5
"""Chunks per worker that are under way, when no limit is given."""

_THERE: Final[tuple[Iterable[Any], ...]] = ([], (), range(0), {}, {}.values(), {}.items())
_INSTANT: Final = frozenset(type(iter(items)) for items in _THERE)
"""What iterates over items that are there already."""


class ChunkSubmitter(Protocol):
    """What a map needs of its pool.

    Attributes:
        name: That of the task function.
    """

    name: str

    def submit_chunk(self, chunk: Chunk) -> None:
        """Submits the items of a chunk as one task."""

    def chunk_size(self) -> int:
        """How many items of the function make a chunk now."""
        ...

    @property
    def alone(self) -> bool:
        """Whether each item has to travel by itself."""
        ...

    @property
    def largest_chunk(self) -> int:
        """How many items a chunk may have at most."""
        ...

    def workers(self) -> int:
        """How many workers there are, or can be."""
        ...

    def must_wait(self) -> bool:
        """Whether others wait for room, who were here before the next chunk."""
        ...

    def waiter(self, tasks: Callable[[], list[Task]]) -> asyncio.Future[None]:
        """Something to wait for until it is set, which `tasks` will lead to."""
        ...

    def opened(self, run: MapRun) -> None:
        """Somebody has begun to read a map."""

    def ended(self, run: MapRun) -> None:
        """Nothing more comes of a map."""


class MapRun:
    """One map: pulls items, keeps chunks under way, collects outcomes.

    With `fail_fast` the first error is raised as soon as it is known, whatever comes before it. Items that were
    pulled and whose outcome has not been taken count as outstanding; there are never more of them than `limit`.
    Where the reader `gathers` all outcomes anyway, and there is no `limit`, those that wait to be taken do not count.

    Attributes:
        name: That of the task function.
        awaited: Somebody waits for the next outcomes.
    """

    def __init__(
        self,
        submitter: ChunkSubmitter,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        limit: int | None,
        chunksize: int | None,
        fail_fast: bool = False,
        gathers: bool = False,
    ) -> None:
        self._submitter = submitter
        self._limit = None if limit is None else check_count("limit", limit, 1)
        self._chunksize = None if chunksize is None else check_count("chunksize", chunksize, 1)
        self._source: Iterator[Any] | None = None
        self._async_source: AsyncIterable[Any] | None = None
        if isinstance(items, AsyncIterable):
            self._async_source = items
        else:
            try:
                self._source = iter(items)
            except TypeError:
                raise TypeError(f"iterable must be an iterable or async iterable, not {items!r}") from None
        self._exhausted = False
        self._ended = False
        self._fail_fast = fail_fast
        self._gathers = gathers and limit is None
        self._first_error: BaseException | None = None
        self._outstanding = 0
        self._pulled = 0
        self._expected = _length_of(items)
        self._input_error: BaseException | None = None
        # In order, the chunks whose outcomes are to be taken, first to last; else those under way.
        self._chunks: deque[Chunk] = deque()
        self._under_way: set[Chunk] = set()
        self._arrived: deque[Outcomes] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._wake_puller: asyncio.Future[None] | None = None
        self._pull_again = False
        self.name: str = submitter.name
        self.awaited: bool = False
        self._reader: Callable[[], asyncio.Task[Any] | None] = current_reader()

    # ---- what chunks tell -------------------------------------------------------------------------

    def outcomes_of(self, chunk: Chunk, values: list[Any], *, ok: bool) -> None:
        """Items of a chunk have ended, with these results, or errors where it is not `ok`."""
        if self._fail_fast and self._first_error is None and values and not ok:
            self._first_error = values[0]
        if self._gathers:
            self._make_room(len(values))
        if values:
            (chunk.outcomes if chunk.in_order else self._arrived).append((ok, values))
        if chunk.ended:
            self._under_way.discard(chunk)
        self._notify()

    def resubmit(self, chunk: Chunk) -> None:
        """What a chunk has left is to run in chunks of its own: its worker died, or was too slow for all of it."""
        left = chunk.left()
        chunk.ended = True
        self._under_way.discard(chunk)
        if self._ended:
            return
        # One item that took long makes all look as though they did. Where they do, the pieces come back as well.
        size = max(self._size(), -(-len(left) // (2 * self._submitter.workers())))
        size = min(size, self._submitter.largest_chunk)
        pieces = [Chunk(self, left[at : at + size], in_order=chunk.in_order) for at in range(0, len(left), size)]
        if chunk.in_order:
            place = self._chunks.index(chunk) + 1
            for offset, piece in enumerate(pieces):
                self._chunks.insert(place + offset, piece)
        for piece in pieces:
            self._under_way.add(piece)
            self._submitter.submit_chunk(piece)

    def _notify(self) -> None:
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    # ---- what readers ask -------------------------------------------------------------------------

    async def outcomes(self, *, in_order: bool) -> AsyncGenerator[list[Outcomes], None]:
        """The outcomes as they arrive; in the order of the items if asked for."""
        puller = None
        self.awaited = True
        self._reader = current_reader()
        self._submitter.opened(self)
        if self._async_source is not None:
            pull = self._pull_async(self._async_source, in_order=in_order)
            puller = create_lazy_task(asyncio.get_running_loop(), pull)
        try:
            while True:
                if puller is None:
                    self._pull(in_order=in_order)
                if self._first_error is not None:
                    raise self._first_error
                batch = self._take(in_order=in_order)
                if batch:
                    if not self._gathers:
                        self._make_room(sum([len(values) for _, values in batch]))
                    self.awaited = False
                    yield batch
                    self.awaited = True
                    self._reader = current_reader()
                elif self._exhausted and not self._outstanding:
                    break
                elif self._pull_again:
                    await asyncio.sleep(0)
                else:
                    await self._wait()
            if self._input_error is not None:
                raise self._input_error
        finally:
            self.awaited = False
            self._end()
            if puller is not None:
                puller.cancel()
                await asyncio.wait([puller])

    def _take(self, *, in_order: bool) -> list[Outcomes]:
        if not in_order:
            batch = list(self._arrived)
            self._arrived.clear()
            return batch
        batch = []
        while self._chunks:
            chunk = self._chunks[0]
            batch.extend(chunk.outcomes)
            chunk.outcomes.clear()
            if not chunk.ended:
                break
            self._chunks.popleft()
        return batch

    def _tasks(self) -> list[Task]:
        return [chunk.task for chunk in self._under_way if chunk.task is not None]

    async def _wait(self) -> None:
        self._wake = self._submitter.waiter(self._tasks)
        try:
            await self._wake
        finally:
            self._wake = None

    def _end(self) -> None:
        """Whoever read has left: nothing that is under way is wanted any more."""
        self._exhausted = self._ended = True
        for chunk in list(self._under_way):
            chunk.cancel()
        self._under_way.clear()
        self._chunks.clear()
        self._submitter.ended(self)

    # ---- for whoever waits for the end of the pool: see `leaving` ------------------------------------

    @property
    def reader(self) -> asyncio.Task[Any] | None:
        """The asyncio task that asked for outcomes last."""
        return self._reader()

    @property
    def under_way(self) -> int:
        """Tasks that run, or wait, for it."""
        return len(self._under_way)

    @property
    def is_cut_short(self) -> bool:
        """Whether there are items that have not been run. Results that have come can still be read."""
        return not self._ended and (bool(self._under_way) or not self._exhausted)

    def refuse(self) -> None:
        """Nothing: its reader asked for all of it before."""

    def pool_ended(self, name: str) -> None:
        """Has the reader hear of it, who may wait for an input that is no use any more."""
        if not self._ended and self._input_error is None:
            self._exhausted = True
            self._input_error = PoolNotStartedError(f"pool {name!r} has been destroyed before the map had ended")
            self._notify()

    def __str__(self) -> str:
        return f"the map of {self.name!r}"

    # ---- pulling ----------------------------------------------------------------------------------

    def _make_room(self, count: int) -> None:
        self._outstanding -= count
        if self._wake_puller is not None and not self._wake_puller.done():
            self._wake_puller.set_result(None)

    def _room(self) -> int:
        limit = self._limit
        if limit is None:
            limit = self._size() * CHUNKS_AHEAD * self._submitter.workers()
        return limit - self._outstanding

    def _size(self) -> int:
        if self._submitter.alone:
            return 1
        size = self._chunksize if self._chunksize is not None else self._submitter.chunk_size()
        return min(size, self._submitter.largest_chunk)

    def _pull(self, *, in_order: bool) -> None:
        """Pulls from the input while there is room, and not for long."""
        assert self._source is not None
        self._pull_again = False
        begun = perf_counter()
        while not self._exhausted:
            room = self._room()
            if room <= 0 or (self._under_way and self._submitter.must_wait()):
                return
            size = self._size()
            if self._chunksize is None:
                # A short input, or a small limit, is still to be shared by all workers: where it is not known how
                # long the input is, chunks begin small.
                share = max(self._pulled, self._expected)
                if self._limit is not None:
                    share = min(share, self._limit)
                size = max(1, min(size, share // (2 * self._submitter.workers())))
            if room < size and self._limit is None and self._outstanding:
                # Room for a whole chunk is soon there, and many small ones would cost more.
                return
            try:
                items = self._pull_some(self._source, min(size, room))
                if items:
                    self._submit(items, in_order=in_order)
            except Exception as error:  # noqa: BLE001 - the input's or the pool's, told once all before it is done
                self._input_error = error
                self._exhausted = True
                return
            if perf_counter() - begun > PULL_SECONDS:
                self._pull_again = not self._exhausted
                return

    def _pull_some(self, source: Iterator[Any], count: int) -> list[Any]:
        """Up to `count` items: fewer where they are slow to come, or where the input raises, which ends it."""
        if type(source) in _INSTANT:
            items: list[Any] = Items(islice(source, count))
            self._exhausted = len(items) < count
            return items
        items = []
        step = 1
        begun = perf_counter()
        while len(items) < count:
            wanted = min(len(items) + step, count)
            try:
                # What comes before an error stays in the list.
                items.extend(islice(source, wanted - len(items)))
            except Exception as error:  # noqa: BLE001 - the input's, told once all before it is done
                self._input_error = error
            if len(items) < wanted:
                self._exhausted = True
                break
            if perf_counter() - begun > PULL_SECONDS / 2:
                break
            step *= 2
        return items

    async def _pull_async(self, source: AsyncIterable[Any], *, in_order: bool) -> None:
        items: list[Any] = []
        try:
            async for item in source:
                items.append(item)
                # What is at hand is not kept waiting for what may take long to come.
                self._submit(items, in_order=in_order)
                items = []
                while self._room() <= 0:
                    self._wake_puller = asyncio.get_running_loop().create_future()
                    await self._wake_puller
                if self._outstanding % LARGEST_CHUNK == 0:
                    await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - told by `outcomes`
            self._input_error = error
        finally:
            self._exhausted = True
            self._notify()

    def _submit(self, items: list[Any], *, in_order: bool) -> None:
        chunk = Chunk(self, items, in_order=in_order)
        self._under_way.add(chunk)
        if in_order:
            self._chunks.append(chunk)
        self._outstanding += len(items)
        self._pulled += len(items)
        try:
            self._submitter.submit_chunk(chunk)
        except BaseException:
            # The pool has ended, or a strategy of the user's own has raised: no outcome is to be waited for.
            self._outstanding -= len(items)
            self._under_way.discard(chunk)
            if in_order:
                self._chunks.pop()
            chunk.abandon()
            raise


def _length_of(items: Iterable[Any] | AsyncIterable[Any]) -> int:
    """How many items there may be, or 0 where nothing tells."""
    try:
        return length_hint(items)
    except Exception:  # noqa: BLE001 - the input's own, and only its items are wanted
        return 0
