"""Interleaved weighted round robin: the shares are taken in rounds, not in one lump.

After Tabatabaee, Le Boudec, Boyer: "Interleaved Weighted Round-Robin: A Network Calculus Analysis" (2020).
"""

from __future__ import annotations

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.strategies.ring import Ring
from poolifier.scheduler.strategies.weighted_round_robin import Weighted


class InterleavedWeightedRoundRobin(Strategy):
    """Goes through rounds, which are the distinct weights in ascending order. O(1) amortised.

    In a round a worker takes tasks while its weight is at least the round's and its virtual time is
    below its weight; then comes the next such worker, by slot. The workers of a round are listed
    when the round is first used, and again after workers came or went.
    """

    policy: StrategyPolicy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        self._workers = Weighted(options)
        self._rounds: list[float] = []
        self._rings: dict[float, Ring] = {}
        self._round = 0
        self._virtual = 0.0

    def worker_added(self, worker: WorkerCandidate) -> None:
        self._workers.add(worker)
        self._changed()

    def worker_removed(self, worker: WorkerCandidate) -> None:
        self._workers.remove(worker)
        self._changed()

    def choose(self, now: float) -> WorkerCandidate | None:  # noqa: ARG002
        if not self._rounds:
            workers = self._workers.ring.workers
            if not workers:
                return None
            self._rounds = sorted({self._workers.weights[worker.slot] for worker in workers})
        ring = self._ring()
        worker = ring.current()
        assert worker is not None
        if self._virtual >= self._workers.weights[worker.slot]:
            self._virtual = 0.0
            if ring.advance():
                self._round = (self._round + 1) % len(self._rounds)
                ring = self._ring()
            worker = ring.current()
            assert worker is not None
        self._virtual += self._workers.times[worker.slot].value
        return worker

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:
        self._workers.task_ended(worker, run_time, wait_time, active_time)

    def _changed(self) -> None:
        self._rounds.clear()
        self._rings.clear()
        self._round = 0
        self._virtual = 0.0

    def _ring(self) -> Ring:
        weight = self._rounds[self._round]
        ring = self._rings.get(weight)
        if ring is None:
            ring = self._rings[weight] = Ring()
            weights = self._workers.weights
            ring.workers = [worker for worker in self._workers.ring.workers if weights[worker.slot] >= weight]
        return ring
