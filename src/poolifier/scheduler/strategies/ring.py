"""Workers in the order of their slots, and a place among them: what goes round in the round robins."""

from __future__ import annotations

from bisect import bisect_left

from poolifier.protocols import WorkerCandidate


def _slot(worker: WorkerCandidate) -> int:
    return worker.slot


class Ring:
    """Workers in the order of their slots, with a cursor that stays where it is as workers come and go."""

    __slots__ = ("_used", "cursor", "workers")

    def __init__(self) -> None:
        self.workers: list[WorkerCandidate] = []
        self.cursor: int = 0
        self._used = False

    def add(self, worker: WorkerCandidate) -> None:
        """Adds a worker. O(log workers), and moving what is behind it in the list."""
        workers = self.workers
        position = bisect_left(workers, worker.slot, key=_slot)
        # The turn stays whose it is. Before the first round it is nobody's: that begins at the lowest slot.
        if self._used and (position < self.cursor or position == self.cursor < len(workers)):
            self.cursor += 1
        workers.insert(position, worker)

    def remove(self, worker: WorkerCandidate) -> None:
        """Removes a worker; where it was the one at the cursor, its successor takes the place."""
        position = bisect_left(self.workers, worker.slot, key=_slot)
        del self.workers[position]
        if position < self.cursor:
            self.cursor -= 1

    def current(self) -> WorkerCandidate | None:
        """The worker at the cursor, or None where there is none. O(1)."""
        workers = self.workers
        if not workers:
            return None
        self._used = True
        if self.cursor >= len(workers):
            self.cursor = 0
        return workers[self.cursor]

    def advance(self) -> bool:
        """Moves on by one; True where that began a new round."""
        self.cursor += 1
        if self.cursor < len(self.workers):
            return False
        self.cursor = 0
        return True
