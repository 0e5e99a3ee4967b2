"""The worker choice strategies, one file each."""

from __future__ import annotations

from typing import Any, Final

from poolifier.options import WorkerChoiceStrategy, WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy
from poolifier.scheduler.strategies.fair_share import FairShare
from poolifier.scheduler.strategies.interleaved_weighted_round_robin import InterleavedWeightedRoundRobin
from poolifier.scheduler.strategies.least_busy import LeastBusy
from poolifier.scheduler.strategies.least_elu import LeastElu
from poolifier.scheduler.strategies.least_used import LeastUsed
from poolifier.scheduler.strategies.round_robin import RoundRobin
from poolifier.scheduler.strategies.weighted_round_robin import WeightedRoundRobin

__all__ = ["create_strategy", "is_ours"]

_STRATEGIES: Final[dict[str, type[Strategy]]] = {
    WorkerChoiceStrategy.ROUND_ROBIN: RoundRobin,
    WorkerChoiceStrategy.LEAST_USED: LeastUsed,
    WorkerChoiceStrategy.LEAST_BUSY: LeastBusy,
    WorkerChoiceStrategy.LEAST_ELU: LeastElu,
    WorkerChoiceStrategy.FAIR_SHARE: FairShare,
    WorkerChoiceStrategy.WEIGHTED_ROUND_ROBIN: WeightedRoundRobin,
    WorkerChoiceStrategy.INTERLEAVED_WEIGHTED_ROUND_ROBIN: InterleavedWeightedRoundRobin,
}


def create_strategy(strategy: WorkerChoiceStrategy | type[Any], options: WorkerChoiceStrategyOptions) -> Strategy:
    """A fresh strategy object, of ours or of a user's own class."""
    cls: type[Strategy] = _STRATEGIES[strategy] if isinstance(strategy, str) else strategy
    return cls(options)


def is_ours(strategy: Strategy) -> bool:
    """Whether it is none of a user's own class."""
    return type(strategy) in _STRATEGIES.values()
