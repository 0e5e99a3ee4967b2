"""The task functions as the scheduler knows them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from poolifier.errors import UnknownTaskFunctionError
from poolifier.exchange import KEY_MARK
from poolifier.task_functions import DEFAULT_TASK_NAME, TaskFunction, TaskFunctionProperties

if TYPE_CHECKING:
    from poolifier.origins import Origin
    from poolifier.scheduler.affinity import Affinity
    from poolifier.scheduler.choosers import Choosers

UNKNOWN_RUN_TIME: Final = 1.0
"""The estimate, in seconds, before the first measurement: long enough that nothing is prefetched."""


class Function:
    """A task function: how its tasks are placed, and how long they take.

    One that is replaced lives on for as long as there are tasks of it: a task runs the function that
    its name meant when it was submitted, however long it waits and wherever it goes.

    What is the user's own, which may lead to the pool itself, is with `Functions`: see `Task`.

    Attributes:
        key: What workers know it by: its name, or one of its own where it was added at run time.
        choice: Where `Choosers.made` has the strategy that chooses workers for its tasks.
        estimate: Smoothed run time of its recent tasks, in seconds.
        origin: Where it is defined, where workers load it from there and that can be told; otherwise None.
    """

    __slots__ = (
        "affinity",
        "choice",
        "estimate",
        "key",
        "name",
        "origin",
        "priority",
        "properties",
        "strategy",
        "timeout",
    )

    def __init__(
        self, properties: TaskFunctionProperties, affinity: Affinity, choice: int, key: str | None = None
    ) -> None:
        self.name: str = properties.name
        self.key: str = properties.name if key is None else key
        self.properties: TaskFunctionProperties = properties
        self.priority: int = properties.priority
        self.strategy: str | None = properties.strategy
        self.timeout: float | None = properties.timeout
        self.affinity: Affinity = affinity
        self.choice: int = choice
        self.estimate: float = UNKNOWN_RUN_TIME
        self.origin: Origin | None = None

    def __repr__(self) -> str:
        return f"<Function {self.name!r}>"


class Functions:
    """The task functions by name.

    Until they are *learned* (a pool of a worker module learns them from its first worker) any name is
    taken on trust, and looked into again then; so is any place where a function is defined.
    """

    __slots__ = ("_by_name", "_choosers", "_declared", "_heirs", "_removed", "_sought", "default", "learned")

    def __init__(self, choosers: Choosers) -> None:
        self._by_name: dict[str, Function] = {}
        self._choosers = choosers
        self._removed: list[Function] = []
        self._heirs: dict[str, Function] = {}
        # Taken on trust by where they are defined.
        self._sought: dict[Origin, Function] = {}
        self._declared: dict[Function, TaskFunction] = {}
        self.default: str | None = None
        self.learned: bool = False

    def find(self, name: str) -> Function:
        """The function of that name; `"default"` is the default one.

        Raises:
            UnknownTaskFunctionError: There is none.
        """
        function = self._by_name.get(name)
        if function is None:
            if self.learned:
                raise self.unknown(name)
            function = self._by_name[name] = self._function(TaskFunctionProperties(name))
        return function

    def has(self, name: str) -> bool:
        """Whether there is a function of that name."""
        return name in self._by_name

    def declared(self, function: Function) -> TaskFunction | None:
        """What the pool was given, where it was given an object and the function still has its name."""
        return self._declared.get(function)

    def given(self, given: Callable[..., Any] | TaskFunction) -> Function | None:
        """The function that was declared by that very object, or else by an equal one. O(functions).

        Of several it is the default one, or else the first.
        """
        known = [(function, self._declared[function]) for function in self._in_order() if function in self._declared]
        for function, declared in known:
            if declared is given or declared.function is given:
                return function
        for function, declared in known:
            if declared == given or declared.function == given:
                return function
        return None

    def defined_at(self, origin: Origin, name: str) -> Function | None:
        """The function that workers load from there, taken on trust until they are learned. O(functions).

        Of several it is the default one, or else the first.

        Args:
            origin: Where it is defined.
            name: What a function that is defined there is called as long as nothing is known of it.
        """
        if self.learned:
            for function in self._in_order():
                if function.origin is not None and function.origin.matches(origin):
                    return function
            return None
        sought = self._sought.get(origin)
        if sought is None:
            sought = self._sought[origin] = self._function(TaskFunctionProperties(name))
            sought.origin = origin
            # One that no worker has, for whoever is called so there may be another.
            sought.key = f"{name}{KEY_MARK}"
        return sought

    def unknown(self, name: str, given: str = "") -> UnknownTaskFunctionError:
        """The error for a name that no function has, or for what was given in place of a name."""
        return UnknownTaskFunctionError(name, [known for known in self._by_name if known != DEFAULT_TASK_NAME], given)

    def learn(
        self,
        properties: Sequence[TaskFunctionProperties],
        origins: Sequence[Origin | None] = (),
        declared: Mapping[str, TaskFunction] | None = None,
    ) -> None:
        """Takes in what the workers hold, the default one first. May be called again when that has changed.

        A task placed before has to be asked about again with `current`.

        Args:
            properties: The default one first.
            origins: Where each is defined, or nothing.
            declared: By name those that the pool was given as objects.
        """
        before = self._by_name
        before.pop(DEFAULT_TASK_NAME, None)
        self._by_name = {}
        self.learned = True
        self.default = properties[0].name
        for number, known in enumerate(properties):
            function = before.pop(known.name, None)
            if function is None:
                function = self._function(known)
            else:
                self._redefine(function, known)
            function.origin = origins[number] if origins else None
            self._by_name[known.name] = function
        self._declared.clear()
        for name, declaration in (declared or {}).items():
            if name in self._by_name:
                self._declared[self._by_name[name]] = declaration
        self._by_name[DEFAULT_TASK_NAME] = self._by_name[self.default]
        # Workers may still hold tasks of these, which have to be placed again should a worker die.
        self._removed.extend(before.values())
        self._removed.extend(self._sought.values())
        self._sought.clear()

    def current(self, function: Function) -> Function | None:
        """The function that stands for this one now: None where it was taken on trust or is no more."""
        if function.origin is not None:
            return self.defined_at(function.origin, function.name)
        return self._by_name.get(function.name)

    def put(self, properties: TaskFunctionProperties, key: str, declared: TaskFunction | None = None) -> None:
        """Gives a name to another function, for tasks submitted from now on."""
        name = properties.name
        before = self._by_name.get(name)
        function = self._function(properties, key)
        if declared is not None:
            self._declared[function] = declared
        self._by_name[name] = function
        if before is not None:
            self._remove(before)
        if name == self.default:
            self._by_name[DEFAULT_TASK_NAME] = function

    def remove(self, name: str) -> None:
        """Forgets a name, for tasks submitted from now on.

        Raises:
            UnknownTaskFunctionError: No function has it.
            ValueError: It is that of the default function.
        """
        if name in (DEFAULT_TASK_NAME, self.default):
            raise ValueError(f"name {name!r} is the default task function, which cannot be removed")
        if name not in self._by_name:
            raise self.unknown(name)
        self._remove(self._by_name.pop(name))

    def set_default(self, name: str) -> None:
        """Lets another function be the default one, for tasks submitted from now on.

        Raises:
            UnknownTaskFunctionError: No function has that name.
        """
        if name not in self._by_name:
            raise self.unknown(name)
        self.default = name
        self._by_name[DEFAULT_TASK_NAME] = self._by_name[name]

    def unneeded(self, needed: Container[Function]) -> list[tuple[Function, Function]]:
        """Lets go of functions that have lost their name and are not needed.

        Returns:
            Each of them, and the one of the same name that their numbers go to.
        """
        gone = [function for function in self._removed if function not in needed]
        self._removed = [function for function in self._removed if function in needed]
        return [(each, self._by_name.get(each.name) or self._heirs.setdefault(each.name, each)) for each in gone]

    def properties(self) -> list[TaskFunctionProperties]:
        """All that is known, the default one first."""
        return [function.properties for function in self._in_order()]

    def all(self) -> list[Function]:
        """Every function object in use."""
        return list(dict.fromkeys([*self._by_name.values(), *self._sought.values(), *self._removed]))

    def _remove(self, function: Function) -> None:
        # It may stay for its numbers, or for its tasks, but nobody can ask for it any more.
        self._declared.pop(function, None)
        function.origin = None
        self._removed.append(function)

    def _in_order(self) -> list[Function]:
        """Those that have a name, the default one first."""
        functions = [function for name, function in self._by_name.items() if name != DEFAULT_TASK_NAME]
        return sorted(functions, key=lambda each: each.name != self.default)

    def _function(self, properties: TaskFunctionProperties, key: str | None = None) -> Function:
        affinity = self._choosers.affinity(properties.worker_nodes)
        return Function(properties, affinity, self._choosers.choice(properties.strategy, affinity), key)

    def _redefine(self, function: Function, properties: TaskFunctionProperties) -> None:
        function.name = properties.name
        function.properties = properties
        function.priority = properties.priority
        function.strategy = properties.strategy
        function.timeout = properties.timeout
        function.affinity = self._choosers.affinity(properties.worker_nodes)
        function.choice = self._choosers.choice(properties.strategy, function.affinity)
