"""A priority queue for many entries, most of which are added far behind: the front in order, the rest on rungs."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Final, Generic, TypeVar

EntryT = TypeVar("EntryT", bound="tuple[Any, ...]")

LEAST_FRONT: Final = 32
"""So many are kept in order at least, as far as there are."""

_RUNG: Final = 48
"""About so many entries are to be on a rung: sorting them stays in the cache."""

_TOLERANCE: Final = 4
"""Rungs may hold so many times more, or fewer, in the mean before they are divided anew."""


class Line(Generic[EntryT]):
    """Entries that begin with a float, of which the greatest is the first. O(1) amortised, but for sorting.

    Only the front is in order. What comes behind it is put down on a rung, which is found by computing:
    each holds the entries of a stretch of equal length. The next rung is sorted when the front is used up.
    How long a stretch is follows from how close the entries are. This is a ladder queue (Tang, Goh,
    Thng 2005) of one ladder, whose rungs are kept by number, so that it has no end.

    A heap does the same in O(log n), all of it in places that are far apart: with 10,000 entries most of
    its steps miss the cache, and a step up and down again costs several times what it does with ten.

    Attributes:
        front: The first entries, the very first at the end. Take that away with `front.pop()`; where it
            is empty, `refill` has to be asked first.
    """

    __slots__ = ("_behind", "_most", "_numbers", "_per_unit", "_reach", "_refilled", "_refills", "_rungs", "front")

    def __init__(self) -> None:
        self.front: list[EntryT] = []
        self._rungs: dict[int, list[EntryT]] = {}
        # Of the rungs, as a heap of negatives: the first is the next.
        self._numbers: list[int] = []
        self._per_unit = 1.0
        # The number of the rung that the front ends with.
        self._reach = 0
        self._behind = 0
        self._most = 2 * LEAST_FRONT
        self._refills = 0
        self._refilled = 0

    def __len__(self) -> int:
        return len(self.front) + self._behind

    def add(self, entry: EntryT) -> None:
        """Adds an entry."""
        # Few enough are all in the front, so that small pools have no rungs.
        if self._rungs:
            number = int(entry[0] * self._per_unit)
            if number < self._reach:
                self._put(number, entry)
                return
        front = self.front
        insort(front, entry)
        if len(front) > self._most:
            self._shorten()

    def refill(self) -> list[EntryT]:
        """Sorts the next entries into the front, which is empty; returns the front."""
        if not self._numbers:
            return self.front
        self._next_rung()
        self._refills += 1
        self._refilled += len(self.front)
        # Once all have been through, so that it costs each of them a constant.
        if self._refilled > self._behind:
            mean = self._refilled / self._refills
            if not _RUNG / _TOLERANCE < mean < _RUNG * _TOLERANCE:
                self._divide()
            self._refills = self._refilled = 0
        return self.front

    def keep(self, wanted: Callable[[EntryT], bool]) -> None:
        """Drops all entries but those that are wanted. O(n)."""
        self._distribute([entry for entry in self._all() if wanted(entry)])

    def _put(self, number: int, entry: EntryT) -> None:
        self._behind += 1
        rung = self._rungs.get(number)
        if rung is None:
            self._rungs[number] = [entry]
            heappush(self._numbers, -number)
        else:
            rung.append(entry)

    def _next_rung(self) -> None:
        self._reach = number = -heappop(self._numbers)
        front = self._rungs.pop(number)
        self._behind -= len(front)
        front.sort()
        self.front = front
        self._most = 2 * max(LEAST_FRONT, len(front))

    def _shorten(self) -> None:
        """Puts half of a front that has become long on rungs."""
        front, per_unit = self.front, self._per_unit
        reach = int(front[len(front) // 2][0] * per_unit)
        many = 0
        while int(front[many][0] * per_unit) < reach:
            many += 1
        if many:
            for entry in front[:many]:
                self._put(int(entry[0] * per_unit), entry)
            del front[:many]
            self._reach = reach
        elif len(front) > self._behind:
            self._divide()
        else:
            # One stretch, too long for the few entries that can be told apart by dividing anew.
            self._most = 2 * len(front)

    def _divide(self) -> None:
        """Finds the length of a stretch anew, by the middle half of the entries."""
        entries = self._all()
        count = len(entries)
        spread = entries[3 * count >> 2][0] - entries[count >> 2][0]
        if spread > 0:
            self._per_unit = count / (2 * _RUNG * spread)
        self._distribute(entries)

    def _all(self) -> list[EntryT]:
        entries = self.front
        for rung in self._rungs.values():
            entries += rung
        entries.sort()
        return entries

    def _distribute(self, entries: list[EntryT]) -> None:
        per_unit = self._per_unit
        rungs: dict[int, list[EntryT]] = {}
        for entry in entries:
            rungs.setdefault(int(entry[0] * per_unit), []).append(entry)
        self._rungs = rungs
        self._numbers = [-number for number in rungs]
        heapify(self._numbers)
        self._behind = len(entries)
        self.front = []
        if entries:
            self._next_rung()
