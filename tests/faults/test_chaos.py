"""Workers that are harmed at random while tasks run: none is lost, none runs twice, failures say the right cause."""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest

from poolifier import DynamicProcessPool, FixedProcessPool, SerializationError, Worker, WorkerCrashedError
from poolifier.testing.faults import EXIT_CODE, Chaos, Fault, StartLog, arm

TASKS = int(os.environ.get("CHAOS_TASKS", "0"))
"""How many tasks the long run has; `make chaos` says."""

SECONDS = float(os.environ.get("CHAOS_SECONDS", "20"))
"""How long each of the other long runs takes."""

WINDOW = 500
KIBIBYTE = 1024

SIGNALS = {Fault.KILL: "SIGKILL", Fault.TERMINATE: "SIGTERM", Fault.SEGFAULT: "SIGSEGV"}

SHORT_OF_MEMORY = ("MemoryError", "Cannot allocate memory", "failed to map segment")

log = None


def prepare(path):
    global log
    arm()
    log = StartLog(path)


def work(task):
    number, way, value = task
    log.note(number)
    if way == "nap":
        time.sleep(0.002)
    elif way == "spin":
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
    elif way == "allocate":
        bytearray(8 << 20)
    return number, value


async def work_async(task):
    number, way, value = task
    log.note(number)
    if way in ("nap", "spin"):
        await asyncio.sleep(0.002)
    return number, value


def note(task):
    number, log = task
    log.note(number)
    return number


async def note_async(task):
    number, log = task
    log.note(number)
    await asyncio.sleep(0)
    return number


def new_task(number, chance):
    drawn = chance.random()
    if drawn < 0.9:
        return (number, "none", None)
    if drawn < 0.96:
        return (number, chance.choice(["nap", "spin", "allocate"]), None)
    # Some that need a pickle of their own, and some that go through shared memory.
    return (number, "none", [b"x" * chance.choice([10, KIBIBYTE, 100 * KIBIBYTE])])


def is_right_cause(error, faults):
    """Whether an error is what those faults of its worker may lead to."""
    if isinstance(error, WorkerCrashedError):
        signals = {SIGNALS.get(fault) for fault in faults} - {None}
        codes = {EXIT_CODE} if Fault.EXIT in faults else set()
        if Fault.MEMORY in faults:
            # Where the worker's own code finds no memory it ends, with a traceback among its last words.
            codes |= {1}
        return error.signal in signals or error.exit_code in codes
    if isinstance(error, SerializationError):
        return any(words in str(error) for words in SHORT_OF_MEMORY)
    return isinstance(error, MemoryError)


async def endure_chaos(guard, path, function, concurrency, enough, seed):
    """Submits until `enough(number, chaos)`; returns what was harmed and how many tasks there were and failed."""
    chance = random.Random(seed)
    options = {"restart_limit": None, "initializer": prepare, "initargs": (str(path),), "preload": True}
    options |= {"tasks_queue_options": {"concurrency": concurrency, "size": 10_000}}
    failures, number = {}, 0
    async with FixedProcessPool(2, function, **options) as pool, Chaos(pool, seed=seed) as chaos:
        while not enough(number, chaos):
            tasks = [new_task(number + at, chance) for at in range(WINDOW)]
            number += WINDOW
            futures = [pool.execute(task) for task in tasks]
            for task, future, outcome in zip(tasks, futures, await guard.outcomes(futures), strict=True):
                if isinstance(outcome, BaseException):
                    failures[task[0]] = (future.task_id, outcome)
                else:
                    assert outcome == (task[0], task[2]), "another task's result"
            # Not to watch a million at once.
            guard.check()
            guard.watched.clear()
            guard.settled.clear()
        await chaos.stop()
        await guard.healthy(pool)
    for task_id, error in failures.values():
        if isinstance(error, WorkerCrashedError):
            assert error.task_id == task_id
            assert is_right_cause(error, chaos.of_worker(error.worker_id)), repr(error)
        else:
            assert is_right_cause(error, ()), repr(error)
            assert any(harm.fault is Fault.MEMORY for harm in chaos.harms)
    crashed = [error for _, error in failures.values() if isinstance(error, WorkerCrashedError)]
    assert len(crashed) <= len(chaos.harms) * concurrency, "more failed than can have started"
    starts = StartLog(path).counts()
    assert max(starts.values()) == 1, "a task ran twice"
    assert set(range(number)) - set(starts) <= set(failures), "a task that never ran has not failed"
    return chaos.harms, number, len(failures)


