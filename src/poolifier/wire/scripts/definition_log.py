"""What has been defined, in the order in which workers are to get it: of each name the newest version alone."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from poolifier.wire.scripts.operations import FORGET

if TYPE_CHECKING:
    from poolifier.wire.scripts.operations import Key, Operation

__all__ = ["DefinitionLog"]

_MOST_FORGOTTEN: Final = 1000
"""Cells and classes that workers are told to forget: those that lag behind hear of the last ones."""


class DefinitionLog:
    """Definitions by the number of their place in the order.

    Attributes:
        last: The number of the newest definition.
    """

    def __init__(self) -> None:
        self.last: int = 0
        self._operations: dict[int, Operation] = {}
        self._numbers: dict[Key, int] = {}
        self._versions: dict[Key, int] = {}
        self._forgotten: deque[Key] = deque()

    def since(self, number: int) -> list[Operation]:
        """What has come after that one. After 0, which is from the beginning, nothing has to be forgotten."""
        if not number:
            return [operation for operation in self._operations.values() if operation[2] != FORGET]
        return [operation for at, operation in self._operations.items() if at > number]

    def add(self, key: Key, blob: bytes, *, again: bool) -> None:
        """A name has got a definition: the next version of it, unless it is the same one `again`, made anew."""
        version = self._versions[key] = self._versions.get(key, 0) + (not again)
        self.put(key, version, blob)

    def put(self, key: Key, version: int, value: Any) -> None:
        """The newest of that name."""
        self._operations.pop(self._numbers.get(key, 0), None)
        self.last += 1
        self._numbers[key] = self.last
        self._operations[self.last] = (*key, version, value)

    def drop(self, key: Key) -> None:
        """It is as if the name had never been defined, but for its version."""
        self._operations.pop(self._numbers.pop(key, 0), None)

    def forget(self, key: Key) -> None:
        """Workers that have it are to forget it."""
        self.put(key, FORGET, None)
        self._forgotten.append(key)
        while len(self._forgotten) > _MOST_FORGOTTEN:
            oldest = self._forgotten.popleft()
            self.drop(oldest)
            self._versions.pop(oldest, None)
