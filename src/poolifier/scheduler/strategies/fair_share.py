"""Fair share: the worker whose tasks would end first if each took its mean time.

Every worker has a virtual end: when it would be through with what it was given. The next task goes
to the smallest `max(now, virtual end) + mean task time`, which becomes that worker's virtual end.
This is start-time fair queueing (Goyal, Vin, Cheng 1996) with workers in the place of flows.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import TypeAlias

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.strategies.task_times import TaskTime

Entry: TypeAlias = tuple[float, int, int, int]
"""What it is ordered by, its turn, slot and worker id. Of equals, the one chosen last comes last."""


class _Share:
    """A worker's mean task time and virtual end, and the heap entry that stands for it."""

    __slots__ = ("end", "known", "mean", "noted", "taken", "time", "turn", "worker")

    def __init__(self, worker: WorkerCandidate, options: WorkerChoiceStrategyOptions) -> None:
        self.worker = worker
        self.time = TaskTime(options)
        self.known = False
        self.end = 0.0
        self.mean = 0.0
        self.turn = 0
        self.taken = False
        self.noted = 0.0

    def order(self) -> float:
        """What it is to be ordered by among those of its side."""
        return self.end + self.mean if self.taken else self.mean

    def entry(self) -> Entry:
        """An entry for the present order, which makes all others stale."""
        self.noted = self.order()
        return (self.noted, self.turn, self.worker.slot, self.worker.id)


class FairShare(Strategy):
    """Takes the smallest `max(now, virtual end) + mean task time`. O(log workers) amortised.

    `now` moves, so one order does not do. Workers whose virtual end has passed are *free*: all start
    from `now`, so their mean alone orders them. The others are *taken* and ordered by virtual end plus
    mean, which does not depend on `now`. A taken worker whose end has passed meanwhile may stay where
    it is: its place there is too good, never too bad, so it comes to the top in time, and changes
    sides then. For the same reason an entry only has to be renewed at once where an order falls;
    where it rises, that is seen at the top.

    A worker none of whose tasks has ended is tried first, and from then on taken to be like the others:
    otherwise one that is stuck in a long first task would look like the fastest of all.
    """

    policy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        self._options = options
        self._turn = 0
        self._overall = TaskTime(options)
        self._shares: dict[int, _Share] = {}
        self._free: list[Entry] = []
        self._taken: list[Entry] = []

    def worker_added(self, worker: WorkerCandidate) -> None:
        share = self._shares[worker.id] = _Share(worker, self._options)
        heappush(self._free, share.entry())
        self._compact(self._free, taken=False)
        self._compact(self._taken, taken=True)

    def worker_removed(self, worker: WorkerCandidate) -> None:
        del self._shares[worker.id]

    def choose(self, now: float) -> WorkerCandidate | None:
        taken = self._top(self._taken, taken=True)
        while taken is not None and taken.end <= now:
            heappop(self._taken)
            taken.taken = False
            heappush(self._free, taken.entry())
            taken = self._top(self._taken, taken=True)
        free = self._top(self._free, taken=False)
        if free is not None and (taken is None or now + free.mean <= taken.noted):
            if not free.known:
                free.mean = self._overall.value
            free.end = now + free.mean
            self._turn = free.turn = self._turn + 1
            if free.end > now:
                heappop(self._free)
                free.taken = True
                heappush(self._taken, free.entry())
            else:
                heapreplace(self._free, free.entry())
            return free.worker
        if taken is None:
            return None
        taken.end += taken.mean
        self._turn = taken.turn = self._turn + 1
        heapreplace(self._taken, taken.entry())
        return taken.worker

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:
        share = self._shares.get(worker.id)
        if share is None:
            return
        self._overall.add(run_time, wait_time, active_time)
        share.time.add(run_time, wait_time, active_time)
        share.known = True
        share.mean = share.time.value
        if share.order() < share.noted:
            heap = self._taken if share.taken else self._free
            heappush(heap, share.entry())
            self._compact(heap, taken=share.taken)

    def _compact(self, heap: list[Entry], *, taken: bool) -> None:
        """Drops the stale entries once they are the most, so that memory follows the workers."""
        if len(heap) > 64 + 2 * len(self._shares):
            heap[:] = [entry for entry in heap if self._current(entry, taken=taken)]
            heapify(heap)

    def _top(self, heap: list[Entry], *, taken: bool) -> _Share | None:
        """The first share of a side; its entry is at the top and up to date."""
        while heap:
            share = self._current(heap[0], taken=taken)
            if share is None:
                heappop(heap)
            elif share.order() > share.noted:
                heapreplace(heap, share.entry())
            else:
                return share
        return None

    def _current(self, entry: Entry, *, taken: bool) -> _Share | None:
        """The share that the entry stands for, or None where it is stale."""
        noted, turn, _, worker_id = entry
        share = self._shares.get(worker_id)
        if share is None or share.noted != noted or share.turn != turn or share.taken is not taken:
            return None
        return share
