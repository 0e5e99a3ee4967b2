"""What they do. To add a scenario: a file in this folder that calls `add`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.versus.contestants import Open

__all__ = ["Goal", "Metric", "Parameters", "Run", "Scenario", "add", "all_scenarios"]

Parameters: TypeAlias = Mapping[str, Any]
Run: TypeAlias = Callable[[Open, Parameters], Awaitable[dict[str, float]]]
"""Takes one sample: a number for every metric."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a scenario measures.

    Attributes:
        key: Its name in a sample.
        title: The head of its column.
        unit: Multiplied with on display: 1e6 shows seconds as microseconds.
        more_is_better: True for rates, False for times.
    """

    key: str
    title: str
    unit: float = 1.0
    more_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times better than `against` poolifier has to be by `metric`."""

    metric: str
    against: str
    times: float


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
        quick: Those of `make bench-quick`, where they differ.
        samples: How many samples of each contestant, in full and in quick.
        order: Place in the report.
    """

    key: str
    title: str
    run: Run
    metrics: tuple[Metric, ...]
    goals: tuple[Goal, ...]
    full: Parameters
    quick: Parameters
    samples: tuple[int, int]
    order: int

    def parameters(self, *, quick: bool) -> dict[str, Any]:
        return {**self.full, **(self.quick if quick else {})}


_scenarios: dict[str, Scenario] = {}


def add(scenario: Scenario) -> None:
    """Registers a scenario."""
    _scenarios[scenario.key] = scenario


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario by its key, in the order of the report."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_scenarios.items(), key=lambda item: item[1].order))
