"""What a call of a task function means: which function, how urgent it is and how long it may run."""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any

from poolifier.function_kinds import wrong_use
from poolifier.option_checks import check_count
from poolifier.options import PoolOptions
from poolifier.pool.driver import Driver
from poolifier.pool.future import TaskFuture
from poolifier.scheduler.functions import Function
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import TaskExtra
from poolifier.task_functions import (
    DEFAULT_TASK_NAME,
    check_name,
    check_priority,
    check_timeout,
)

if TYPE_CHECKING:
    from poolifier.pool.life_cycle import LifeCycle

__all__ = ["Calls"]


class Calls:
    """Checks what every way to call a task function takes, and makes the most frequent one.

    Args:
        options: Those of the pool.
        scheduler: Its scheduler.
        life: Tells whether the pool takes calls.
        carry: Turns the data of a call into what its task is given, where that is not the data itself.
    """

    __slots__ = ("_carry", "_found", "_life", "_options", "_scheduler")

    def __init__(
        self, options: PoolOptions, scheduler: Scheduler, life: LifeCycle, carry: Callable[[Any], Any] | None
    ) -> None:
        self._options = options
        self._scheduler = scheduler
        self._life = life
        self._carry = carry
        # By the names of calls: those that need no further check.
        self._found: dict[str | None, Function] = {}

    def execute(
        self, data: Any, name: str | None, timeout: float | None, retries: int, priority: int | None
    ) -> TaskFuture[Any]:
        """Checks a call and makes it; raises as `Pool.execute`. The hot path of submitting."""
        driver, function, nice, limit = self.check(name, timeout, priority)
        extra = TaskExtra(check_count("retries", retries, 0), limit) if retries or limit is not None else None
        return driver.call(function, data if self._carry is None else self._carry(data), nice, extra)

    def check(
        self, name: str | None, timeout: float | None, priority: int | None, *, stream: bool = False
    ) -> tuple[Driver, Function, int, float | None]:
        """Returns what runs the task, its function, nice level and time limit; raises as `Pool.execute`."""
        driver = self._life.open
        if driver is None or self._scheduler.failure is not None:
            raise self._life.refusal()
        # A loop that runs here is open, and is in its own thread.
        if _get_running_loop() is not driver.loop and (get_ident() != driver.thread or driver.loop.is_closed()):
            raise self._life.refusal()
        function = None
        if not stream and (name is None or isinstance(name, str)):
            function = self._found.get(name)
        if function is None:
            function = self._find(name, stream=stream)
        nice = function.priority if priority is None else check_priority(priority)
        limit = check_timeout(timeout) or function.timeout or self._options.timeout
        return driver, function, nice, limit

    def forget(self) -> None:
        """Names may mean other functions from now on."""
        self._found.clear()

    def _find(self, name: str | None, *, stream: bool) -> Function:
        functions = self._scheduler.functions
        function = functions.find(DEFAULT_TASK_NAME if name is None else _check_name(name))
        if functions.learned:
            error = wrong_use(function.name, function.properties.kind, stream=stream)
            if error is not None:
                raise error
            if not stream:
                self._found[name] = function
        return function


def _check_name(name: object) -> str:
    """As `check_name`, where what is no name is most likely a second argument for the task function."""
    if not isinstance(name, str):
        raise TypeError(
            f"name must be a string, not {name!r}: it names the task function, which gets one argument; "
            "put several values into a tuple"
        )
    return check_name(name)
