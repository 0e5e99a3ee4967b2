"""The names of the worker choice strategies."""

from __future__ import annotations

from enum import StrEnum

from poolifier.suggestions import did_you_mean

__all__ = ["WorkerChoiceStrategy"]


class WorkerChoiceStrategy(StrEnum):
    """How the worker for a task is chosen. Plain strings such as `"least_used"` do as well."""

    ROUND_ROBIN = "round_robin"
    """The next worker in turn."""
    LEAST_USED = "least_used"
    """The worker with the fewest executing and queued tasks."""
    LEAST_BUSY = "least_busy"
    """The worker with the least accumulated wait and run time."""
    LEAST_ELU = "least_elu"
    """The worker whose runtime was active for the least time."""
    FAIR_SHARE = "fair_share"
    """The worker whose tasks would end first if each took its mean time."""
    WEIGHTED_ROUND_ROBIN = "weighted_round_robin"
    """Stay on a worker until its share of run time is used up, then the next."""
    INTERLEAVED_WEIGHTED_ROUND_ROBIN = "interleaved_weighted_round_robin"
    """Weighted round robin in rounds, so that heavy workers do not get their share in one lump."""


def check_strategy_name(strategy: object) -> str:
    """Returns the name of the strategy for the tasks of one function, or raises where there is none such."""
    allowed = ", ".join(repr(member.value) for member in WorkerChoiceStrategy)
    if not isinstance(strategy, str):
        raise TypeError(f"strategy must be one of {allowed} or None, not {strategy!r}")
    if strategy.lower() not in set(WorkerChoiceStrategy):
        near = did_you_mean(strategy, WorkerChoiceStrategy)
        raise ValueError(f"strategy must be one of {allowed} or None, not {strategy!r}{near}")
    return str(WorkerChoiceStrategy(strategy.lower()))
