"""A priority queue for many entries, most of which are added far behind: first the front, the rest when needed."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

EntryT = TypeVar("EntryT", bound="tuple[Any, ...]")

LEAST_FRONT: Final = 32
"""The front is filled with at least so many, as far as there are."""


class Line(Generic[EntryT]):
    """Entries of which the greatest is the first. O(1) amortised but for sorting, which built-in functions do.

    Only the front is kept in order. What is added behind it is put down as it comes, and sorted once
    the front is used up; the first half of it then is the next front. What has been sorted before stays in
    order and costs next to nothing the next time.

    A heap does the same in O(log n), all of it in places that are far apart: with 10,000 entries most of
    its steps miss the cache, and a step up and down again costs several times what it does with ten.

    Attributes:
        front: The first entries, the very first at the end. Take that away with `front.pop()`; where it
            is empty, `refill` has to be asked first.
    """

    __slots__ = ("_most", "_rest", "front")

    def __init__(self) -> None:
        self.front: list[EntryT] = []
        self._rest: list[EntryT] = []
        self._most = 2 * LEAST_FRONT

    def __len__(self) -> int:
        return len(self.front) + len(self._rest)

    def add(self, entry: EntryT) -> None:
        """Adds an entry."""
        front = self.front
        # Few enough are all in the front, so that small pools never come to sort.
        if (self._rest or len(front) >= LEAST_FRONT) and (not front or entry < front[0]):
            self._rest.append(entry)
            return
        insort(front, entry)
        if len(front) > self._most:
            # Many have been added in front: putting one in its place would come to cost O(n).
            half = len(front) // 2
            self._rest += front[:half]
            del front[:half]

    def refill(self) -> list[EntryT]:
        """Sorts the next entries into the front, which is empty; returns the front."""
        rest = self._rest
        if not rest:
            return self.front
        rest.sort()
        size = max(LEAST_FRONT, len(rest) >> 1)
        self._most = 2 * size
        self.front = rest[-size:]
        del rest[-size:]
        return self.front

    def keep(self, wanted: Callable[[EntryT], bool]) -> None:
        """Drops all entries but those that are wanted. O(n)."""
        self.front = [entry for entry in self.front if wanted(entry)]
        self._rest = [entry for entry in self._rest if wanted(entry)]
