"""Least ELU: the worker whose runtime was active for the least time."""

from __future__ import annotations

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.strategies.least import Least


class LeastElu(Strategy):
    """Takes the worker with the least accumulated active time of its runtime. O(log workers).

    Unlike run time, that counts an `async def` only while it computes, not while it awaits.
    """

    policy: StrategyPolicy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:  # noqa: ARG002
        self._least = Least()

    def worker_added(self, worker: WorkerCandidate) -> None:
        self._least.add(worker, worker.active)

    def worker_removed(self, worker: WorkerCandidate) -> None:
        self._least.remove(worker)

    def choose(self, now: float) -> WorkerCandidate | None:  # noqa: ARG002
        return self._least.lowest()

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:  # noqa: ARG002
        self._least.grow(worker, worker.active)
