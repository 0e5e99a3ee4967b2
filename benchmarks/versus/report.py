"""Numbers into tables: medians, spread, ratios, and what was promised."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import poolifier
from benchmarks.versus.scenarios import Goal, Metric, Scenario


@dataclass(slots=True)
class Results:
    """The samples of one scenario, and who gave none, with the reason."""

    scenario: Scenario
    parameters: dict[str, Any]
    titles: dict[str, str]
    samples: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    def add(self, contestant: str, sample: dict[str, float]) -> None:
        self.samples.setdefault(contestant, []).append(sample)

    def values(self, contestant: str, metric: Metric) -> list[float]:
        return [sample[metric.key] for sample in self.samples.get(contestant, ()) if metric.key in sample]

    def median(self, contestant: str, metric: Metric) -> float | None:
        values = self.values(contestant, metric)
        return statistics.median(values) if values else None

    def best(self, contestants: Iterable[str], metric: Metric) -> str | None:
        """Who of them has the best median."""
        medians = {key: value for key in contestants if (value := self.median(key, metric)) is not None}
        if not medians:
            return None
        return max(medians, key=lambda key: medians[key] if metric.more_is_better else -medians[key])

    @property
    def leader(self) -> str | None:
        """The one of ours that takes part here."""
        return next((key for key in self.titles if key.startswith("poolifier")), None)

    def out(self, contestant: str) -> str:
        """Why there is no number of it."""
        reason = self.unavailable.get(contestant) or self.failures.get(contestant)
        return reason.splitlines()[-1] if reason else "did not take part"

    def as_dict(self) -> dict[str, Any]:
        return {
            "parameters": self.parameters,
            "samples": self.samples,
            "failures": self.failures,
            "unavailable": self.unavailable,
            "medians": {
                key: {metric.key: self.median(key, metric) for metric in self.scenario.metrics} for key in self.samples
            },
            "goals": [asdict(verdict(goal, self)) for goal in self.scenario.goals],
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row of the table of goals.

    Attributes:
        ours: Our median.
        theirs: The median it is compared with, where it is compared.
        against: Whose that is.
        ratio: Ours divided by theirs.
        met: None where it could not be measured.
        why_not: Why it could not.
    """

    what: str
    ours: str
    theirs: str
    against: str
    ratio: float | None
    goal: str
    met: bool | None
    why_not: str = ""

    def cells(self) -> list[str]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f} x"
        met = self.why_not if self.met is None else "met" if self.met else "MISSED"
        return [self.what, self.ours, " ".join(filter(None, (self.against, self.theirs))), ratio, self.goal, met]


HEAD = ("", "ours", "peer or floor", "ratio", "goal", "")


def verdict(goal: Goal, results: Results) -> Verdict:
    """Whether the goal is met, by medians."""
    metric = results.scenario.metric(goal.metric)
    word = "at least" if metric.more_is_better else "at most"
    aim = f"{word} {goal.limit:g} x" if goal.against else f"{word} {_number(goal.limit, metric)}"
    ours = results.median(goal.ours, metric)
    if ours is None:
        return Verdict(goal.what, "", "", "", None, aim, None, f"not measured: {results.out(goal.ours)}")
    if not goal.against:
        met = ours >= goal.limit if metric.more_is_better else ours <= goal.limit
        return Verdict(goal.what, _number(ours, metric), "", "", None, aim, met)
    best = results.best(goal.against, metric)
    if best is None:
        why = f"nothing to compare with: {results.out(goal.against[0])}"
        return Verdict(goal.what, _number(ours, metric), "", "", None, aim, None, why)
    theirs = results.median(best, metric)
    assert theirs is not None
    ratio = ours / theirs
    met = ratio >= goal.limit if metric.more_is_better else ratio <= goal.limit
    return Verdict(goal.what, _number(ours, metric), _number(theirs, metric), results.titles[best], ratio, aim, met)


def verdicts(all_results: Iterable[Results]) -> list[Verdict]:
    """Of every goal whose scenario ran with ours in it."""
    return [
        verdict(goal, results)
        for results in all_results
        for goal in results.scenario.goals
        if goal.ours in results.titles and (not goal.against or any(key in results.titles for key in goal.against))
    ]


def table(results: Results) -> str:
    """The scenario as it is printed."""
    scenario = results.scenario
    head = [""]
    for metric in scenario.metrics:
        head += [metric.title, "least .. most", "ours / it"]
    rows = [head]
    for key, title in results.titles.items():
        if key not in results.samples:
            continue
        row = [title]
        for metric in scenario.metrics:
            row += _cells(results, key, metric)
        rows.append(row)
    lines = [scenario.title.format(**results.parameters), "", *aligned(rows)]
    for key, reason in results.unavailable.items():
        lines += [f"  {results.titles[key]} took no part: {reason}"]
    for key, reason in results.failures.items():
        lines += [f"  {results.titles[key]} failed:", *("    " + line for line in reason.splitlines()[-5:])]
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,)) -> Iterable[str]:
    """Columns as wide as their widest cell; those in `left` begin at the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield ("  " + "  ".join(cells)).rstrip()


def machine() -> str:
    """Where this ran, in a line."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    build = "compiled" if poolifier.compiled else "not compiled"
    system = f"{platform.system()} {platform.release()}, {cpus} x {_cpu_model()}"
    return f"poolifier {poolifier.__version__} ({build}), {python} on {system}"


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _number(value: float, metric: Metric) -> str:
    return f"{value * metric.unit:,.{metric.digits}f}"


def _cells(results: Results, key: str, metric: Metric) -> list[str]:
    values = results.values(key, metric)
    if not values:
        return ["", "", ""]
    middle = statistics.median(values)
    ours = None if results.leader is None else results.median(results.leader, metric)
    return [
        _number(middle, metric),
        f"{_number(min(values), metric)} .. {_number(max(values), metric)}",
        "" if key == results.leader or ours is None or not middle else f"{ours / middle:.2f} x",
    ]
