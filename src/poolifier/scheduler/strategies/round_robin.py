"""Round robin: the next eligible worker."""

from __future__ import annotations

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.strategies.ring import Ring


class RoundRobin(Strategy):
    """Takes the workers in turn, by slot. O(1)."""

    policy: StrategyPolicy = StrategyPolicy(dynamic_worker_usage=True, dynamic_worker_ready=True)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:  # noqa: ARG002
        self._ring = Ring()

    def worker_added(self, worker: WorkerCandidate) -> None:
        self._ring.add(worker)

    def worker_removed(self, worker: WorkerCandidate) -> None:
        self._ring.remove(worker)

    def choose(self, now: float) -> WorkerCandidate | None:  # noqa: ARG002
        worker = self._ring.current()
        self._ring.cursor += 1
        return worker
