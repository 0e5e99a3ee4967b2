"""What a call of a task function means: which function, how urgent it is and how long it may run."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING

from poolifier.function_kinds import wrong_use
from poolifier.task_functions import (
    DEFAULT_TASK_NAME,
    check_name,
    check_priority,
    check_timeout,
)

if TYPE_CHECKING:
    from poolifier.options import PoolOptions
    from poolifier.pool.driver import Driver
    from poolifier.pool.life_cycle import LifeCycle
    from poolifier.scheduler.functions import Function
    from poolifier.scheduler.scheduler import Scheduler

__all__ = ["Calls"]


class Calls:
    """Checks what every way to call a task function takes."""

    __slots__ = ("_found", "_life", "_options", "_scheduler")

    def __init__(self, options: PoolOptions, scheduler: Scheduler, life: LifeCycle) -> None:
        self._options = options
        self._scheduler = scheduler
        self._life = life
        # By the names of calls: those that need no further check.
        self._found: dict[str | None, Function] = {}

    def check(
        self, name: str | None, timeout: float | None, priority: int | None, *, stream: bool = False
    ) -> tuple[Driver, Function, int, float | None]:
        """Returns what runs the task, its function, nice level and time limit; raises as `Pool.execute`."""
        driver = self._life.open
        if (
            driver is None
            or get_ident() != driver.thread
            or driver.loop.is_closed()
            or self._scheduler.failure is not None
        ):
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
