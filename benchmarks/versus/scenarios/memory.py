"""What an idle worker takes, and what a waiting task takes."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

import psutil

from benchmarks.versus.contestants import Open, Unavailable
from benchmarks.versus.scenarios import Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.scenarios.start_up import fifo
from benchmarks.versus.tasks import echo, hold

MIB = 1 << 20
PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


async def per_worker(opens: Open, parameters: Parameters) -> dict[str, float]:
    """How much more all processes take together, this one included, with many workers than with few.

    PSS counts a page that several processes share in parts, so the sum is what the machine has to hold.
    """
    taken = []
    for workers in (parameters["few"], parameters["few"], parameters["many"]):  # the first pool makes all equal
        async with opens(echo, workers) as pool:
            await asyncio.gather(*[pool.submit({"i": number}) for number in range(50 * workers)])
            await asyncio.sleep(0.3)
            taken.append(sum(_pss(pid) for pid in _family()))
    return {"per_worker": (taken[2] - taken[1]) / (parameters["many"] - parameters["few"])}


async def queued(opens: Open, parameters: Parameters) -> dict[str, float]:
    tasks = parameters["tasks"]
    async with opens(hold, parameters["workers"]) as pool:
        put = pool.put
        if put is None:
            raise Unavailable("it has no queue to put into")
        await asyncio.gather(*[pool.submit(number) for number in range(100)])
        with fifo() as held:
            holding = [pool.submit(held) for _ in range(parameters["workers"])]
            await asyncio.sleep(0.2)
            handles = [None] * tasks
            numbers = list(range(tasks))  # made before: what a number takes is not what a task takes
            before = _pss(os.getpid())
            started = time.perf_counter()
            for number in numbers:
                handles[number] = put(number)
            elapsed = time.perf_counter() - started
            taken = _pss(os.getpid()) - before
            for handle in handles:
                handle.cancel()  # type: ignore[attr-defined]
        await asyncio.gather(*holding)
    return {"submits_per_second": tasks / elapsed, "bytes_each": taken / tasks}


def _family() -> list[int]:
    return [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError as error:
        raise Unavailable(f"this system does not tell what processes share: {error}") from None
    return int(PSS.findall(text)[0]) * 1024


add(
    Scenario(
        key="memory",
        title="Memory of an idle worker (PSS of all processes, {many} workers against {few})",
        run=per_worker,
        metrics=(Metric("per_worker", "MiB a worker", 1 / MIB, digits=1),),
        goals=(Goal("memory of an idle worker, MiB", "per_worker", 4.5 * MIB),),
        full={"workers": 2, "few": 2, "many": 10},
        quick=None,
        samples=(3, 1),
        order=70,
    )
)
add(
    Scenario(
        key="queued",
        title="{tasks:,} tasks that wait, {workers} workers",
        run=queued,
        metrics=(
            Metric("submits_per_second", "submits/s", more_is_better=True),
            Metric("bytes_each", "bytes each"),
        ),
        goals=(
            Goal("queueing, ThreadPoolExecutor.submit", "submits_per_second", 4.0, ("thread-executor",)),
            Goal("memory of a waiting task, bytes", "bytes_each", 900.0),
        ),
        full={"tasks": 1_000_000, "workers": 2},
        quick={"tasks": 100_000},
        samples=(2, 1),
        order=80,
    )
)
