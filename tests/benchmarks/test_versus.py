"""The benchmark counts rightly, and a contestant that fails or is missing is told of, not left out."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.versus import page
from benchmarks.versus.contestants import all_contestants
from benchmarks.versus.plot import bars
from benchmarks.versus.report import Results, table, verdict, verdicts
from benchmarks.versus.scenarios import Goal, Metric, Scenario, all_scenarios

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.once


def _results(*goals: Goal) -> Results:
    metrics = (Metric("rate", "per second", more_is_better=True), Metric("time", "ms", 1e3))
    scenario = Scenario("s", "{tasks:,} tasks", None, metrics, goals, {"tasks": 1_000}, {"tasks": 10}, (3, 1), 1)
    titles = {"poolifier": "ours", "peer": "theirs", "slow": "slower"}
    results = Results(scenario, scenario.parameters(quick=False), titles)
    for rate, time in ((90, 0.001), (100, 0.002), (2_000, 0.009)):
        results.add("poolifier", {"rate": rate, "time": time})
    for rate, time in ((10, 0.004), (9, 0.008), (11, 0.008)):
        results.add("peer", {"rate": rate, "time": time})
    results.add("slow", {"rate": 1, "time": 1.0})
    return results


@pytest.mark.parametrize(
    ("goal", "ratio", "met"),
    [
        pytest.param(Goal("", "rate", 10.0, ("slow", "peer")), 10.0, True, id="a rate, by the best of the peers"),
        pytest.param(Goal("", "rate", 10.1, ("slow", "peer")), 10.0, False, id="a rate that is too low"),
        pytest.param(Goal("", "time", 0.25, ("slow", "peer")), 0.25, True, id="a time, by the best of the peers"),
        pytest.param(Goal("", "time", 0.24, ("slow", "peer")), 0.25, False, id="a time that is too long"),
        pytest.param(Goal("", "rate", 100.0), None, True, id="a rate by itself"),
        pytest.param(Goal("", "rate", 101.0), None, False, id="a rate by itself that is too low"),
        pytest.param(Goal("", "time", 0.002), None, True, id="a time by itself"),
        pytest.param(Goal("", "time", 0.0019), None, False, id="a time by itself that is too long"),
    ],
)
def test_goals_are_judged_by_medians(goal, ratio, met):
    row = verdict(goal, _results(goal))

    assert row.ratio == (None if ratio is None else pytest.approx(ratio))
    assert row.met is met
    assert row.against == ("theirs" if goal.against else "")


def test_a_goal_that_is_missed_says_so():
    results = _results(Goal("tasks", "rate", 11.0, ("peer",)), Goal("wait", "time", 0.002))

    assert [row.cells() for row in verdicts([results])] == [
        ["tasks", "100", "theirs 10", "10.00 x", "at least 11 x", "MISSED"],
        ["wait", "2", "", "", "at most 2", "met"],
    ]


def test_a_failure_is_shown_and_its_goal_is_not_taken_as_met():
    results = _results(Goal("tasks", "rate", 1.0, ("peer",)))
    del results.samples["poolifier"]
    results.failures["poolifier"] = "Traceback\nValueError: broken"

    assert "ours failed:\n    Traceback\n    ValueError: broken" in table(results)
    assert verdicts([results])[0].cells()[-1] == "not measured: ValueError: broken"


def test_a_peer_that_is_missing_is_named_with_the_reason():
    results = _results(Goal("tasks", "rate", 1.0, ("peer",)), Goal("both", "rate", 1.0, ("peer", "slow")))
    del results.samples["peer"]
    results.unavailable["peer"] = "not installed"

    rows = verdicts([results])

    assert "theirs took no part: not installed" in table(results)
    assert rows[0].cells()[-1] == "nothing to compare with: not installed"
    assert rows[1].against == "slower"


def test_the_page_gets_goals_and_plots_between_its_markers(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(page, "PLOTS", tmp_path / "plots")
    (tmp_path / "page.md").write_text(
        "a\n<!-- goals -->\nold\n<!-- end of goals -->\nb\n<!-- plots --><!-- end of plots -->\nc\n"
    )

    for _ in range(2):  # the second time it replaces its own
        page.write("a machine", [_results(Goal("tasks", "rate", 11.0, ("peer",)))])

    text = (tmp_path / "page.md").read_text()
    assert "old" not in text
    assert text.count("a machine") == 1
    assert text.count("| tasks | 100 | theirs 10 | 10.00 x | at least 11 x | MISSED |") == 1
    assert "![1,000 tasks](plots/s.svg)" in text
    assert [line for line in text.splitlines() if len(line) == 1] == ["a", "b", "c"]
    ET.parse(tmp_path / "plots" / "s.svg")


def test_a_plot_shows_medians_and_goes_logarithmic_when_it_has_to():
    near = ET.fromstring(bars("near", {"ours": ([10.0, 20.0, 90.0], True), "theirs": ([40.0], False)}, 1.0, 0))
    far = ET.fromstring(bars("far", {"ours": ([1.0], True), "theirs": ([1_000.0], False)}, 1.0, 0))

    def widths(plot):
        return [float(box.get("width")) for box in plot.iterfind(".//{*}rect") if box.get("width") != "100%"]

    ours, theirs = widths(near)
    assert theirs / ours == pytest.approx(2.0, abs=0.01)
    ours, theirs = widths(far)
    assert theirs / ours < 20
    assert "far (logarithmic)" in [text.text for text in far.iterfind(".//{*}text")]


def test_quick_parameters_replace_only_what_they_name():
    scenario = all_scenarios()["throughput"]

    assert scenario.parameters(quick=False) == {"seconds": 1.2, "workers": 2, "in_flight": 1_000}
    assert scenario.parameters(quick=True) == {"seconds": 0.4, "workers": 2, "in_flight": 1_000}


def test_goals_name_contestants_and_metrics_that_there_are():
    contestants = all_contestants()

    for scenario in all_scenarios().values():
        for goal in scenario.goals:
            assert scenario.metric(goal.metric)
            for key in (goal.ours, *goal.against):
                assert scenario.key in contestants[key].scenarios, f"{goal.what}: {key} takes no part"


SMALL = {
    "few": 1,
    "in_flight": 5,
    "items": 100,
    "many": 2,
    "most": 2,
    "seconds": 0.05,
    "tasks": 50,
    "turns": 10_000,
    "workers": 1,
}


@pytest.mark.parametrize(
    ("contestant", "scenario"),
    [
        *[("poolifier", key) for key in ("throughput", "burst", "latency", "latency_uvloop", "map", "cpu", "start_up")],
        *[("poolifier", key) for key in ("turns", "memory", "queued")],
        ("poolifier-dynamic", "grow"),
        ("poolifier-threads", "threads"),
        *[("executor", key) for key in ("throughput", "latency", "map")],
        *[("multiprocessing", key) for key in ("throughput", "latency", "map")],
        ("executor-forkserver", "start_up"),
        ("executor-forkserver", "grow"),
        ("thread-executor", "threads"),
        ("thread-executor", "queued"),
        ("socketpair", "latency"),
        ("asyncio", "throughput"),
        ("inline", "cpu"),
        ("memcpy", "echo"),
    ],
)
def test_a_sample(contestant, scenario):
    sample = _probe(contestant, scenario)

    assert set(sample) == {metric.key for metric in all_scenarios()[scenario].metrics}
    assert all(value > 0 for key, value in sample.items() if key not in {"per_worker", "bytes_each"})


@pytest.mark.parametrize(
    ("contestant", "scenario", "reason"),
    [
        ("poolifier", "give", "it cannot give memory away"),
        ("aiomultiprocess", "map", "aiomultiprocess cannot be imported"),
    ],
)
def test_a_contestant_that_cannot_take_part_says_why(contestant, scenario, reason):
    assert reason in _probe(contestant, scenario)["unavailable"]


def _probe(contestant: str, scenario: str) -> dict[str, float]:
    parameters = {**all_scenarios()[scenario].full, **SMALL}
    command = [sys.executable, "-m", "benchmarks.versus.probe", contestant, scenario, json.dumps(parameters)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
