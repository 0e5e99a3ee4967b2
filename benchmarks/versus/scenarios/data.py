"""Large data there and back, one task at a time: how fast bytes cross."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.versus.contestants import Open, Submit, Unavailable, library
from benchmarks.versus.scenarios import PROCESS_POOLS, Goal, Metric, Parameters, Scenario, add
from benchmarks.versus.tasks import echo

KIB, MIB = 1 << 10, 1 << 20
SIZES = {"64 KiB": 64 * KIB, "1 MiB": MIB, "64 MiB": 64 * MIB}
PEERS = (*PROCESS_POOLS, "joblib", "ray")


async def echo_bytes(opens: Open, parameters: Parameters) -> dict[str, float]:
    async with opens(echo, parameters["workers"]) as pool:
        return {
            key: size / MIB / await _round_trip(pool.submit, bytes(range(256)) * (size // 256), parameters["seconds"])
            for key, size in SIZES.items()
        }


async def echo_array(opens: Open, parameters: Parameters) -> dict[str, float]:
    array = library("numpy").arange(parameters["size"] // 8, dtype="float64")
    async with opens(echo, parameters["workers"]) as pool:
        taken = await _round_trip(pool.submit, array, parameters["seconds"])
    return {"mib_per_second": parameters["size"] / MIB / taken}


async def _round_trip(submit: Submit, data: Any, seconds: float) -> float:
    """The median time of an echo, over so many seconds or three echoes, after a first one."""
    clock, end = time.perf_counter, 0.0
    times: list[float] = []
    while len(times) < 4 or clock() < end:
        started = clock()
        result = await submit(data)
        times.append(clock() - started)
        if len(result) != len(data) or result[-1] != data[-1]:
            raise AssertionError("other data came back")
        del result
        end = end or clock() + seconds
    return statistics.median(times[1:])


async def echo_beside(opens: Open, parameters: Parameters) -> dict[str, float]:
    """Bytes and views on one pool, echo by echo in turns with another: by how much it takes as long."""
    ratios = {}
    async with opens(echo, parameters["workers"]) as pool:
        if pool.beside is None:
            raise Unavailable("it is compared with no other pool in turns")
        for size, length in SIZES.items():
            content = bytearray(range(256)) * (length // 256)
            for kind in (bytes, memoryview):
                pools = (pool.submit, pool.beside)
                ours, theirs = await _in_turns(pools, kind(content), parameters["seconds"])
                ratios[f"{size} {kind.__name__}"] = ours / theirs
    return ratios


async def _in_turns(pools: tuple[Submit, Submit], data: Any, seconds: float) -> tuple[float, float]:
    """The median time of an echo by each."""
    clock, end = time.perf_counter, 0.0
    times: tuple[list[float], list[float]] = ([], [])
    while len(times[0]) < 4 or clock() < end:
        for submit, taken in zip(pools, times, strict=True):
            started = clock()
            result = await submit(data)
            taken.append(clock() - started)
            if len(result) != len(data) or result[-1] != data[-1]:
                raise AssertionError("other data came back")
            del result
        end = end or clock() + seconds
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


async def give(opens: Open, parameters: Parameters) -> dict[str, float]:
    """A small and a large block, given to a worker and back: without a copy, both take as long."""
    medians = {}
    async with opens(echo, parameters["workers"]) as pool:
        if pool.give is None:
            raise Unavailable("it cannot give memory away")
        for metric in ("small", "large"):
            size, times = parameters[metric], []
            for _ in range(parameters["rounds"]):
                started = time.perf_counter()
                length = await pool.give(size)
                times.append(time.perf_counter() - started)
                if length != size:
                    raise AssertionError(f"came back with {length} bytes")
            medians[metric] = statistics.median(times[len(times) // 10 :])
    return {**medians, "growth": medians["large"] / medians["small"]}


add(
    Scenario(
        key="echo",
        title="Bytes there and back, one task at a time, {workers} workers",
        run=echo_bytes,
        metrics=tuple(Metric(key, f"{key}: MiB/s", more_is_better=True) for key in SIZES),
        goals=(
            Goal("echo of 64 KiB", "64 KiB", 3.0, PEERS),
            Goal("echo of 1 MiB", "1 MiB", 5.0, PEERS),
            Goal("echo of 64 MiB", "64 MiB", 5.0, PEERS),
        ),
        full={"seconds": 0.3, "workers": 2},
        quick=None,
        samples=(3, 1),
        order=40,
    )
)
add(
    Scenario(
        key="array",
        title="A NumPy array of 64 MiB (float64) there and back, one task at a time, {workers} workers",
        run=echo_array,
        metrics=(Metric("mib_per_second", "MiB/s", more_is_better=True),),
        goals=(Goal("echo of a NumPy array, 64 MiB", "mib_per_second", 3.0, ("ray",)),),
        full={"seconds": 1.0, "workers": 2, "size": 64 * MIB},
        quick=None,
        samples=(3, 1),
        order=41,
    )
)
_BESIDE = [f"{size} {kind}" for size in SIZES for kind in ("bytes", "memoryview")]
add(
    Scenario(
        key="interpreters_data",
        title="Bytes and memory views there and back on {workers} interpreters, by the time of {workers} processes",
        run=echo_beside,
        metrics=tuple(Metric(key, key, digits=2) for key in _BESIDE),
        goals=tuple(
            Goal(f"interpreters: {key}, by a process's time", key, 1.0, ours="poolifier-interpreters-beside")
            for key in _BESIDE
        ),
        full={"seconds": 0.3, "workers": 2},
        quick=None,
        samples=(5, 1),
        order=43,
    )
)
add(
    Scenario(
        key="give",
        title="Memory given to a worker and back, not copied: 64 KiB and 64 MiB",
        run=give,
        metrics=(
            Metric("growth", "64 MiB / 64 KiB", digits=2),
            Metric("small", "64 KiB µs", 1e6),
            Metric("large", "64 MiB µs", 1e6),
        ),
        goals=(Goal("64 MiB given, by the time of 64 KiB", "growth", 1.5, ours="poolifier-give"),),
        full={"workers": 2, "small": 64 * KIB, "large": 64 * MIB, "rounds": 200},
        quick={"rounds": 50},
        samples=(5, 1),
        order=42,
    )
)
