"""What `execute` returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from poolifier.error_attributes import is_a
from poolifier.errors import SerializationError

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver
    from poolifier.scheduler.task import Task

ResultT = TypeVar("ResultT")


class Waiter(asyncio.Future[None]):
    """What whoever uses a pool waits for where it is not the future of a task: room, an item, a map's next result.

    Attributes:
        tasks: Called to learn the tasks that may bring it about, where they are known.
    """

    __slots__ = ("_driver", "tasks")

    def __init__(self, driver: Driver, tasks: Callable[[], list[Task]] = list) -> None:
        super().__init__(loop=driver.loop)
        self._driver = driver
        self.tasks: Callable[[], list[Task]] = tasks


class TaskFuture(asyncio.Future[ResultT]):
    """The result of a task: an `asyncio.Future`, so `await`, `gather`, `wait`, `as_completed` and `shield` work.

    Cancelling it, or the asyncio task that awaits it, aborts the task. Overriding `cancel` costs
    a task less than a done-callback would.
    """

    # Whoever awaits it calls `get_loop`, so that is no method of its own, but that of the pool's `Delivery`: it may be
    # compiled, and returns the event loop of the pool.
    __slots__ = ("_task", "get_loop")

    _task: Task

    @property
    def task_id(self) -> int:
        """The task's number; never reused within a pool. Errors about the task name it."""
        return self._task.id

    @property
    def _driver(self) -> Driver:
        # It takes a `Delivery` for its event loop.
        delivery: Any = super().get_loop()
        driver: Driver = delivery.driver
        return driver

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancels the future and aborts the task; False where it is done already."""
        if not super().cancel(msg):
            return False
        self._driver.abort(self._task)
        return True


def raisable(error: BaseException, task: Task | None = None) -> BaseException:
    """What a future is given in the error's place: those two would end, or confuse, the coroutine that awaits it."""
    if task is not None and is_a(error, SerializationError) and error.task_id is None:
        error.task_id, error.task_name = task.id, task.function.name
    if is_a(error, StopIteration, GeneratorExit):
        wrapped = RuntimeError(f"the task function raised {type(error).__name__}")
        wrapped.__cause__ = error
        return wrapped
    return error
