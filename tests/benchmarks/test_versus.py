"""The benchmark counts rightly, and a contestant that fails is told of, not left out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.versus.report import Results, table
from benchmarks.versus.scenarios import Goal, Metric, Scenario, all_scenarios

ROOT = Path(__file__).parents[2]


def _results(*goals: Goal) -> Results:
    metrics = (Metric("rate", "per second", more_is_better=True), Metric("time", "ms", 1e3))
    scenario = Scenario("s", "{tasks:,} tasks", None, metrics, goals, {"tasks": 1_000}, {"tasks": 10}, (3, 1), 1)
    results = Results(scenario, scenario.parameters(quick=False), {"poolifier": "ours", "peer": "theirs"})
    for rate, time in ((90, 0.001), (100, 0.002), (2_000, 0.009)):
        results.add("poolifier", {"rate": rate, "time": time})
    for rate, time in ((10, 0.004), (9, 0.008), (11, 0.008)):
        results.add("peer", {"rate": rate, "time": time})
    return results


def test_ratios_are_of_medians_and_above_one_is_better():
    results = _results()
    rate, time = results.scenario.metrics

    assert results.times_better(rate, "peer") == pytest.approx(10.0)
    assert results.times_better(time, "peer") == pytest.approx(4.0)


@pytest.mark.parametrize(("times", "mark"), [(4.0, "PASS"), (4.1, "MISS")])
def test_goals(times, mark):
    results = _results(Goal("time", "peer", times))

    printed = table(results.scenario, results)

    assert printed.startswith("1,000 tasks\n")
    assert f"{mark}  time: 4.0 x theirs; goal: {times:g} x" in printed
    assert results.as_dict()["goals"][0]["met"] is (mark == "PASS")


def test_a_failure_is_shown_and_misses_the_goal():
    results = _results(Goal("rate", "peer", 1.0))
    results.samples.pop("poolifier")
    results.fail("poolifier", "Traceback\nValueError: broken")

    printed = table(results.scenario, results)

    assert "ours failed:\n  Traceback\n  ValueError: broken" in printed
    assert "MISS  rate: not measured" in printed


def test_quick_parameters_replace_only_what_they_name():
    scenario = all_scenarios()["throughput"]

    assert scenario.parameters(quick=False) == {"tasks": 50_000, "workers": 2, "in_flight": 1_000}
    assert scenario.parameters(quick=True) == {"tasks": 10_000, "workers": 2, "in_flight": 1_000}


@pytest.mark.parametrize("contestant", ["poolifier", "executor", "multiprocessing"])
@pytest.mark.parametrize("scenario", ["throughput", "latency"])
def test_a_sample(contestant, scenario):
    parameters = json.dumps({"tasks": 50, "workers": 1, "in_flight": 5})

    sample = _probe(contestant, scenario, parameters)

    assert set(sample) == {metric.key for metric in all_scenarios()[scenario].metrics}
    assert all(value > 0 for value in sample.values())


def test_samples_of_the_floors():
    assert _probe("socketpair", "latency", '{"tasks": 50, "workers": 1}')["median"] > 0
    assert _probe("asyncio", "throughput", '{"tasks": 50, "workers": 1, "in_flight": 5}')["tasks_per_second"] > 0


@pytest.mark.parametrize("contestant", ["poolifier", "executor-forkserver"])
def test_a_sample_of_the_start(contestant):
    assert set(_probe(contestant, "start_up", '{"workers": 1}')) == {"first", "next"}


def _probe(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.versus.probe", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
