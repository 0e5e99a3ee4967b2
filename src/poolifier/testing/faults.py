"""Fault injection: harm the workers of a pool, and see whether it keeps its word.

`Chaos` harms worker processes from outside, at random moments, while your tasks run. `suffer` is a task
function that harms its own worker. `StartLog` counts how often each task has started, in files that outlive
any worker, and `check_healthy` says whether a pool is whole again.

What a pool promises, and these tools check: a task that had not started when its worker died runs elsewhere,
exactly once; one that had started fails with a `WorkerCrashedError` that says how the worker died.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import psutil

from poolifier.errors import UnsupportedError
from poolifier.pool.base import Pool
from poolifier.task_functions import TaskFunction
from poolifier.testing.harm import EXIT_CODE, SIGNALS, Fault, StartLog, arm, armed_signal, probe, suffer

__all__ = ["EXIT_CODE", "Chaos", "Fault", "Harm", "StartLog", "arm", "check_healthy", "suffer"]

_PROBE: Final = "poolifier.testing.faults.probe"


class Harm(NamedTuple):
    """What was done to a worker, and when by the event loop's clock."""

    worker_id: int
    pid: int
    fault: Fault
    at: float


class Chaos:
    """Harms the worker processes of a pool at random moments, one after another, for as long as it is entered.

    ```python
    async with FixedProcessPool(4, work, initializer=arm, restart_limit=None) as pool:
        async with Chaos(pool) as chaos:
            results = await asyncio.gather(*map(pool.execute, items), return_exceptions=True)
        print(len(chaos.harms), "workers were harmed")
    ```

    Only on this machine, and only where workers are processes. What is paused is let go at the end.

    Args:
        pool: The pool.
        faults: What may happen. `EXIT` and `MEMORY` need workers that are armed.
        every: The shortest and the longest time between two harms, in seconds.
        pause: The shortest and the longest time that a paused worker stands still.
        seed: For the same choices again, as far as the pool's workers are the same.

    Attributes:
        harms: What was done so far.

    Raises:
        ValueError: There is no fault, or a range is not one.
        UnsupportedError: The workers are no processes.
    """

    def __init__(
        self,
        pool: Pool[Any, Any],
        faults: Sequence[str] = tuple(Fault),
        *,
        every: tuple[float, float] = (0.05, 0.2),
        pause: tuple[float, float] = (0.01, 0.2),
        seed: int | None = None,
    ) -> None:
        if pool.kind not in ("process", "ray"):
            raise UnsupportedError(f"workers of kind {pool.kind!r} are no processes, so there is nothing to signal")
        self.harms: list[Harm] = []
        self._pool = pool
        self._faults = [Fault(fault) for fault in faults]
        if not self._faults:
            raise ValueError(f"faults must name at least one of {[str(fault) for fault in Fault]}, not {faults!r}")
        self._every = _checked_range("every", every)
        self._pause = _checked_range("pause", pause)
        self._chance = random.Random(seed)
        self._paused: set[psutil.Process] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begins."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """As `stop`."""
        await self.stop()

    async def stop(self) -> None:
        """Harms nobody any more, and lets go on what stands still."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for process in list(self._paused):
            self._resume(process)
        if self._task is not None and not self._task.cancelled():
            self._task.result()

    def of_worker(self, worker_id: int | None) -> list[Fault]:
        """What was done to that worker."""
        return [harm.fault for harm in self.harms if harm.worker_id == worker_id]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(*self._every))
            # One that is not ready dies on account of its slot, and fails `start` if it is the first.
            ready = [node for node in self._pool.worker_nodes if node.ready and node.pid is not None]
            if ready:
                node = self._chance.choice(ready)
                assert node.pid is not None
                self._harm(node.id, node.pid, self._chance.choice(self._faults))

    def _harm(self, worker_id: int, pid: int, fault: Fault) -> None:
        loop = asyncio.get_running_loop()
        try:
            process = psutil.Process(pid)
            # psutil looks whether the number belongs to another process by now.
            process.send_signal(SIGNALS.get(fault) or armed_signal(fault))
        except psutil.NoSuchProcess:
            return
        self.harms.append(Harm(worker_id, pid, fault, loop.time()))
        if fault is Fault.PAUSE:
            self._paused.add(process)
            loop.call_later(self._chance.uniform(*self._pause), self._resume, process)

    def _resume(self, process: psutil.Process) -> None:
        self._paused.discard(process)
        try:
            process.send_signal(signal.SIGCONT)
        except psutil.NoSuchProcess:
            return


async def check_healthy(pool: Pool[Any, Any], timeout: float = 30.0) -> None:
    """Checks that a pool is whole: as many workers as there are to be, and each of them runs a task.

    Args:
        pool: The pool. It is given a task function of its own meanwhile.
        timeout: Seconds that it may take to recover.

    Raises:
        AssertionError: It is not; says what is wrong.
    """
    what = "it does not become ready"
    try:
        async with asyncio.timeout(timeout):
            while not (pool.info.ready and pool.info.min_size <= pool.info.worker_nodes <= pool.info.max_size):  # noqa: ASYNC110
                # `ready` is told once, and not after a recovery.
                await asyncio.sleep(0.001)
            what = "a worker does not take a task function"
            slots = [node.slot for node in pool.worker_nodes]
            for slot in slots:
                # Where only one worker may run it, an answer is that worker's.
                await pool.add_task_function(f"{_PROBE}.{slot}", TaskFunction(probe, worker_nodes=[slot]))
            for slot in slots:
                what = f"the worker in slot {slot} does not run a task"
                if await pool.execute(slot, f"{_PROBE}.{slot}", retries=1) != slot:
                    raise AssertionError(f"the worker in slot {slot} of {pool!r} gave another task's answer")
            what = "a worker does not forget a task function"
            for slot in slots:
                await pool.remove_task_function(f"{_PROBE}.{slot}")
    except TimeoutError:
        raise AssertionError(f"{pool!r} is not healthy after {timeout} s: {what}; {pool.info}") from None
    info = pool.info
    ended = info.executed_tasks + info.failed_tasks + info.aborted_tasks
    if info.submitted_tasks != ended + info.executing_tasks + info.queued_tasks:
        raise AssertionError(f"the numbers of {pool!r} do not add up: {info}")


def _checked_range(name: str, value: tuple[float, float]) -> tuple[float, float]:
    low, high = value
    if not 0 <= low <= high:
        raise ValueError(f"{name} must be two numbers of seconds, the smaller one first, not {value!r}")
    return low, high
