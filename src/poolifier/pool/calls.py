"""What a call of a task function means: which function, how urgent it is and how long it may run."""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable
from threading import get_ident
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeAlias

from poolifier.function_kinds import wrong_use
from poolifier.option_checks import check_count
from poolifier.options import PoolOptions
from poolifier.origins import origin_of
from poolifier.pool.driver import Driver
from poolifier.pool.future import TaskFuture
from poolifier.scheduler.functions import Function, Functions
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import TaskExtra
from poolifier.task_functions import (
    DEFAULT_TASK_NAME,
    TaskFunction,
    check_name,
    check_priority,
    check_timeout,
    function_name,
)

if TYPE_CHECKING:
    from poolifier.pool.life_cycle import LifeCycle

__all__ = ["Called", "Calls"]

Called: TypeAlias = str | Callable[..., Any] | TaskFunction[Any, Any]
"""What says which task function is meant: its name, itself, or what declares it."""


class Calls:
    """Checks what every way to call a task function takes, and makes the most frequent one.

    Args:
        options: Those of the pool.
        scheduler: Its scheduler.
        life: Tells whether the pool takes calls.
        carry: Turns the data of a call into what its task is given, where that is not the data itself.
    """

    __slots__ = ("_carry", "_found", "_life", "_met", "_methods", "_scheduler", "_timeout")

    def __init__(
        self, options: PoolOptions, scheduler: Scheduler, life: LifeCycle, carry: Callable[[Any], Any] | None
    ) -> None:
        self._timeout: float | None = options.timeout
        self._scheduler = scheduler
        self._life = life
        self._carry = carry
        # By the names of calls: those that need no further check.
        self._found: dict[str | None, Function] = {}
        # The same by functions. Not by their hashes, for not all have one: each is kept, so that its id is its own.
        self._met: dict[int, tuple[object, Function]] = {}
        # By bound methods, of which each call brings another object. Their hashes are those of identities.
        self._methods: dict[object, Function] = {}

    # Compiled code would check the types of arguments by itself, and say less of what is wrong: so they are objects.

    def execute(
        self, data: Any, name: Called | None, timeout: object, retries: object, priority: object
    ) -> TaskFuture[Any]:
        """Checks a call and makes it; raises as `Pool.execute`. The hot path of submitting."""
        driver, function, nice, limit = self.check(name, timeout, priority)
        extra = TaskExtra(check_count("retries", retries, 0), limit) if retries != 0 or limit is not None else None
        return driver.call(function, data if self._carry is None else self._carry(data), nice, extra)

    def execute_admitted(
        self, data: Any, name: Called | None, timeout: object, retries: object, priority: object
    ) -> TaskFuture[Any]:
        """As `execute`, for a call that has waited for room, and that the pool takes also while it is being left."""
        driver, function, nice, limit = self.check(name, timeout, priority, admitted=True)
        extra = TaskExtra(check_count("retries", retries, 0), limit) if retries != 0 or limit is not None else None
        return driver.call(function, data if self._carry is None else self._carry(data), nice, extra)

    def check(
        self,
        name: Called | None,
        timeout: object,
        priority: object,
        *,
        stream: bool = False,
        admitted: bool = False,
    ) -> tuple[Driver, Function, int, float | None]:
        """Returns what runs the task, its function, nice level and time limit; raises as `Pool.execute`."""
        driver = self._life.open
        if driver is None or self._scheduler.failure is not None:
            driver = self._life.leaving if admitted else None
            if driver is None or self._scheduler.failure is not None:
                raise self._life.refusal()
        # Asked last, for until Python 3.12 it asks the system for the process each time.
        if (get_ident() != driver.thread or driver.loop_is_closed()) and _get_running_loop() is not driver.loop:
            raise self._life.refusal()
        function = None
        if not stream:
            if name is None or isinstance(name, str):
                function = self._found.get(name)
            else:
                met = self._met.get(id(name))
                if met is not None:
                    function = met[1]
                elif isinstance(name, MethodType):
                    function = self._methods.get(name)
        if function is None:
            function = self._find(name, stream=stream)
        nice = function.priority if priority is None else check_priority(priority)
        limit = None if timeout is None else check_timeout(timeout)
        if limit is None:
            limit = function.timeout or self._timeout
        return driver, function, nice, limit

    def forget(self) -> None:
        """Names, and functions, may mean other task functions from now on."""
        self._found.clear()
        self._met.clear()
        self._methods.clear()

    def _find(self, name: Called | None, *, stream: bool) -> Function:
        functions = self._scheduler.functions
        if name is None:
            function = functions.find(DEFAULT_TASK_NAME)
        elif isinstance(name, str):
            function = functions.find(check_name(name))
        else:
            function = _find_given(functions, name)
        if functions.learned:
            error = wrong_use(function.name, function.properties.kind, stream=stream)
            if error is not None:
                raise error
            if not stream:
                self._remember(name, function)
        return function

    def _remember(self, name: Called | None, function: Function) -> None:
        """Saves the next call the checks, and keeps nothing that the pool does not know anyway."""
        if name is None or isinstance(name, str):
            self._found[name] = function
            return
        declared = self._scheduler.functions.declared(function)
        if declared is None:
            # Known by where it is defined, where there may be another one some day: the last is kept.
            self._met = {number: met for number, met in self._met.items() if met[1] is not function}
            self._methods = {method: known for method, known in self._methods.items() if known is not function}
            if isinstance(name, MethodType):
                self._methods[name] = function
            else:
                self._met[id(name)] = (name, function)
        elif name is declared or name is declared.function:
            self._met[id(name)] = (name, function)
        elif isinstance(name, MethodType) and isinstance(declared.function, MethodType):
            self._methods[declared.function] = function


def _find_given(functions: Functions, given: Any) -> Function:
    """The function that is given in place of its name; what cannot be one is most likely a second argument for it."""
    called = given.function if isinstance(given, TaskFunction) else given
    if not callable(called):
        raise TypeError(
            f"name must be a string, a task function or None, not {given!r}: it says which task function, "
            "which gets one argument; put several values into a tuple"
        )
    function = functions.given(given)
    if function is None:
        origin = origin_of(called)
        if origin is not None:
            function = functions.defined_at(origin, function_name(called))
    if function is None:
        raise functions.unknown(function_name(called), repr(given))
    return function
