"""Fair share: the worker whose tasks would end first if each took its mean time.

Every worker has a virtual end: when it would be through with what it was given. The next task goes
to the smallest `max(now, virtual end) + mean task time`, which becomes that worker's virtual end.
This is start-time fair queueing (Goyal, Vin, Cheng 1996) with workers in the place of flows.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TypeAlias

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.strategies.task_times import TaskTime

Entry: TypeAlias = tuple[float, int, int, int, int]
"""What it is ordered by, its turn, slot, worker id and version. Of equals, the one chosen last comes last."""


class _Share:
    """A worker's mean task time and virtual end. A heap entry of an older version is stale."""

    __slots__ = ("end", "mean", "time", "turn", "version", "worker")

    def __init__(self, worker: WorkerCandidate, options: WorkerChoiceStrategyOptions) -> None:
        self.worker = worker
        self.time = TaskTime(options)
        self.end = 0.0
        self.mean = 0.0
        self.turn = 0
        self.version = 0


class FairShare(Strategy):
    """Takes the smallest `max(now, virtual end) + mean task time`. O(log workers) amortised.

    `now` moves, so one order does not do. Workers whose virtual end has passed all start from
    `now` and are ordered by their mean alone; the others are ordered by virtual end plus mean, which
    does not depend on `now`. A third order, by virtual end, says who changes sides.
    """

    policy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        self._options = options
        self._turn = 0
        self._shares: dict[int, _Share] = {}
        self._free: list[Entry] = []
        self._taken: list[Entry] = []
        self._ends: list[Entry] = []

    def worker_added(self, worker: WorkerCandidate) -> None:
        share = self._shares[worker.id] = _Share(worker, self._options)
        heappush(self._free, (0.0, 0, worker.slot, worker.id, share.version))

    def worker_removed(self, worker: WorkerCandidate) -> None:
        del self._shares[worker.id]

    def choose(self, now: float) -> WorkerCandidate | None:
        ends = self._ends
        while ends and ends[0][0] <= now:
            _, turn, slot, worker_id, version = heappop(ends)
            share = self._shares.get(worker_id)
            if share is not None and share.version == version:
                heappush(self._free, (share.mean, turn, slot, worker_id, version))
        free = self._top(self._free, now, taken=False)
        taken = self._top(self._taken, now, taken=True)
        if free is None and taken is None:
            return None
        free_first = taken is None or (free is not None and now + free.mean <= taken.end + taken.mean)
        share = free if free_first else taken
        assert share is not None
        share.end = max(now, share.end) + share.mean
        self._turn += 1
        share.turn = self._turn
        self._moved(share, now)
        return share.worker

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:
        share = self._shares.get(worker.id)
        if share is None:
            return
        share.time.add(run_time, wait_time, active_time)
        if share.time.value != share.mean:
            share.mean = share.time.value
            # Which side it is on is found out by the next choice, which knows the time.
            self._moved(share, -1.0)

    def _moved(self, share: _Share, now: float) -> None:
        share.version += 1
        worker = share.worker
        if share.end <= now or share.end == 0.0:
            heappush(self._free, (share.mean, share.turn, worker.slot, worker.id, share.version))
        else:
            heappush(self._taken, (share.end + share.mean, share.turn, worker.slot, worker.id, share.version))
            heappush(self._ends, (share.end, share.turn, worker.slot, worker.id, share.version))
        if len(self._free) + len(self._taken) + len(self._ends) > 64 + 12 * len(self._shares):
            self._compact()

    def _top(self, heap: list[Entry], now: float, *, taken: bool) -> _Share | None:
        while heap:
            _, _, _, worker_id, version = heap[0]
            share = self._shares.get(worker_id)
            if share is not None and share.version == version and (share.end > now) == taken:
                return share
            heappop(heap)
        return None

    def _compact(self) -> None:
        for heap in (self._free, self._taken, self._ends):
            heap[:] = [entry for entry in heap if self._is_current(entry[3], entry[4])]
            heapify(heap)

    def _is_current(self, worker_id: int, version: int) -> bool:
        share = self._shares.get(worker_id)
        return share is not None and share.version == version
