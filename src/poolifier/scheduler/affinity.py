"""Which slots a task may run on, and the fullest queue among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poolifier.scheduler.queues import Shelf

EXAMINED = 16
"""How many equally filled queues a thief compares. In a pool of up to as many workers its pick is exact."""


class BacklogIndex:
    """Finds the fullest of many queues without looking at them all.

    Queues are kept in buckets by the bit length of what waits in them, so a queue changes buckets
    only when its length crosses a power of two: one bit test per push and pop. The pick is the
    fullest of up to `EXAMINED` queues of the top bucket, so never less than half of the fullest.
    """

    __slots__ = ("_buckets", "_top")

    def __init__(self) -> None:
        self._buckets: list[list[Shelf]] = [[]]
        self._top = 0

    def fullest(self) -> Shelf | None:
        """A queue to take from, or None where nothing waits. O(1)."""
        bucket = self._buckets[self._top]
        if not bucket:
            return None
        best = bucket[0]
        for shelf in bucket[1:EXAMINED] if len(bucket) > 1 else ():
            if shelf.length > best.length:
                best = shelf
        return best

    def update(self, shelf: Shelf) -> None:
        """Puts a shelf into the bucket that fits its length. O(1) amortised."""
        node = shelf.node
        length = shelf.length if node is not None and node.ready else 0
        bucket = length.bit_length() - 1
        if bucket == shelf.bucket:
            return
        if shelf.bucket >= 0:
            self._remove(shelf)
        shelf.bucket = bucket
        if bucket >= 0:
            while len(self._buckets) <= bucket:
                self._buckets.append([])
            shelves = self._buckets[bucket]
            shelf.position = len(shelves)
            shelves.append(shelf)
            self._top = max(self._top, bucket)

    def _remove(self, shelf: Shelf) -> None:
        shelves = self._buckets[shelf.bucket]
        last = shelves.pop()
        if last is not shelf:
            shelves[shelf.position] = last
            last.position = shelf.position
        while self._top and not self._buckets[self._top]:
            self._top -= 1


class Affinity:
    """A set of slots, or all of them. One object per distinct set, so that identity is equality.

    Attributes:
        waiting: Its tasks in all queues, the lobby among them.
        taken_at: The `Sizing.vacated` at which all its slots were last found taken.
    """

    __slots__ = ("backlog", "slots", "taken_at", "waiting")

    def __init__(self, slots: frozenset[int] | None) -> None:
        self.slots: frozenset[int] | None = slots
        self.backlog: BacklogIndex = BacklogIndex()
        self.waiting: int = 0
        self.taken_at: int = -1

    def allows(self, slot: int) -> bool:
        """Whether a task of this affinity may run in that slot."""
        return self.slots is None or slot in self.slots

    def __repr__(self) -> str:
        return f"<Affinity {'all' if self.slots is None else sorted(self.slots)}>"
