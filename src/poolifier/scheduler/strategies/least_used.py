"""Least used: the worker with the fewest executing and queued tasks."""

from __future__ import annotations

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.node import Node


class _Entry:
    """A worker among those of its load: a ring, which their rung closes."""

    __slots__ = ("next", "previous", "rung", "worker")

    def __init__(self, worker: WorkerCandidate | None, rung: _Rung | None) -> None:
        self.worker = worker
        self.rung: _Rung | None = rung
        self.previous: _Entry = self
        self.next: _Entry = self


class _Rung(_Entry):
    """Those of one load, of whom there is at least one. The rungs are a ring as well, in the order of their loads."""

    __slots__ = ("above", "below", "load")

    def __init__(self, load: int) -> None:
        super().__init__(None, None)
        self.load = load
        self.above: _Rung = self
        self.below: _Rung = self


class LeastUsed(Strategy):
    """Takes the worker with the fewest executing and queued tasks. O(1).

    Workers stand on a ladder that has a rung for each load in use. A load changes by one, so a worker moves to
    the next rung, and nothing is searched for. The frequencies of a cache are kept in this way by Shah, Mitra
    and Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme", 2010. Where more than one
    task comes or goes before this is told, as out of a hook of the user's own, the rungs between are passed.

    Among equals, one that just got a task comes last (so a burst is dealt out in slot order), and
    one that just finished a task comes first: its caches are warm, and in a dynamic pool the workers
    that are not needed stay idle and retire.
    """

    policy: StrategyPolicy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:  # noqa: ARG002
        # By slot.
        self._entries: list[_Entry | None] = []
        # Closes the ring of the rungs, below the lowest and above the highest; no worker stands there.
        self._ground = _Rung(-1)
        self._spare: _Rung | None = None

    def worker_added(self, worker: WorkerCandidate) -> None:
        """Puts it where it belongs, as the last of its load. O(loads in use that are not above its own)."""
        slot, load = worker.slot, worker.load
        below = self._ground
        while below.above is not self._ground and below.above.load <= load:
            below = below.above
        rung = below if below.load == load else self._rung_above(below, load)
        entry = _Entry(worker, rung)
        self._entries.extend([None] * (slot + 1 - len(self._entries)))
        self._entries[slot] = entry
        _put_between(rung.previous, entry, rung)

    def worker_removed(self, worker: WorkerCandidate) -> None:
        entry = self._entries[worker.slot]
        assert entry is not None
        assert entry.rung is not None
        self._entries[worker.slot] = None
        entry.previous.next = entry.next
        entry.next.previous = entry.previous
        if entry.rung.next is entry.rung:
            self._take_out(entry.rung)

    def choose(self, now: float) -> WorkerCandidate | None:  # noqa: ARG002
        return self._ground.above.next.worker

    def load_changed(self, worker: WorkerCandidate) -> None:
        # With the defaults this runs twice a task. What is known to be a node is read faster where this is compiled.
        node: Node = worker  # type: ignore[assignment]
        entry = self._entries[node.slot]
        assert entry is not None
        rung = entry.rung
        assert rung is not None
        load = node.load
        alone = entry.previous is entry.next
        more = load > rung.load
        if more:
            other = rung.above
            if alone and (load < other.load or other is self._ground):
                # Its rung goes along. In small pools that is how it mostly is.
                rung.load = load
                return
            while other.load < load and other is not self._ground:
                other = other.above
            if other.load != load:
                other = self._rung_above(other.below, load)
        elif load < rung.load:
            other = rung.below
            if alone and other.load < load:
                rung.load = load
                return
            while other.load > load:
                other = other.below
            if other.load != load:
                other = self._rung_above(other, load)
        else:
            return
        entry.previous.next = entry.next
        entry.next.previous = entry.previous
        if alone:
            self._take_out(rung)
        entry.rung = other
        if more:
            _put_between(other.previous, entry, other)
        else:
            _put_between(other, entry, other.next)

    def _rung_above(self, below: _Rung, load: int) -> _Rung:
        """A rung that has no worker yet."""
        rung = self._spare or _Rung(load)
        self._spare = None
        rung.load = load
        rung.below = below
        rung.above = below.above
        below.above.below = rung
        below.above = rung
        return rung

    def _take_out(self, rung: _Rung) -> None:
        """Keeps a rung that nobody stands on any more for the next load."""
        rung.below.above = rung.above
        rung.above.below = rung.below
        self._spare = rung


def _put_between(previous: _Entry, entry: _Entry, following: _Entry) -> None:
    entry.previous = previous
    entry.next = following
    previous.next = entry
    following.previous = entry
