"""Least busy: the worker with the least accumulated wait and run time."""

from __future__ import annotations

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.strategies.least import Least


class LeastBusy(Strategy):
    """Takes the worker whose tasks have so far waited and run for the least time. O(log workers)."""

    policy: StrategyPolicy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:  # noqa: ARG002
        self._least = Least()

    def worker_added(self, worker: WorkerCandidate) -> None:
        self._least.add(worker)

    def worker_removed(self, worker: WorkerCandidate) -> None:
        self._least.remove(worker)

    def choose(self, now: float) -> WorkerCandidate | None:  # noqa: ARG002
        return self._least.lowest()

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:  # noqa: ARG002
        self._least.grow(worker, self._least.total(worker) + run_time + wait_time)
