"""`python -m benchmarks.kinds`: start, memory, latency, throughput and payload of every kind that this Python has."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

KINDS = ("process", "thread", "interpreter", "ray")
ROWS = (
    ("start", "first result of a new pool of 2, ms", 1e3),
    ("memory", "memory of one more idle worker, MiB", 2**-20),
    ("latency", "one tiny task after another, median, us", 1e6),
    ("throughput", "tiny tasks a second, 1,000 in flight", 1),
    ("payload_64k", "echoes of 64 KiB of bytes a second", 1),
    ("payload", "echoes of 1 MiB of bytes a second", 1),
    ("payload_64m", "echoes of 64 MiB of bytes a second", 1),
    ("parallel", "computing on 2 workers, times as fast as inline", 1),
)


def available(kind: str) -> bool:
    if kind == "interpreter":
        return sys.version_info >= (3, 14) or bool(importlib.util.find_spec("interpreters_backport"))
    return kind != "ray" or bool(importlib.util.find_spec("ray"))


def sample(what: str, kind: str) -> dict[str, float]:
    """In a fresh interpreter, with compiled modules."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "benchmarks.kinds.probe", what, kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        sys.exit(f"{kind}, {what}: {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path(".bench/kinds.json"))
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if available(kind)]
    samples: dict[str, dict[str, list[float]]] = {kind: {} for kind in kinds}
    # Interleaved, so that a busy moment of the machine hits all alike.
    for _ in range(arguments.repeats):
        for what in ("start", "memory", "speed"):
            for kind in kinds:
                for name, value in sample(what, kind).items():
                    samples[kind].setdefault(name, []).append(value)
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(json.dumps(samples, indent=1))
    print(f"{'':50}" + "".join(f"{kind:>28}" for kind in kinds))
    for name, title, unit in ROWS:
        cells = []
        for kind in kinds:
            values = [value * unit for value in samples[kind][name]]
            digits = 1 if statistics.median(values) < 100 else 0
            middle, least, most = (
                f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
            )
            cells.append(f"{f'{middle} ({least} .. {most})':>28}")
        print(f"{title:50}" + "".join(cells))


main()
