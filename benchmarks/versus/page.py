"""The page of results: the table of goals between its markers, and a plot per scenario."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.versus.plot import bars
from benchmarks.versus.report import HEAD, Results, verdicts

PAGE = Path("docs/explanation/benchmarks.md")
PLOTS = Path("docs/explanation/benchmarks")


def write(machine: str, all_results: Sequence[Results]) -> None:
    """Replaces what stands between the markers, and the plots of the scenarios that ran."""
    PLOTS.mkdir(exist_ok=True)
    shown = []
    for results in all_results:
        if not results.samples:
            continue
        scenario, metric = results.scenario, results.scenario.metrics[0]
        title = scenario.title.format(**results.parameters)
        rows = {
            results.titles[key]: (results.values(key, metric), key.startswith("poolifier"))
            for key in results.titles
            if results.values(key, metric)
        }
        plot = PLOTS / f"{scenario.key}.svg"
        plot.write_text(bars(f"{title} [{metric.title}]", rows, metric.unit, metric.digits))
        shown.append(f"![{title}]({plot.relative_to(PAGE.parent)})")
        shown += [f"{results.titles[key]} took no part: {reason}." for key, reason in results.unavailable.items()]
        shown += [f"{results.titles[key]} failed: {results.out(key)}." for key in results.failures]
    lines = [HEAD, ("---", "---:", "---", "---:", "---", "---"), *(each.cells() for each in verdicts(all_results))]
    goals = "\n".join(f"| {' | '.join(row)} |" for row in lines)
    text = PAGE.read_text()
    for name, content in (("goals", f"{machine}.\n\n{goals}"), ("plots", "\n\n".join(shown))):
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}"
    PAGE.write_text(text)
