"""What they do. To add a scenario: a file in this folder that calls `add`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.versus.contestants import Open

__all__ = ["PROCESS_POOLS", "Goal", "Metric", "Parameters", "Run", "Scenario", "add", "all_scenarios"]

Parameters: TypeAlias = Mapping[str, Any]
Run: TypeAlias = Callable[[Open, Parameters], Awaitable[dict[str, float]]]
"""Takes one sample: a number for every metric."""

PROCESS_POOLS = ("aiomultiprocess", "executor", "loky", "mpire", "multiprocessing", "pebble")
"""The pools of worker processes for Python that take tasks one by one, as asyncio has them.

joblib takes lists of calls and gives all their results together. It takes part with lists that its contestant collects,
and has a goal of its own: with batches the price of a task is another, and so is what one slow task holds up.
"""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a scenario measures.

    Attributes:
        key: Its name in a sample.
        title: The head of its column.
        unit: Multiplied with on display: 1e6 shows seconds as microseconds.
        more_is_better: True for rates, False for times.
        digits: Decimals on display.
    """

    key: str
    title: str
    unit: float = 1.0
    more_is_better: bool = False
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Goal:
    """What poolifier has to reach: a multiple of the best of `against`, or else a value of its own.

    Attributes:
        what: The row's name in the table of goals.
        metric: By which number.
        against: Contestants; the best of those that ran counts. None of them: `limit` is a value, not a multiple.
        limit: Ours has to be at least so much where more is better, and at most so much where less is.
        ours: Which of our contestants.
    """

    what: str
    metric: str
    limit: float
    against: tuple[str, ...] = ()
    ours: str = "poolifier"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One comparison.

    Attributes:
        key: Its name on the command line and in results.
        title: The table's heading; may name parameters in braces.
        run: Takes one sample.
        metrics: What a sample holds, the foremost first.
        goals: What we promise.
        full: Parameters of `make bench`.
        quick: Those of `make bench-quick`, where they differ; None leaves the scenario out of it.
        samples: How many samples of each contestant, in full and in quick.
        order: Place in the report.
    """

    key: str
    title: str
    run: Run
    metrics: tuple[Metric, ...]
    goals: tuple[Goal, ...]
    full: Parameters
    quick: Parameters | None
    samples: tuple[int, int]
    order: int

    def parameters(self, *, quick: bool) -> dict[str, Any]:
        return {**self.full, **((self.quick or {}) if quick else {})}

    def metric(self, key: str) -> Metric:
        return next(metric for metric in self.metrics if metric.key == key)


_scenarios: dict[str, Scenario] = {}


def add(scenario: Scenario) -> None:
    """Registers a scenario."""
    _scenarios[scenario.key] = scenario


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario by its key, in the order of the report."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_scenarios.items(), key=lambda item: item[1].order))
