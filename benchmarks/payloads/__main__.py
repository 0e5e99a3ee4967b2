"""`python -m benchmarks.payloads`: an echo of large values, beside peers, in one run.

It prints a table for each payload, and writes every sample to `.bench/payloads.json`.

Every sample is taken in a new interpreter; the contestants take turns. A sample is the median of a
number of echoes in sequence, after some to warm up, and every answer is compared with what was asked.
The event loop's longest turn is measured apart, so that the watching does not slow down the echoes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from benchmarks.payloads.contestants import CONTESTANTS, missing

MEBIBYTE: Final = 1 << 20
RESULTS: Final = Path(".bench/payloads.json")


def random_bytes(size: int) -> bytes:
    return os.urandom(min(size, MEBIBYTE)) * max(1, size // MEBIBYTE)


def random_array(size: int) -> Any:
    import numpy as np

    return np.random.default_rng(1).random(size // 8)


def same_array(one: Any, other: Any) -> bool:
    import numpy as np

    return np.array_equal(one, other)


PAYLOADS: Final[dict[str, tuple[Callable[[int], Any], int, int]]] = {
    "bytes, 64 KiB": (random_bytes, 64 * 1024, 300),
    "bytes, 1 MiB": (random_bytes, MEBIBYTE, 60),
    "bytes, 64 MiB": (random_bytes, 64 * MEBIBYTE, 6),
    "NumPy, 64 MiB": (random_array, 64 * MEBIBYTE, 6),
}
"""Name -> (what makes it, bytes, echoes in a sample)."""


async def probe(contestant: str, payload: str) -> dict[str, float]:
    make, size, count = PAYLOADS[payload]
    value = back = make(size)
    transfer = contestant.endswith("transfer")
    content = memoryview(value).cast("B")
    if transfer:
        from poolifier import SharedBuffer

        value = SharedBuffer.copy_of(content)
    async with CONTESTANTS[contestant][0]() as echo:
        for _ in range(3):
            value = await echo(value)
        times = []
        for _ in range(count):
            begun = perf_counter()
            back = await echo(value)
            times.append(perf_counter() - begun)
            if transfer:
                value = back
        assert value is back or (same_array(back, value) if payload.startswith("NumPy") else back == value)
        if transfer:
            assert back.buffer == content
        turns: list[float] = []
        watcher = asyncio.ensure_future(watch(turns))
        for _ in range(min(count, 5)):
            value = await echo(value)
        watcher.cancel()
    return {"seconds": median(times), "rate": size / MEBIBYTE / median(times), "longest_turn": max(turns)}


async def watch(turns: list[float]) -> None:
    while True:
        begun = perf_counter()
        await asyncio.sleep(0)
        turns.append(perf_counter() - begun)


def sample(contestant: str, payload: str) -> dict[str, float] | None:
    command = [sys.executable, "-m", "benchmarks.payloads", "--probe", contestant, payload]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"{contestant} failed with {payload}: {error!r}\n{error.stderr!s}", file=sys.stderr)
        return None
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(rounds: int, only: list[str]) -> dict[str, dict[str, list[dict[str, float]]]]:
    present = [name for name, (_, needs) in CONTESTANTS.items() if not missing(*needs)]
    results: dict[str, dict[str, list[dict[str, float]]]] = {
        payload: defaultdict(list) for payload in PAYLOADS if not only or payload in only
    }
    for turn in range(rounds):
        order = present[turn % len(present) :] + present[: turn % len(present)]
        for payload, taken in results.items():
            for contestant in order:
                one = sample(contestant, payload)
                if one is not None:
                    taken[contestant].append(one)
    return results


def report(results: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    for payload, taken in results.items():
        print(f"\n{payload}\n")
        print("| contestant | MiB a second | least .. most | µs | longest turn, ms | poolifier is faster by |")
        print("|---|---:|---:|---:|---:|---:|")
        ours = median(one["rate"] for one in taken["poolifier"])
        for contestant, samples in sorted(taken.items(), key=lambda item: -median(one["rate"] for one in item[1])):
            rates = [one["rate"] for one in samples]
            seconds = median(one["seconds"] for one in samples)
            turn = median(one["longest_turn"] for one in samples)
            print(
                f"| {contestant} | {median(rates):,.0f} | {min(rates):,.0f} .. {max(rates):,.0f} "
                f"| {seconds * 1e6:,.0f} | {turn * 1e3:.1f} | {ours / median(rates):.1f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="samples of each contestant")
    parser.add_argument("--only", action="append", default=[], choices=PAYLOADS, help="this payload only")
    parser.add_argument("--probe", nargs=2, metavar=("CONTESTANT", "PAYLOAD"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.probe:
        print(json.dumps(asyncio.run(probe(*arguments.probe))))
        return
    results = measure(arguments.rounds, arguments.only)
    report(results)
    machine = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
