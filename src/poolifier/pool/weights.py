"""What the weighted strategies go by where no weights are given: the speed of the CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from poolifier.options import WorkerChoiceStrategy, WorkerChoiceStrategyOptions

CYCLES = 1_000_000.0
"""Thousands of cycles that a worker's turn lasts: 400 ms at 2.5 GHz."""

FALLBACK_MHZ = 2_500.0


WEIGHTED: Final = frozenset(
    (WorkerChoiceStrategy.WEIGHTED_ROUND_ROBIN, WorkerChoiceStrategy.INTERLEAVED_WEIGHTED_ROUND_ROBIN)
)


def with_weights(strategy: object, options: WorkerChoiceStrategyOptions, max_size: int) -> WorkerChoiceStrategyOptions:
    """The options with a weight for every slot, where the strategy goes by weights and none are given.

    All slots get the same, for any worker may run on any CPU.
    """
    if options.weights is not None or strategy not in WEIGHTED:
        return options
    return replace(options, weights=dict.fromkeys(range(max_size), round(CYCLES / _megahertz())))


def _megahertz() -> float:
    import psutil

    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        frequency = None
    if frequency is None:
        return FALLBACK_MHZ
    return frequency.max or frequency.current or FALLBACK_MHZ
