"""The mean, or median, time of a worker's tasks: what the strategies that measure go by."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Final, TypeAlias

from poolifier.options import Measurement, MeasurementOptions, WorkerChoiceStrategyOptions

MEDIAN_WINDOW: Final = 255
"""Medians are those of this many most recent tasks."""


class Mean:
    """The mean of all that was added; 0.0 before the first."""

    __slots__ = ("_count", "_total", "value")

    def __init__(self) -> None:
        self._count = 0
        self._total = 0.0
        self.value: float = 0.0

    def add(self, seconds: float) -> None:
        """Adds a time. O(1)."""
        self._count += 1
        self._total += seconds
        self.value = self._total / self._count


class Median:
    """The median of the most recent times; 0.0 before the first."""

    __slots__ = ("_ordered", "_recent", "value")

    def __init__(self) -> None:
        self._ordered: list[float] = []
        self._recent: deque[float] = deque()
        self.value: float = 0.0

    def add(self, seconds: float) -> None:
        """Adds a time. O(window)."""
        ordered = self._ordered
        if len(ordered) == MEDIAN_WINDOW:
            del ordered[bisect_left(ordered, self._recent.popleft())]
        insort(ordered, seconds)
        self._recent.append(seconds)
        middle = len(ordered) // 2
        self.value = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


Statistic: TypeAlias = Mean | Median


def statistic(options: MeasurementOptions) -> Statistic:
    """A fresh `Median` or `Mean`, as the options say."""
    return Median() if options.median else Mean()


class TaskTime:
    """What one worker's tasks take; `value` is 0.0 before the first."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0.0

    def add(self, run_time: float, wait_time: float, active_time: float) -> float:
        """Takes in a task that ended; returns the value."""
        raise NotImplementedError


class MeanTaskTime(TaskTime):
    """Mean run time plus wait time: what most pools measure.

    Few and small objects, for with thousands of workers each object on the way is a cache miss.
    """

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self.value: float = 0.0
        self._count = 0

    def add(self, run_time: float, wait_time: float, active_time: float) -> float:  # noqa: ARG002
        """Takes in a task that ended; returns the value. O(1)."""
        count = self._count = self._count + 1
        value = self.value
        value += (run_time + wait_time - value) / count
        self.value = value
        return value


class MeasuredTaskTime(TaskTime):
    """Run time plus wait time, wait time, or active time, by mean or median."""

    __slots__ = ("_active", "_measurement", "_run", "_wait")

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        self.value = 0.0
        self._measurement = options.measurement or Measurement.RUN_TIME
        self._run = statistic(options.run_time)
        self._wait = statistic(options.wait_time)
        self._active = statistic(options.elu)

    def add(self, run_time: float, wait_time: float, active_time: float) -> float:
        """Takes in a task that ended; returns the value."""
        if self._measurement is Measurement.ELU:
            self._active.add(active_time)
            self.value = self._active.value
            return self.value
        self._wait.add(wait_time)
        if self._measurement is Measurement.WAIT_TIME:
            self.value = self._wait.value
        else:
            self._run.add(run_time)
            self.value: float = self._run.value + self._wait.value
        return self.value


def task_time(options: WorkerChoiceStrategyOptions) -> TaskTime:
    """A fresh `TaskTime`, as the options say."""
    by_mean = not options.run_time.median and not options.wait_time.median
    if by_mean and options.measurement in (None, Measurement.RUN_TIME):
        return MeanTaskTime()
    return MeasuredTaskTime(options)
