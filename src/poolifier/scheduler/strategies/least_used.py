"""Least used: the worker with the fewest executing and queued tasks."""

from __future__ import annotations

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate


class _Entry:
    """A worker in the list of those with its load. The list is intrusive, and closed by its bucket."""

    __slots__ = ("load", "next", "previous", "worker")

    def __init__(self, worker: WorkerCandidate | None) -> None:
        self.worker = worker
        self.load = 0
        self.previous: _Entry = self
        self.next: _Entry = self


class LeastUsed(Strategy):
    """Takes the worker with the fewest executing and queued tasks. O(1).

    Workers of equal load are kept in a list per load, and a load only ever changes by one: a worker
    moves to a neighbouring list, and the lowest load in use is known without a search.

    Among equals, one that just got a task comes last (so a burst is dealt out in slot order), and
    one that just finished a task comes first: its caches are warm, and in a dynamic pool the workers
    that are not needed stay idle and retire.
    """

    policy: StrategyPolicy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:  # noqa: ARG002
        self._entries: dict[int, _Entry] = {}
        self._buckets: dict[int, _Entry] = {}
        self._lowest = 0
        self._spare: _Entry | None = None

    def worker_added(self, worker: WorkerCandidate) -> None:
        entry = self._entries[worker.id] = _Entry(worker)
        entry.load = worker.load
        if not self._buckets or worker.load < self._lowest:
            self._lowest = worker.load
        bucket = self._buckets.get(entry.load) or self._bucket(entry.load)
        last = bucket.previous
        entry.previous = last
        entry.next = bucket
        last.next = bucket.previous = entry

    def worker_removed(self, worker: WorkerCandidate) -> None:
        entry = self._entries.pop(worker.id)
        before, after = entry.previous, entry.next
        before.next = after
        after.previous = before
        if before is after:
            # Both neighbours are the bucket itself: it was the last of that load.
            self._spare = self._buckets.pop(entry.load)
            if self._lowest == entry.load:
                self._lowest = min(self._buckets, default=0)

    def choose(self, now: float) -> WorkerCandidate | None:  # noqa: ARG002
        bucket = self._buckets.get(self._lowest)
        return None if bucket is None else bucket.next.worker

    def load_changed(self, worker: WorkerCandidate) -> None:
        entry = self._entries[worker.id]
        load = worker.load
        before = entry.load
        buckets = self._buckets
        if entry.previous is entry.next and load not in buckets:
            # Alone before and after, so its list goes along. In small pools that is how it mostly is.
            buckets[load] = buckets[before]
            del buckets[before]
            entry.load = load
            if load < self._lowest or before == self._lowest:
                self._lowest = load
            return
        # Taken out of one list and put into the other in place: with the defaults this runs twice a task.
        previous, following = entry.previous, entry.next
        previous.next = following
        following.previous = previous
        emptied = previous is following
        if emptied:
            self._spare = buckets[before]
            del buckets[before]
        entry.load = load
        bucket = buckets.get(load)
        if bucket is None:
            bucket = self._bucket(load)
        if load > before:
            last = bucket.previous
            entry.previous = last
            entry.next = bucket
            last.next = entry
            bucket.previous = entry
            # It moved up by one, so if it left the lowest list empty it is itself the lowest now.
            if emptied and before == self._lowest:
                self._lowest = load
        else:
            first = bucket.next
            entry.previous = bucket
            entry.next = first
            bucket.next = entry
            first.previous = entry
            if load < self._lowest:
                self._lowest = load

    def _bucket(self, load: int) -> _Entry:
        """A new, empty list for that load."""
        bucket = self._buckets[load] = self._spare or _Entry(None)
        self._spare = None
        return bucket
