"""What workers have done: counts exactly, times cheaply.

A task's end costs two appends. Sums, extremes and the window for percentiles are worked out for some
hundred tasks at a time, or when somebody looks.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from poolifier.scheduler.time_summary import TimeSummary

if TYPE_CHECKING:
    from poolifier.scheduler.functions import Function

WINDOW: Final = 1024
"""Median and percentiles are those of this many most recent times."""

PENDING: Final = WINDOW // 2
"""Times that are put off at the most before they are summed up; a task has two."""


class Times:
    """Measured times, summed up; the most recent ones are kept as they are."""

    __slots__ = ("count", "maximum", "minimum", "recent", "total")

    def __init__(self) -> None:
        self.count: int = 0
        self.total: float = 0.0
        self.minimum: float = 0.0
        self.maximum: float = 0.0
        # An array, not a list: eight bytes a time.
        self.recent: array[float] = array("d")

    def add(self, times: list[float]) -> None:
        """Sums up some more."""
        if not times:
            return
        lowest = times[0] if self.count == 0 else self.minimum
        highest = self.maximum
        total = 0.0
        for time in times:
            total += time
            if time < lowest:
                lowest = time
            elif time > highest:
                highest = time
        self.minimum = lowest
        self.maximum = highest
        self.count += len(times)
        self.total += total
        self.recent = (self.recent + array("d", times))[-WINDOW:]

    def add_groups(self, counts: list[int], means: list[float], total: float) -> None:
        """Sums up groups of times: how many there are in each, their means, and the sum of all."""
        lowest = min(means)
        self.minimum = lowest if self.count == 0 else min(self.minimum, lowest)
        self.maximum = max(self.maximum, max(means))
        self.count += sum(counts)
        self.total += total
        recent: array[float] = array("d")
        for count, mean in zip(counts, means, strict=True):
            recent.extend(array("d", (mean,)) * count)
        self.recent = (self.recent + recent)[-WINDOW:]

    def merge(self, other: Times) -> None:
        """Adds another's times to these."""
        if other.count == 0:
            return
        self.minimum = other.minimum if self.count == 0 else min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.count += other.count
        self.total += other.total
        self.recent += other.recent

    def summary(self) -> TimeSummary:
        """The numbers so far. O(window log window)."""
        if self.count == 0:
            return TimeSummary()
        recent = sorted(self.recent)
        return TimeSummary(
            count=self.count,
            total=self.total,
            minimum=self.minimum,
            maximum=self.maximum,
            average=self.total / self.count,
            median=percentile(recent, 0.5),
            p95=percentile(recent, 0.95),
            p99=percentile(recent, 0.99),
        )


def percentile(ordered: list[float], share: float) -> float:
    """The value below which `share` of the ordered values lie, interpolated linearly."""
    position = (len(ordered) - 1) * share
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


class FunctionUsage:
    """What one worker has done of one task function.

    Attributes:
        pending: Run time and wait time in turn, of tasks that are not summed up yet: one list for both, for
            with thousands of workers each object that a task's end comes by is a cache miss.
    """

    __slots__ = ("_run_time", "_wait_time", "aborted", "executed", "failed", "pending", "stolen")

    def __init__(self) -> None:
        self.executed: int = 0
        self.failed: int = 0
        self.aborted: int = 0
        self.stolen: int = 0
        self.pending: list[float] = []
        self._run_time = Times()
        self._wait_time = Times()

    def fold(self) -> None:
        """Sums up what is pending."""
        pending = self.pending
        self._run_time.add(pending[::2])
        self._wait_time.add(pending[1::2])
        pending.clear()

    def add_groups(self, counts: list[int], means: list[float], total: float, waited: float) -> None:
        """Takes the run times of many tasks, which are known in groups, and how long each of them waited."""
        self.fold()
        count = sum(counts)
        self._run_time.add_groups(counts, means, total)
        self._wait_time.add_groups([count], [waited], waited * count)

    @property
    def run_time(self) -> Times:
        """How long its tasks ran."""
        self.fold()
        return self._run_time

    @property
    def wait_time(self) -> Times:
        """How long they waited."""
        self.fold()
        return self._wait_time

    def trim(self) -> None:
        """Forgets the older ones of the recent times."""
        del self.run_time.recent[:-WINDOW]
        del self.wait_time.recent[:-WINDOW]

    def merge(self, other: FunctionUsage) -> None:
        """Adds another's numbers to these."""
        self.executed += other.executed
        self.failed += other.failed
        self.aborted += other.aborted
        self.stolen += other.stolen
        self.run_time.merge(other.run_time)
        self.wait_time.merge(other.wait_time)


class NodeUsage:
    """What one worker has done, by task function. Also serves to sum up workers that are gone."""

    __slots__ = ("by_function", "max_queued", "sequentially_stolen")

    def __init__(self) -> None:
        self.by_function: dict[Function, FunctionUsage] = {}
        self.max_queued: int = 0
        self.sequentially_stolen: int = 0

    def of(self, function: Function) -> FunctionUsage:
        """The part of one task function."""
        usage = self.by_function.get(function)
        if usage is None:
            usage = self.by_function[function] = FunctionUsage()
        return usage

    def inherit(self, heir: Function, function: Function) -> None:
        """Books what was done of one task function on another, which has taken its place."""
        usage = self.by_function.pop(function, None)
        if usage is not None:
            self.of(heir).merge(usage)
            self.trim()

    def merge(self, other: NodeUsage) -> None:
        """Adds another's numbers to these."""
        for function, usage in other.by_function.items():
            self.of(function).merge(usage)
        self.max_queued = max(self.max_queued, other.max_queued)

    def trim(self) -> None:
        """Forgets the older times, so that workers that come and go leave no trail that grows."""
        for usage in self.by_function.values():
            usage.trim()

    def total(self) -> FunctionUsage:
        """All task functions together."""
        total = FunctionUsage()
        for usage in self.by_function.values():
            total.merge(usage)
        return total

    def counts(self) -> tuple[int, int, int, int]:
        """Executed, failed, aborted and stolen tasks."""
        usages = self.by_function.values()
        return (
            sum(usage.executed for usage in usages),
            sum(usage.failed for usage in usages),
            sum(usage.aborted for usage in usages),
            sum(usage.stolen for usage in usages),
        )
