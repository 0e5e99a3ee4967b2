"""Mixed work on a pool that grows and shrinks, again and again: counts do not drift, and memory stays flat."""

import asyncio
import logging
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import psutil
import pytest

from poolifier import (
    DynamicProcessPool,
    DynamicThreadPool,
    FixedInterpreterPool,
    Pool,
    TaskTimeoutError,
    Worker,
    WorkerCrashedError,
)
from tests.faults.chores import FUNCTIONS, descriptors, own_memory, weigh
from tests.faults.flatness import growth

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
"""How long the long soak takes; `make soak` says."""

KIND = os.environ.get("SOAK_KIND", "process")
"""What workers it has; `make soak` says."""

LIMITS = {"MiB": 1, "objects": 500, "descriptors": 5}
"""What may be added per million tasks."""

HERE = ["MiB here", "objects here", "descriptors here"]
THERE = [
    "MiB in the worker that stays",
    "MiB in the fork server",
    "objects in the worker that stays",
    "descriptors in the worker that stays",
    "descriptors in the fork server",
]


class Kind(NamedTuple):
    """A kind of worker: how a pool of three is made, what is measured, and what ends workers, with the error of that.

    Pools of interpreters do not grow and shrink, nor do they lose workers, for of each interpreter that ends CPython
    keeps megabytes.
    """

    pool: Callable[..., Pool]
    names: list[str]
    deadly: dict | None
    error: type[Exception] | None = None

    @property
    def apart(self):
        """Whether workers have memory of their own."""
        return len(self.names) > len(HERE)

    @property
    def leaks(self):
        return [name for name in self.names if not name.startswith("descriptors") and not name.endswith("fork server")]


CLINGING = {"data": 0.3, "name": "cling", "timeout": 0.01}
KINDS = {
    "process": Kind(partial(DynamicProcessPool, 1, 3), HERE + THERE, {"name": "die"}, WorkerCrashedError),
    "thread": Kind(partial(DynamicThreadPool, 1, 3, abort_grace=0.1), HERE, CLINGING, TaskTimeoutError),
}
if sys.version_info >= (3, 13):
    KINDS["interpreter"] = Kind(partial(FixedInterpreterPool, 3), HERE, None)


async def read(stream):
    return [item async for item in stream]


def _is_tracker(process):
    return any("resource_tracker" in word for word in process.cmdline())


class Soak:
    """A pool that is sent waves of tasks, and measured after each of them.

    Attributes:
        tasks: How many tasks there have been.
        kept: Futures that a leaking wave does not let go.
    """

    def __init__(self, guard, kind, pool, items):
        self.tasks = 0
        self.kept = []
        self._guard = guard
        self._kind = kind
        self._pool = pool
        self._items = items
        self._threads = threading.active_count()
        self._stay = [node.id for node in pool.worker_nodes]
        if kind.apart:
            # An earlier test may have left the resource tracker of `multiprocessing`, which stays.
            children = {child.pid for child in psutil.Process().children() if not _is_tracker(child)}
            [self._server] = children - {node.pid for node in pool.worker_nodes}
        self._shrunk = asyncio.Event()
        pool.emitter.on("worker_exit", lambda _: self._shrunk.set())

    async def go_on(self, enough, leak=0):
        """Waves until `enough(waves)`; returns the numbers of tasks so far, and what was measured then, by name.

        With a `leak`, one of so many plain tasks leaves something behind, there and here.
        """
        # Arrays, for their numbers are no objects of their own.
        tasks, measured = array("d"), {name: array("d") for name in self._kind.names}
        while not enough(len(tasks)):
            await self._wave(leak)
            await self._has_shrunk()
            tasks.append(self.tasks)
            for name, value in (await self._weights()).items():
                measured[name].append(value)
        return tasks, measured

    async def _wave(self, leak):
        """A bit of everything."""
        pool, outcomes, items = self._pool, self._guard.outcomes, self._items
        tiny = [pool.execute(number, "hoard" if leak and not number % leak else "echo") for number in range(items)]
        large = [pool.execute(bytes(200_000), "echo") for _ in range(20)]
        failing = [pool.execute(number, "fail") for number in range(100)]
        napping = [pool.execute(0.2, "nap") for _ in range(20)]
        late = [pool.execute(600, "nap", timeout=0.01) for _ in range(2)]
        deadly = [] if self._kind.deadly is None else [pool.execute(**self._kind.deadly)]
        # Each of them has a reader of its own, for one that nobody reads keeps its worker.
        streams = [asyncio.ensure_future(read(pool.stream(100, "count_up"))) for _ in range(20)]
        assert pool.info.worker_nodes == 3
        for future in napping:
            future.cancel()
        total = 0
        async for number in pool.map_unordered(range(items), "echo"):
            total += number
        assert total == sum(range(items))
        await pool.add_task_function("passing", lambda number: -number)
        passing = [pool.execute(number, "passing") for number in range(20)]
        assert await outcomes(passing) == [-number for number in range(20)]
        await pool.remove_task_function("passing")
        assert await outcomes(streams) == [list(range(100))] * 20
        assert await outcomes(tiny) == list(range(items))
        assert all(len(result) == 200_000 for result in await outcomes(large))
        assert [error.args for error in await outcomes(failing)] == [(number,) for number in range(100)]
        assert all(isinstance(error, TimeoutError) for error in await outcomes(late))
        assert all(type(error) is self._kind.error for error in await outcomes(deadly))
        assert all(future.cancelled() for future in napping)
        if leak:
            self.kept += tiny[::leak]
        self.tasks += sum(map(len, (tiny, large, failing, napping, late, deadly, streams, passing, range(items))))
        # What tells the guard that they were settled runs in the next turn of the loop.
        await asyncio.sleep(0)
        self._guard.check()
        self._guard.watched.clear()
        self._guard.settled.clear()

    async def _has_shrunk(self):
        """Waits until only the workers of the minimum are left, and looks whether the counts are right."""
        pool = self._pool
        async with asyncio.timeout(120):
            while pool.info.worker_nodes > len(self._stay):
                self._shrunk.clear()
                await self._shrunk.wait()
            while pool.info.executing_tasks:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            # Those of abandoned workers end by themselves.
            while threading.active_count() > self._threads:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert [node.id for node in pool.worker_nodes] == self._stay
        info = pool.info
        assert info.submitted_tasks == self.tasks
        assert info.submitted_tasks == info.executed_tasks + info.failed_tasks + info.aborted_tasks
        assert (info.executing_tasks, info.queued_tasks) == (0, 0)

    async def _weights(self):
        if not self._kind.apart:
            for slot in range(len(self._stay)):
                await self._pool.execute(name=f"collect {slot}")
                self.tasks += 1
            return dict(zip(HERE, weigh(), strict=True))
        self.tasks += 1
        there, here = await self._pool.execute(name="weigh"), weigh()
        return {
            "MiB here": here.memory,
            "MiB in the worker that stays": there.memory,
            "MiB in the fork server": own_memory(self._server),
            "objects here": here.objects,
            "objects in the worker that stays": there.objects,
            "descriptors here": here.descriptors,
            "descriptors in the worker that stays": there.descriptors,
            "descriptors in the fork server": descriptors(self._server),
        }


