"""Items of a map that travel as one task."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from poolifier.error_attributes import is_a
from poolifier.errors import WorkerCrashedError

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver
    from poolifier.pool.map_run import MapRun
    from poolifier.scheduler.task import Task

Outcomes: TypeAlias = tuple[bool, list[Any]]
"""Whether these are results, and not errors; and one for each of some items that follow each other."""


class Chunk:
    """Takes the place of a future: the driver tells it of each item, in order, and of the end.

    Attributes:
        items: The items, first to last.
        outcomes: Of a map in order: what has arrived and was not taken.
        ended: No further outcome will come of it.
        task: The task that runs them, once there is one.
    """

    __slots__ = ("_done", "_driver", "_run", "ended", "in_order", "items", "outcomes", "task")

    def __init__(self, run: MapRun, items: list[Any], *, in_order: bool) -> None:
        self._run = run
        self._driver: Driver | None = None
        self.task: Task | None = None
        self._done = 0
        self.items: list[Any] = items
        self.in_order: bool = in_order
        self.outcomes: deque[Outcomes] = deque()
        self.ended: bool = False

    def attach(self, driver: Driver, task: Task) -> None:
        """Tells it which task it is, so that it can be cancelled."""
        self._driver = driver
        self.task = task

    def left(self) -> list[Any]:
        """The items that have not ended, not to be changed."""
        return self.items[self._done :] if self._done else self.items

    @property
    def begun(self) -> bool:
        """Whether any of its items has ended."""
        return self._done > 0

    def cut(self) -> None:
        """Its worker has handed back the items that are left: they took longer than expected."""
        self._run.resubmit(self)

    def abandon(self) -> None:
        """It could not be submitted, so nobody is to be told of it."""
        self.ended = True
        if self._driver is not None and self.task is not None:
            self._driver.abort(self.task)

    def item_results(self, values: list[Any]) -> None:
        """The next items have results, the last of all not among them."""
        self._done += len(values)
        self._run.outcomes_of(self, values, ok=True)

    def item_error(self, error: BaseException) -> None:
        """An item that is not the last one has failed."""
        self._done += 1
        self._run.outcomes_of(self, [error], ok=False)

    # ---- as the driver knows futures --------------------------------------------------------------

    def done(self) -> bool:
        """Whether there is nothing more to tell it."""
        return self.ended

    def set_result(self, value: Any) -> None:
        """The last item has a result."""
        self.ended = True
        self._done += 1
        self._run.outcomes_of(self, [value], ok=True)

    def set_exception(self, error: BaseException) -> None:
        """The item that was next has failed. Where its worker died, those after it run elsewhere if they surely can."""
        left = self.left()
        if len(left) > 1 and is_a(error, WorkerCrashedError) and not self._is_lost():
            self.item_error(error)
            self._run.resubmit(self)
            return
        self.ended = True
        self._done += len(left)
        self._run.outcomes_of(self, [error] * len(left), ok=False)

    def _is_lost(self) -> bool:
        """Whether any of its items may have run."""
        task = self.task
        return task is not None and task.extra is not None and task.extra.lost

    def cancel(self) -> bool:
        """Nobody wants the rest of it."""
        if self.ended:
            return False
        self.ended = True
        self._run.outcomes_of(self, [asyncio.CancelledError() for _ in self.left()], ok=False)
        self._done = len(self.items)
        if self._driver is not None and self.task is not None:
            self._driver.abort(self.task)
        return True
