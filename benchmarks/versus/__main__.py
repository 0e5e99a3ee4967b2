"""`make bench`: takes the samples, prints the tables, writes the numbers to .bench/results.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.versus.contestants import Contestant, all_contestants
from benchmarks.versus.report import OURS, Results, machine, table
from benchmarks.versus.scenarios import Scenario, all_scenarios

RESULTS = Path(".bench/results.json")
DEADLINE = 300.0  # seconds for one sample; none should come near it


def main() -> int:
    scenarios, contestants = all_scenarios(), all_contestants()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus", description="poolifier beside its peers.")
    parser.add_argument("--quick", action="store_true", help="fewer tasks and samples: about a minute")
    parser.add_argument("--scenario", action="append", choices=scenarios, help="only this one (repeatable)")
    parser.add_argument("--contestant", action="append", choices=contestants, help="only this one (repeatable)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the JSON file to write (%(default)s)")
    arguments = parser.parse_args()

    print(machine())
    if sys.dont_write_bytecode:
        print("PYTHONDONTWRITEBYTECODE is set: children compile what they import, and start-up times say so.")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 1.0:
        print(
            f"Something else is running here (load {load:.1f}): the spread will tell how much these numbers are worth."
        )
    report: dict[str, Any] = {
        "machine": machine(),
        "python": platform.python_version(),
        "load": load,
        "quick": arguments.quick,
    }
    report["scenarios"] = {}
    for scenario in scenarios.values():
        if arguments.scenario and scenario.key not in arguments.scenario:
            continue
        taking_part = [
            contestant
            for contestant in contestants.values()
            if contestant.takes_part_in(scenario.key)
            and contestant.installed
            and (not arguments.contestant or contestant.key in arguments.contestant)
        ]
        results = take_samples(scenario, taking_part, quick=arguments.quick)
        print(f"\n{table(scenario, results)}", flush=True)
        report["scenarios"][scenario.key] = results.as_dict()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nEvery sample: {arguments.output}")
    return int(any(OURS in results["failures"] for results in report["scenarios"].values()))


def take_samples(scenario: Scenario, contestants: list[Contestant], *, quick: bool) -> Results:
    """Lets the contestants take turns, each round beginning with another one."""
    parameters = scenario.parameters(quick=quick)
    results = Results(scenario, parameters, {contestant.key: contestant.title for contestant in contestants})
    rounds = scenario.samples[quick]
    for number in range(rounds):
        start = number % max(1, len(contestants))
        for contestant in contestants[start:] + contestants[:start]:
            _progress(f"{scenario.key}: round {number + 1} of {rounds}, {contestant.title}")
            try:
                results.add(contestant.key, _sample(contestant, scenario, parameters))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                results.fail(contestant.key, str(error))
    _progress("")
    return results


def _sample(contestant: Contestant, scenario: Scenario, parameters: dict[str, Any]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.versus.probe", contestant.key, scenario.key, json.dumps(parameters)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
    sample: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return sample


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        print(f"\r\x1b[2K{text[: width - 1]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
