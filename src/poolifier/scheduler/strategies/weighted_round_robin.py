"""Weighted round robin: stay on a worker until its share of time is used up, then the next."""

from __future__ import annotations

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy, WorkerCandidate
from poolifier.scheduler.strategies.ring import Ring
from poolifier.scheduler.strategies.task_times import TaskTime, task_time

DEFAULT_WEIGHT = 400.0
"""Milliseconds, for where no weights were worked out: that of a CPU of 2.5 GHz."""


class Weighted:
    """The workers, their weights and mean task times, in seconds, and the virtual time of the one in turn.

    Attributes:
        weights: By slot.
        times: By slot, as lists are: a dict by worker would be two cache misses more per task in large pools.
    """

    __slots__ = ("_options", "_workers", "ring", "times", "virtual", "weights")

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        self._options = options
        self._workers: list[WorkerCandidate | None] = []
        self.ring: Ring = Ring()
        self.times: list[TaskTime] = []
        self.weights: list[float] = []
        self.virtual: float = 0.0

    def add(self, worker: WorkerCandidate) -> None:
        """Adds a worker."""
        slot = worker.slot
        while len(self._workers) <= slot:
            self._workers.append(None)
            self.times.append(task_time(self._options))
            self.weights.append(0.0)
        weights = self._options.weights
        weight = DEFAULT_WEIGHT if weights is None else weights[slot]
        # A trifle less, so that ten tasks of 10 ms do fill 100 ms in spite of rounding.
        self.weights[slot] = weight / 1000.0 * (1.0 - 1e-9)
        self.times[slot] = task_time(self._options)
        self._workers[slot] = worker
        self.ring.add(worker)

    def remove(self, worker: WorkerCandidate) -> None:
        """Forgets a worker."""
        if self.ring.current() is worker:
            self.virtual = 0.0
        self.ring.remove(worker)
        self._workers[worker.slot] = None

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:
        """Takes in a task that ended."""
        slot = worker.slot
        if self._workers[slot] is worker:
            self.times[slot].add(run_time, wait_time, active_time)


class WeightedRoundRobin(Strategy):
    """Stays on a worker until its virtual execution time reaches its weight, then takes the next. O(1).

    The virtual execution time grows by the worker's mean task time with each choice, so a worker
    that nothing is known of keeps its turn until its first task has ended.
    """

    policy: StrategyPolicy = StrategyPolicy(dynamic_worker_usage=False, dynamic_worker_ready=False)

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        self._workers = Weighted(options)

    def worker_added(self, worker: WorkerCandidate) -> None:
        self._workers.add(worker)

    def worker_removed(self, worker: WorkerCandidate) -> None:
        self._workers.remove(worker)

    def choose(self, now: float) -> WorkerCandidate | None:  # noqa: ARG002
        workers = self._workers
        worker = workers.ring.current()
        if worker is None:
            return None
        if workers.virtual >= workers.weights[worker.slot]:
            workers.virtual = 0.0
            workers.ring.advance()
            worker = workers.ring.current()
            assert worker is not None
        workers.virtual += workers.times[worker.slot].value
        return worker

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:
        self._workers.task_ended(worker, run_time, wait_time, active_time)