@pytest.fixture
def quiet():
    """pytest would keep what is logged of workers that do not stop."""
    logger = logging.getLogger("poolifier")
    before, logger.disabled = logger.disabled, True
    yield
    logger.disabled = before


def new_pool(kind):
    worker = Worker(FUNCTIONS, max_inactive_time=0.05)
    return kind.pool(worker, restart_limit=None, error_handler=lambda *_: None)


@pytest.mark.once
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.usefixtures("no_leaks", "quiet")
def test_a_short_soak(endure, kind):
    """Of so few tasks only what grows with each of them shows. A leak is shown to show."""

    async def main(guard):
        async with new_pool(kind) as pool:
            soak = Soak(guard, kind, pool, 500)
            # Until the third wave caches and histories fill.
            await soak.go_on(lambda waves: waves >= 3)
            flat = await soak.go_on(lambda waves: waves >= 5)
            leaking = await soak.go_on(lambda waves: waves >= 3, leak=1)
            await guard.healthy(pool)
        return flat, leaking

    (tasks, flat), (more, leaking) = endure(main)
    for where in ("here", "in the worker that stays") if kind.apart else ("here",):
        name = f"objects {where}"
        assert added_per_task(tasks, flat[name]) < 0.4, (tasks, flat[name])
        assert added_per_task(more, leaking[name]) > 0.6, (more, leaking[name])
        assert flat[f"MiB {where}"][-1] - flat[f"MiB {where}"][0] < 2


def added_per_task(tasks, values):
    return (values[-1] - values[0]) / (tasks[-1] - tasks[0])


@pytest.mark.soak
@pytest.mark.usefixtures("no_leaks", "quiet")
def test_a_long_soak(endure, capfd):
    """Nine tenths of the time nothing may grow; in the last tenth the tasks leak, and that has to be seen."""
    kind = KINDS[KIND]
    began = time.monotonic()

    def until(minutes):
        return lambda _: time.monotonic() - began > minutes * 60

    async def main(guard):
        async with new_pool(kind) as pool:
            soak = Soak(guard, kind, pool, 3000)
            flat = await soak.go_on(until(0.9 * MINUTES))
            leaking = await soak.go_on(until(MINUTES), leak=20)
            await guard.healthy(pool)
        return flat, leaking

    (tasks, _), _ = run = endure(main, deadline=MINUTES * 60 + 120)
    flat, leaking = ({name: growth(at, values) for name, values in measured.items()} for at, measured in run)
    with capfd.disabled():
        print(f"\n{tasks[-1]:,.0f} tasks. Added per million of the later half, and while tasks leak:")
        for name in kind.names:
            print(f"  {name:36} {flat[name]!s:>16} {leaking[name]!s:>20}")
    for name in kind.names:
        limit = LIMITS[name.split()[0]]
        assert flat[name].is_below(limit), f"{name} may grow by more than {limit} per million tasks: {flat[name]}"
    for name in kind.leaks:
        limit = LIMITS[name.split()[0]]
        assert leaking[name].is_above(limit), f"{name}: a leak is not seen in so short a time: {leaking[name]}"
