"""The classes without a name that leads to them that workers have been sent, and how long each is needed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LocalClasses"]

_POOL: Final = 0
"""Who needs what a definition has that is there for as long as the pool."""


class LocalClasses:
    """Classes by their numbers. Data needs one for as long as there are objects of it in this process.

    What refers to one for longer keeps it: another class, a definition, or a task function that has been added.

    Attributes:
        gone: The numbers of those that have been collected, since `take_gone` was called.
    """

    def __init__(self) -> None:
        self._found: dict[str, ref[type]] = {}
        self._kept: dict[str, tuple[type, set[int]]] = {}
        self._parts: dict[str, list[type]] = {}
        # Collected at any time and by any thread, so that they wait until somebody asks.
        self.gone: deque[str] = deque()

    def __contains__(self, number: str) -> bool:
        return number in self._found

    def add(self, number: str, cls: type) -> None:
        """A class is sent."""
        gone = self.gone
        self._found[number] = ref(cls, lambda _: gone.append(number))

    def get(self, number: str) -> type | None:
        """The class of that number, if it is there."""
        found = self._found.get(number)
        return None if found is None else found()

    def keep(self, number: str, cls: type, owner: int = _POOL) -> None:
        """That owner needs it: see `release`."""
        self._kept.setdefault(number, (cls, set()))[1].add(owner)

    def keep_part(self, whole: str, cls: type) -> None:
        """The definition of the class of that number refers to this one."""
        self._parts.setdefault(whole, []).append(cls)

    def release(self, owner: int) -> None:
        """The owner needs nothing any more."""
        for number, (_, owners) in list(self._kept.items()):
            owners.discard(owner)
            if not owners:
                del self._kept[number]

    def drop(self, number: str) -> None:
        """It is as if the class had never been sent."""
        for table in (self._found, self._kept, self._parts):
            table.pop(number, None)

    def take_gone(self) -> Iterator[str]:
        """The numbers of those that nothing refers to any more."""
        gone = self.gone
        while gone:
            number = gone.popleft()
            if number in self._found:
                yield number
