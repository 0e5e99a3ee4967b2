"""`python -m benchmarks.imports`: milliseconds that importing takes, beyond what `import asyncio` takes.

Each import runs in a fresh interpreter, all of them in turns; what counts is the median of the differences between
neighbours. Everything is compiled to bytecode before, as it is wherever a package is installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

FLOOR = "import asyncio"
CONTESTANTS = {
    "import poolifier": "import poolifier",
    "from poolifier import Worker, which a worker module does": "from poolifier import Worker",
    "a pool of threads": "import poolifier; poolifier.FixedThreadPool(1, len)",
    "a pool of processes": "import poolifier; poolifier.FixedProcessPool(1, len)",
    "ProcessPoolExecutor of the standard library": "from concurrent.futures import ProcessPoolExecutor",
}
GOAL = 40.0

PROBE = "from time import perf_counter; began = perf_counter(); {}; print(perf_counter() - began)"


def milliseconds(statement: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROBE.format(statement)]
    return 1000 * float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    statements = {name: f"{FLOOR}; {statement}" for name, statement in CONTESTANTS.items()}
    for statement in (FLOOR, *statements.values()):
        milliseconds(statement)
    floors: list[float] = []
    beyond: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(rounds):
        for name, statement in statements.items():
            floors.append(milliseconds(FLOOR))
            beyond[name].append(milliseconds(statement) - floors[-1])
    print(f"{FLOOR}: {statistics.median(floors):.1f} ms; beyond that:")
    medians = {name: statistics.median(differences) for name, differences in beyond.items()}
    for name, median in medians.items():
        print(f"  {median:6.1f} ms  {name}")
    missed = medians["import poolifier"] > GOAL
    print(f"goal: import poolifier takes at most {GOAL:.0f} ms more: {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
