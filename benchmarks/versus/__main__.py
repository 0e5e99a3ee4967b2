"""`make bench`: takes the samples, prints the tables, writes the numbers to .bench/results.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.versus import page
from benchmarks.versus.contestants import Contestant, Unavailable, all_contestants
from benchmarks.versus.report import HEAD, Results, aligned, machine, table, verdicts
from benchmarks.versus.scenarios import Scenario, all_scenarios

RESULTS = Path(".bench/results.json")
DEADLINE = 90.0  # seconds for one sample; none should come near it


def main() -> int:
    scenarios, contestants = all_scenarios(), all_contestants()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus", description="poolifier beside its peers.")
    parser.add_argument("--quick", action="store_true", help="fewer scenarios, tasks and samples: about a minute")
    parser.add_argument("--scenario", action="append", choices=scenarios, help="only this one (repeatable)")
    parser.add_argument("--contestant", action="append", choices=contestants, help="only this one (repeatable)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the JSON file to write (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write table and plots into {page.PAGE}")
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
        "scenarios": {},
    }
    began = time.monotonic()
    done = []
    for scenario in chosen(scenarios, arguments):
        taking_part = [
            contestant
            for contestant in contestants.values()
            if scenario.key in contestant.scenarios
            and not (arguments.quick and contestant.slow)
            and (not arguments.contestant or contestant.key in arguments.contestant)
        ]
        if not taking_part:
            continue
        results = take_samples(scenario, taking_part, quick=arguments.quick)
        done.append(results)
        print(f"\n{table(results)}", flush=True)
        report["scenarios"][scenario.key] = results.as_dict()
    print("\nGoals\n")
    print("\n".join(aligned([HEAD, *(each.cells() for each in verdicts(done))], left=(0, 2, 4, 5))))
    report["minutes"] = round((time.monotonic() - began) / 60, 1)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{report['minutes']} minutes; every sample: {arguments.output}")
    if arguments.write:
        page.write(f"{machine()}; load {load:.1f} before it began", done)
        print(f"Table and plots: {page.PAGE}")
    return int(any(key.startswith("poolifier") for results in done for key in results.failures))


def chosen(scenarios: dict[str, Scenario], arguments: argparse.Namespace) -> list[Scenario]:
    """Those that were asked for, or all that a quick run has time for."""
    if arguments.scenario:
        return [scenario for scenario in scenarios.values() if scenario.key in arguments.scenario]
    return [scenario for scenario in scenarios.values() if not arguments.quick or scenario.quick is not None]


def take_samples(scenario: Scenario, contestants: list[Contestant], *, quick: bool) -> Results:
    """Lets the contestants take turns, each round beginning with another one. Who fails once is out."""
    parameters = scenario.parameters(quick=quick)
    results = Results(scenario, parameters, {contestant.key: contestant.title for contestant in contestants})
    rounds = scenario.samples[quick]
    for number in range(rounds):
        start = number % max(1, len(contestants))
        for contestant in contestants[start:] + contestants[:start]:
            if contestant.key in results.failures or contestant.key in results.unavailable:
                continue
            _progress(f"{scenario.key}: round {number + 1} of {rounds}, {contestant.title}")
            try:
                results.add(contestant.key, _sample(contestant, scenario, parameters))
            except Unavailable as reason:
                results.unavailable[contestant.key] = str(reason)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                results.failures[contestant.key] = str(error)
    _progress("")
    return results


def _sample(contestant: Contestant, scenario: Scenario, parameters: dict[str, Any]) -> dict[str, float]:
    command = contestant.command(scenario.key, json.dumps(parameters))
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
    sample: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "unavailable" in sample:
        raise Unavailable(sample["unavailable"])
    return sample


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        print(f"\r\x1b[2K{text[: width - 1]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