@pytest.mark.once
@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(("function", "concurrency"), [(work, 1), (work_async, 4)])
def test_workers_are_harmed_while_tasks_run(endure, tmp_path, function, concurrency):
    began = time.monotonic()

    def enough(_, chaos):
        return len(chaos.harms) >= 15 and time.monotonic() - began > 2

    async def main(guard):
        return await endure_chaos(guard, tmp_path / "started", function, concurrency, enough, seed=concurrency)

    harms, _, _ = endure(main)
    assert len({harm.fault for harm in harms}) >= 4


@pytest.mark.long
@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(("function", "concurrency", "share"), [(work, 1, 1.0), (work_async, 4, 0.2)])
def test_a_million_tasks(endure, tmp_path, capfd, function, concurrency, share):
    wanted = int((TASKS or 1_000_000) * share)

    async def main(guard):
        path = tmp_path / "started"
        return await endure_chaos(guard, path, function, concurrency, lambda number, _: number >= wanted, seed=20)

    began = time.monotonic()
    harms, tasks, failed = endure(main, deadline=1800)
    seconds = time.monotonic() - began
    with capfd.disabled():
        print(f"\n{function.__name__}: {tasks} tasks, {len(harms)} harms, {failed} failed, {seconds:.0f} s")
    Path(tmp_path / "started").unlink()


@pytest.mark.usefixtures("no_leaks")
def test_a_worker_that_stands_still_for_a_while(endure, until, tmp_path):
    """What it has begun, or was sent ahead, waits for it; all else goes elsewhere. Nothing fails or runs twice."""
    log = StartLog(tmp_path / "started")

    async def main(guard):
        async with FixedProcessPool(2, note, tasks_queue_options={"size": 10_000}) as pool:
            futures = [guard.watch(pool.execute((number, log))) for number in range(3000)]
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            still = pool.worker_nodes[0]
            os.kill(still.pid, signal.SIGSTOP)
            try:
                held = still.usage.tasks
                await until(lambda: pool.info.executed_tasks >= 3000 - held.executing - held.queued)
                moved = pool.execute((3000, log))
                assert await guard.outcomes([moved]) == [3000]
            finally:
                os.kill(still.pid, signal.SIGCONT)
            assert await guard.outcomes(futures) == list(range(3000))
            await guard.healthy(pool)

    endure(main)
    assert log.counts() == dict.fromkeys(range(3001), 1)


@pytest.mark.long
@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(("function", "concurrency"), [(note, 1), (note_async, 4)])
@pytest.mark.parametrize("grows", [False, True])
def test_workers_stand_still_again_and_again(endure, tmp_path, function, concurrency, grows):
    """For up to three seconds, longer than any patience of the pool."""
    log = StartLog(tmp_path / "started")
    worker = Worker(function, max_inactive_time=0.1)
    options = {"tasks_queue_options": {"size": 10_000, "concurrency": concurrency}}
    number = 0

    async def main(guard):
        nonlocal number
        end = time.monotonic() + SECONDS
        make = DynamicProcessPool if grows else FixedProcessPool
        sizes = (1, 4) if grows else (3,)
        async with make(*sizes, worker, **options) as pool:
            async with Chaos(pool, [Fault.PAUSE], every=(0.1, 0.5), pause=(0.1, 3)) as chaos:
                while time.monotonic() < end:
                    tasks = range(number, number + WINDOW)
                    number += WINDOW
                    assert await guard.outcomes([pool.execute((task, log)) for task in tasks]) == list(tasks)
                    await asyncio.sleep(0)
                    guard.check()
                    guard.watched.clear()
                    guard.settled.clear()
            await guard.healthy(pool)
        assert len(chaos.harms) > SECONDS / 4

    endure(main, deadline=SECONDS + 120)
    assert log.counts() == dict.fromkeys(range(number), 1)
