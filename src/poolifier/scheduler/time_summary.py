"""Measured times, as users get to see them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeSummary:
    """Times in seconds; all 0.0 while none has been measured.

    Tiny items of a map are timed in groups, and each has the mean of its group; so what is told here of their extremes
    and percentiles is close to the truth, and not exact.

    Attributes:
        total: The sum, which `average` is made of.
        median: Like `p95` and `p99`, of the most recent 1,024 times.
    """

    count: int = 0
    total: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    average: float = 0.0
    median: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
