"""Takes one sample of one kind, in an interpreter of its own: `python -m benchmarks.kinds.probe process`."""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

import poolifier
from benchmarks.kinds.tasks import compute, echo
from poolifier import Pool

WORKERS = 2
TASKS = {"echo": echo, "compute": compute}
MIB = 2**20
PAYLOADS = {"payload_64k": (MIB // 16, 100), "payload": (MIB, 30), "payload_64m": (64 * MIB, 3)}
"""Figure -> bytes, and how many echoes of them."""


def pool_of(kind: str, workers: int) -> Pool[Any, Any]:
    options: dict[str, Any] = {"ray_options": {"num_cpus": 0.1}} if kind == "ray" else {}
    pool: Pool[Any, Any] = getattr(poolifier, f"Fixed{kind.title()}Pool")(workers, TASKS, **options)
    return pool


async def start(kind: str) -> dict[str, float]:
    """Seconds from nothing to the first result."""
    begun = perf_counter()
    async with pool_of(kind, WORKERS) as pool:
        await pool.execute(1)
        return {"start": perf_counter() - begun}


async def speed(kind: str) -> dict[str, float]:
    """Tiny tasks, one after another and many at once; payloads; and what two workers make of computing."""
    async with pool_of(kind, WORKERS) as pool:
        await asyncio.gather(*(pool.execute(number) for number in range(2000)))
        latencies = [await _timed(pool) for _ in range(500)]
        rates = []
        for _ in range(3):
            begun = perf_counter()
            await _in_flight(pool, 10_000, 1000)
            rates.append(10_000 / (perf_counter() - begun))
        moved = {name: await _echoes(pool, size, times) for name, (size, times) in PAYLOADS.items()}
        loops = 1_000_000
        begun = perf_counter()
        for _ in range(8):
            compute(loops)
        inline = perf_counter() - begun
        begun = perf_counter()
        await asyncio.gather(*(pool.execute(loops, "compute") for _ in range(8)))
        parallel = inline / (perf_counter() - begun)
    return {
        "latency": statistics.median(latencies),
        "throughput": statistics.median(rates),
        "parallel": parallel,
        **moved,
    }


async def memory(kind: str) -> dict[str, float]:
    """Bytes that one more idle worker takes: of its process where it has one, else what this one grew by."""
    few, many = 1, 9
    sizes = []
    for workers in (few, many):
        async with pool_of(kind, workers) as pool:
            await asyncio.gather(*(pool.execute(number) for number in range(500)))
            pids = {node.pid for node in pool.worker_nodes} - {None}
            if pids:
                sizes.append(statistics.mean(_pss(pid) for pid in pids if pid is not None))
            else:
                sizes.append(psutil.Process().memory_info().rss)
            if kind == "ray":
                break
    if len(sizes) == 1 or pids:
        return {"memory": sizes[-1]}
    return {"memory": (sizes[1] - sizes[0]) / (many - few)}


async def _timed(pool: Pool[Any, Any]) -> float:
    begun = perf_counter()
    await pool.execute(1)
    return perf_counter() - begun


async def _echoes(pool: Pool[Any, Any], size: int, times: int) -> float:
    """Echoes of so many bytes a second, one at a time, after a first one."""
    payload = bytes(size)
    await pool.execute(payload)
    begun = perf_counter()
    for _ in range(times):
        await pool.execute(payload)
    return times / (perf_counter() - begun)


async def _in_flight(pool: Pool[Any, Any], tasks: int, most: int) -> None:
    async def take(numbers: Iterator[int]) -> None:
        for number in numbers:
            await pool.execute(number)

    numbers = iter(range(tasks))
    await asyncio.gather(*(take(numbers) for _ in range(most)))


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"no Pss in the smaps of process {pid}")


def main() -> None:
    what, kind = sys.argv[1:]
    if kind == "ray":
        import ray

        # As with a cluster that is there already: what it takes to start one is no part of the pool's start.
        ray.init("local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    sample = asyncio.run({"start": start, "speed": speed, "memory": memory}[what](kind))
    print(json.dumps(sample))


if __name__ == "__main__":
    main()
