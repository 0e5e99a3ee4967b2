"""The worker with the least of something that only grows."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

from poolifier.protocols import WorkerCandidate


class Least:
    """Finds the worker with the lowest total, ties by slot. O(log workers) amortised.

    Workers that have done nothing yet take turns: a burst that meets a fresh pool would otherwise end
    up on the first of them.

    A heap with stale entries: a total that grew gets a new entry, and the old one is dropped when
    it comes to the top.
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

    def remove(self, worker: WorkerCandidate) -> None:
        """Forgets a worker."""
        del self._totals[worker.id]

    def grow(self, worker: WorkerCandidate, total: float) -> None:
        """Tells a worker's new total."""
        if self._totals.get(worker.id, total) == total:
            return
        self._totals[worker.id] = total
        heappush(self._heap, (total, 0, worker.slot, worker.id, worker))
        if len(self._heap) > 64 + 4 * len(self._totals):
            self._heap = [entry for entry in self._heap if self._totals.get(entry[3]) == entry[0]]
            heapify(self._heap)

    def total(self, worker: WorkerCandidate) -> float:
        """A worker's total, 0.0 where it is not known."""
        return self._totals.get(worker.id, 0.0)

    def lowest(self) -> WorkerCandidate | None:
        """The worker with the lowest total, or None."""
        heap = self._heap
        while heap:
            total, _, slot, worker_id, worker = heap[0]
            if self._totals.get(worker_id) == total:
                if total == 0.0:
                    self._turn += 1
                    heapreplace(heap, (total, self._turn, slot, worker_id, worker))
                return worker
            heappop(heap)
        return None
