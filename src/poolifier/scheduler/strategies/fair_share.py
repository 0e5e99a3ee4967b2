"""Fair share: the worker whose tasks would end first if each took its mean time.

Every worker has a virtual end: when it would be through with what it was given. The next task goes
to the smallest `max(now, virtual end) + mean task time`, which becomes that worker's virtual end.
This is start-time fair queueing (Goyal, Vin, Cheng 1996) with workers in the place of flows.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.strategies.line import Line
from poolifier.scheduler.strategies.task_times import TaskTime, task_time

Entry: TypeAlias = tuple[Any, ...]
"""Order (mean task time, after the virtual end where that is to come), turn, and the `_Share`.

The order is negative, for the greatest entry is the first in a line. The turn counts down with every choice:
of equals, the one chosen last comes last. Entries are told apart by identity, which tuples of a declared
length have not got where this is compiled.
"""

_FIRST_TURN: Final = 1 << 40
"""Above the turns of all that have been chosen; of those never chosen, the lowest slot comes first."""


class _Share:
    """A worker's mean task time and virtual end.

    Attributes:
        taken: Which line it stands in.
        entry: What stands for it in a line. All others are stale.

    Small, and with few objects behind it: with thousands of workers each of them is a cache miss.
    """

    __slots__ = ("end", "entry", "known", "mean", "taken", "time", "worker")

    def __init__(self, worker: WorkerCandidate, time: TaskTime) -> None:
        self.worker = worker
        self.time = time
        self.known = False
        self.end = 0.0
        self.mean = 0.0
        self.taken = False
        self.entry: Entry | None = (0.0, _FIRST_TURN - worker.slot, self)

    def moved(self, order: float) -> Entry:
        """Its entry for another order, which makes all others stale."""
        assert self.entry is not None
        entry: Entry = (order, self.entry[1], self)
        self.entry = entry
        return entry

    def __lt__(self, other: _Share) -> bool:
        # Asked where all else is equal: of a worker that is gone and the one in its slot.
        return self.worker.id > other.worker.id


class FairShare(Strategy):
    """Takes the smallest `max(now, virtual end) + mean task time`. O(1) amortised, but for sorting (see `Line`).

    `now` moves, so one order does not do. Workers whose virtual end has passed are *free*: all start
    from `now`, so their mean alone orders them. The others are *taken* and ordered by virtual end plus
    mean, which does not depend on `now`. A taken worker whose end has passed meanwhile may stay where
    it is: its place there is too good, never too bad, so it comes to the top in time, and changes
    sides then. For the same reason an entry only has to be renewed at once where an order falls;
    where it rises, that is seen at the top.

    A worker none of whose tasks has ended is tried first, and from then on taken to be like the others:
    otherwise one that is stuck in a long first task would look like the fastest of all.
    """

    policy: StrategyPolicy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        self._options = options
        self._turn = 0
        self._overall = task_time(options)
        self._count = 0
        self._shares: list[_Share | None] = []
        self._free: Line[Entry] = Line()
        self._taken: Line[Entry] = Line()

    def worker_added(self, worker: WorkerCandidate) -> None:
        slot = worker.slot
        self._shares.extend([None] * (slot + 1 - len(self._shares)))
        share = self._shares[slot] = _Share(worker, task_time(self._options))
        self._count += 1
        assert share.entry is not None
        self._free.add(share.entry)
        self._compact(self._free)
        self._compact(self._taken)

    def worker_removed(self, worker: WorkerCandidate) -> None:
        share = self._shares[worker.slot]
        assert share is not None
        share.entry = None
        self._shares[worker.slot] = None
        self._count -= 1

    def choose(self, now: float) -> WorkerCandidate | None:
        taken = self._top(self._taken)
        while taken is not None and taken.end <= now:
            self._taken.front.pop()
            taken.taken = False
            self._free.add(taken.moved(-taken.mean))
            taken = self._top(self._taken)
        share = self._top(self._free)
        if share is not None and (taken is None or now + share.mean <= taken.end + taken.mean):
            self._free.front.pop()
            if not share.known:
                share.mean = self._overall.value
            share.end = now + share.mean
        elif taken is not None:
            share = taken
            self._taken.front.pop()
            share.end += share.mean
        else:
            return None
        self._turn = turn = self._turn - 1
        share.taken = share.end > now
        # Declared, or compiled code makes a tuple of its own for each of its two places.
        entry: Entry = (-(share.end + share.mean) if share.taken else -share.mean, turn, share)
        share.entry = entry
        (self._taken if share.taken else self._free).add(entry)
        return share.worker

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:
        share = self._shares[worker.slot]
        if share is None or share.worker is not worker:
            return
        self._overall.add(run_time, wait_time, active_time)
        share.known = True
        mean = share.mean = share.time.add(run_time, wait_time, active_time)
        entry = share.entry
        assert entry is not None
        order = -(share.end + mean) if share.taken else -mean
        if order > entry[0]:
            line = self._taken if share.taken else self._free
            line.add(share.moved(order))
            self._compact(line)

    def _compact(self, line: Line[Entry]) -> None:
        """Drops the stale entries once they are the most, so that memory follows the workers."""
        if len(line) > 64 + 2 * self._count:
            line.keep(_is_current)

    def _top(self, line: Line[Entry]) -> _Share | None:
        """The first share of a side; its entry is at the top and up to date."""
        while True:
            front = line.front or line.refill()
            if not front:
                return None
            entry = front[-1]
            share: _Share = entry[2]
            if share.entry is not entry:
                front.pop()
                continue
            order = -(share.end + share.mean) if share.taken else -share.mean
            if order == entry[0]:
                return share
            front.pop()
            line.add(share.moved(order))


def _is_current(entry: Entry) -> bool:
    share: _Share = entry[2]
    return share.entry is entry
