"""Numbers into tables: medians, spread, ratios, and what was promised."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.versus.scenarios import Goal, Metric, Scenario

OURS = "poolifier"


@dataclass(slots=True)
class Results:
    """The samples of one scenario."""

    scenario: Scenario
    parameters: dict[str, Any]
    titles: dict[str, str]
    samples: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, contestant: str, sample: dict[str, float]) -> None:
        self.samples.setdefault(contestant, []).append(sample)

    def fail(self, contestant: str, reason: str) -> None:
        self.failures[contestant] = reason

    def values(self, contestant: str, metric: Metric) -> list[float]:
        return [sample[metric.key] for sample in self.samples.get(contestant, ())]

    def times_better(self, metric: Metric, than: str) -> float | None:
        """How many times better our median is: above 1 is better, whichever way the metric points."""
        ours, theirs = self.values(OURS, metric), self.values(than, metric)
        if not ours or not theirs:
            return None
        ratio = statistics.median(ours) / statistics.median(theirs)
        return ratio if metric.more_is_better else 1 / ratio

    def verdict(self, goal: Goal) -> tuple[float | None, bool]:
        metric = next(metric for metric in self.scenario.metrics if metric.key == goal.metric)
        times = self.times_better(metric, goal.against)
        return times, times is not None and times >= goal.times

    def as_dict(self) -> dict[str, Any]:
        verdicts = [(goal, *self.verdict(goal)) for goal in self.scenario.goals]
        return {
            "parameters": self.parameters,
            "samples": self.samples,
            "failures": self.failures,
            "medians": {
                key: {metric.key: statistics.median(self.values(key, metric)) for metric in self.scenario.metrics}
                for key in self.samples
            },
            "goals": [
                {"metric": goal.metric, "against": goal.against, "times": goal.times, "measured": times, "met": met}
                for goal, times, met in verdicts
            ],
        }


def table(scenario: Scenario, results: Results) -> str:
    """The scenario as it is printed."""
    head = [""]
    for metric in scenario.metrics:
        head += [metric.title, "least .. most", "ours better by"]
    rows = [head]
    for key, title in results.titles.items():
        row = [title]
        for metric in scenario.metrics:
            row += _cells(results, key, metric)
        rows.append(row)
    lines = [scenario.title.format(**results.parameters), "", *_aligned(rows)]
    for key, reason in results.failures.items():
        lines += ["", f"{results.titles[key]} failed:", *("  " + line for line in reason.splitlines()[-5:])]
    for goal in scenario.goals:
        times, met = results.verdict(goal)
        if OURS in results.titles and goal.against in results.titles:
            measured = "not measured" if times is None else f"{times:.1f} x"
            against = results.titles[goal.against]
            lines += ["", f"  {'PASS' if met else 'MISS'}  {goal.metric}: {measured} {against}; goal: {goal.times:g} x"]
    return "\n".join(lines)


def machine() -> str:
    """Where this ran, in a line."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python} on {platform.system()} {platform.release()}, {cpus} x {_cpu_model()}"


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cells(results: Results, key: str, metric: Metric) -> list[str]:
    values = [value * metric.unit for value in results.values(key, metric)]
    if not values:
        return ["failed", "", ""]
    times = results.times_better(metric, key)
    return [
        f"{statistics.median(values):,.0f}",
        f"{min(values):,.0f} .. {max(values):,.0f}",
        "" if key == OURS or times is None else f"{times:.1f} x",
    ]


def _aligned(rows: list[list[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  " + "  ".join([row[0].ljust(len(first)), *others]).rstrip()
