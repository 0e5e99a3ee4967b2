"""The worker with the least of something that only grows."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

from poolifier.protocols import WorkerCandidate


class Least:
    """Finds the worker with the lowest total, ties by slot. O(log workers) amortised, and O(1) to grow.

    A heap with one entry per worker that may lag behind: a total that grew is looked at when its
    entry comes to the top, and is put where it belongs then. Totals never shrink, so what is at the
    top and up to date is the lowest.

    Workers that have done nothing yet take turns: a burst that meets a fresh pool would otherwise end
    up on the first of them.
    """

    __slots__ = ("_heap", "_totals", "_turn")

    def __init__(self) -> None:
        self._totals: dict[int, float] = {}
        self._heap: list[tuple[float, int, int, int, WorkerCandidate]] = []
        self._turn = 0

    def add(self, worker: WorkerCandidate, total: float = 0.0) -> None:
        """Adds a worker."""
        self._totals[worker.id] = total
        heappush(self._heap, (total, 0, worker.slot, worker.id, worker))
        if len(self._heap) > 64 + 2 * len(self._totals):
            # Of workers that are gone, too far down to be dropped in passing.
            self._heap = [entry for entry in self._heap if entry[3] in self._totals]
            heapify(self._heap)

    def remove(self, worker: WorkerCandidate) -> None:
        """Forgets a worker."""
        del self._totals[worker.id]

    def grow(self, worker: WorkerCandidate, total: float) -> None:
        """Tells a worker's new total. Does nothing where the worker is not known."""
        if worker.id in self._totals:
            self._totals[worker.id] = total

    def total(self, worker: WorkerCandidate) -> float:
        """A worker's total, 0.0 where it is not known."""
        return self._totals.get(worker.id, 0.0)

    def lowest(self) -> WorkerCandidate | None:
        """The worker with the lowest total, or None."""
        heap = self._heap
        while heap:
            noted, _, slot, worker_id, worker = heap[0]
            total = self._totals.get(worker_id)
            if total is None:
                heappop(heap)
            elif total != noted:
                heapreplace(heap, (total, 0, slot, worker_id, worker))
            else:
                if total == 0.0:
                    self._turn += 1
                    heapreplace(heap, (total, self._turn, slot, worker_id, worker))
                return worker
        return None
