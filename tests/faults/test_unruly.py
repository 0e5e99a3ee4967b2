"""Tasks that do as they like, callers who change their minds, and workers that come and go, all at once.

What can happen to workers of any kind: cancellation, time limits, aborts that are swallowed or ignored until the worker
is abandoned, `SystemExit` and its like, streams that are left. Processes are harmed from outside besides.
"""

import asyncio
import os
import random
import time
from collections import Counter
from contextlib import aclosing, nullcontext

import pytest

from poolifier import TaskTimeoutError, Worker, WorkerCrashedError
from poolifier.testing.faults import Chaos, StartLog
from tests.contract.conftest import KINDS
from tests.faults.unruly import FUNCTIONS, RAISED, clean_up, hold

SECONDS = float(os.environ.get("CHAOS_SECONDS", "20"))
"""How long each of the long runs takes; `make chaos` says."""

WINDOW = 200
USUAL = {"done", "raised", "cancelled", "late"}
"""What becomes of tasks where nothing happens to their workers."""

GRACE = 0.05
"""Shorter than `STUBBORN`, so whoever ignores that it is to stop costs its worker."""


def new_task(number, log, chance):
    if chance.random() < 0.6:
        return (number, "none", log)
    ways = [*RAISED, "nap", "spin", "swallow", "clean up"]
    return (number, chance.choice(ways), log)


class Caller:
    """One who has a window of tasks run, changes its mind about some, and judges what becomes of each."""

    def __init__(self, pool, guard, chance, log):
        self.pool = pool
        self.guard = guard
        self.chance = chance
        self.log = log
        self.tasks = 0
        self.ended = {}

    async def window(self):
        chance = self.chance
        loop = asyncio.get_running_loop()
        tasks, limits, cancelled, futures = [], [], [], []
        for _ in range(WINDOW):
            task = new_task(self._next(), self.log, chance)
            limit = chance.uniform(0.0005, 0.003) if chance.random() < 0.1 else None
            if chance.random() < 0.003:
                task, limit = (task[0], "ignore", self.log), chance.uniform(0.0005, 0.003)
            tasks.append(task)
            limits.append(limit)
            futures.append(self.guard.watch(self.pool.execute(task, "work", timeout=limit)))
        for at in chance.sample(range(WINDOW), WINDOW // 5):
            cancelled.append(at)
            if chance.random() < 0.2:
                futures[at].cancel()
            else:
                loop.call_later(chance.uniform(0, 0.02), futures[at].cancel)
        streams = [asyncio.ensure_future(self._stream()) for _ in range(3)]
        await asyncio.wait(futures)
        for at, (task, future) in enumerate(zip(tasks, futures, strict=True)):
            outcome = judged(task, future, limited=limits[at] is not None, cancelled=at in cancelled)
            self.ended[task[0]] = outcome
        await asyncio.gather(*streams)

    async def _stream(self):
        """Reads a stream, whole or in part."""
        number = self._next()
        way = self.chance.choice(["none", "none", *RAISED])
        most = self.chance.choice([1, 10, 1000])
        items, outcome, raised = [], "left", None
        try:
            async with aclosing(self.pool.stream((number, way, self.log), "count")) as stream:
                async for item in stream:
                    items.append(item)
                    if len(items) == most:
                        break
                else:
                    outcome = "done"
        except WorkerCrashedError:
            outcome = "crashed"
        except BaseException as error:
            outcome = "raised"
            raised = error
        if raised is not None:
            assert (type(raised), raised.args) == (RAISED.get(way), (number,))
        assert items == list(range(len(items)))
        if outcome != "crashed":
            assert len(items) == min(most, 40)
        self.ended[number] = outcome

    def _next(self):
        self.tasks += 1
        return self.tasks - 1


def judged(task, future, *, limited, cancelled):
    """What became of a task, which has to be something that may become of it."""
    number, way, _ = task
    if future.cancelled():
        assert cancelled, f"{task} was not cancelled by its caller"
        return "cancelled"
    error = future.exception()
    if error is None:
        assert future.result() == number, "another task's result"
        return "done"
    if isinstance(error, TaskTimeoutError):
        assert limited, f"{task} has no time limit"
        return "late"
    if isinstance(error, WorkerCrashedError):
        return "crashed"
    assert type(error) is RAISED.get(way), f"{task}: {error!r}"
    assert error.args == (number,)
    return "raised"


async def endure_unruliness(guard, kind, functions, path, *, grows, seconds, seed):
    """Windows of tasks for so long, until two workers went and tasks have ended in all usual ways.

    Returns how each task ended, and how many workers went.
    """
    began = time.monotonic()
    chance = random.Random(seed)
    log = StartLog(path)
    concurrency = 3 if functions == "async" else 1
    options = {
        "abort_grace": GRACE,
        "restart_limit": None,
        "tasks_queue_options": {"concurrency": concurrency},
    }
    worker = Worker(FUNCTIONS[functions], max_inactive_time=0.02)
    make = (lambda: kind.dynamic(1, 3, worker, **options)) if grows else (lambda: kind.fixed(2, worker, **options))
    exits = []
    async with make() as pool:
        pool.emitter.on("worker_exit", exits.append)
        caller = Caller(pool, guard, chance, log)
        async with Chaos(pool, ["kill", "pause"], every=(0.05, 0.3), seed=seed) if kind.killable else nullcontext():
            while len(exits) < 2 or time.monotonic() - began < seconds or not set(caller.ended.values()) >= USUAL:
                await caller.window()
                guard.check()
                guard.watched.clear()
                guard.settled.clear()
                if grows:
                    # Idle for a moment, or for long enough that workers leave.
                    await asyncio.sleep(chance.uniform(0, 0.03))
        await guard.healthy(pool)
        gone = len(exits)
    log.close()
    crashed = [number for number, outcome in caller.ended.items() if outcome == "crashed"]
    if not kind.killable:
        # Only what shares its worker with one that is given up goes with it.
        assert len(crashed) <= gone * (concurrency - 1)
    assert len(caller.ended) == caller.tasks
    starts = log.counts()
    assert max(starts.values()) == 1, "a task ran twice"
    never = [
        number for number, outcome in caller.ended.items() if outcome in ("done", "raised") and number not in starts
    ]
    assert not never, "a task that never ran has not failed"
    return Counter(caller.ended.values()), gone


def combination(kind, functions, *, grows):
    return pytest.param(kind, functions, grows, id=f"{kind.name}-{functions}-{'dynamic' if grows else 'fixed'}")


LOCAL = [kind for kind in KINDS if kind.name != "ray"]
ALL = [
    combination(kind, functions, grows=grows) for kind in LOCAL for functions in FUNCTIONS for grows in (False, True)
]
# Each kind, each of both kinds of functions, and pools of both sizes: a second each.
SOME = [combination(kind, "plain", grows=kind.name != "thread") for kind in LOCAL]
SOME += [combination(kind, "async", grows=kind.name == "thread") for kind in LOCAL if not kind.killable]


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(("kind", "functions", "grows"), SOME)
def test_unruly_tasks_and_callers_who_change_their_minds(endure, tmp_path, kind, functions, grows):
    async def main(guard):
        path = tmp_path / "started"
        return await endure_unruliness(guard, kind, functions, path, grows=grows, seconds=1, seed=7)

    outcomes, _ = endure(main)
    assert set(outcomes) >= USUAL


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in LOCAL if not kind.killable])
def test_what_shares_an_event_loop_with_one_that_never_stops_may_clean_up(endure, until, tmp_path, capfd, kind):
    log, release = StartLog(tmp_path / "started"), tmp_path / "release"

    async def main(guard):
        options = {"abort_grace": GRACE, "tasks_queue_options": {"concurrency": 8}}
        functions = {"clean up": clean_up, "hold": hold, **FUNCTIONS["async"]}
        async with kind.fixed(1, functions, **options) as pool:
            neighbours = [pool.execute((number, log), "clean up") for number in range(2)]
            stubborn = pool.execute((2, log, str(release)), "hold")
            late = [pool.execute((number, "none", log), "work") for number in range(3, 13)]
            await until(lambda: log.counts()[2])
            stubborn.cancel()
            outcomes = await guard.outcomes(neighbours)
            assert [type(outcome) for outcome in outcomes] == [WorkerCrashedError, WorkerCrashedError]
            release.touch()
            await until(lambda: log.counts()[0] == log.counts()[1] == 1)
            # Those that the event loop had taken on, and not begun, never begin there. The others run elsewhere.
            for number, outcome in enumerate(await guard.outcomes(late), 3):
                assert outcome == number or isinstance(outcome, WorkerCrashedError)
                assert log.counts()[number] == (outcome == number)
            await guard.healthy(pool)

    endure(main)
    log.close()
    assert not capfd.readouterr().err


@pytest.mark.long
@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(("kind", "functions", "grows"), ALL)
def test_unruly_tasks_for_a_while(endure, tmp_path, capfd, kind, functions, grows):
    async def main(guard):
        path = tmp_path / "started"
        return await endure_unruliness(guard, kind, functions, path, grows=grows, seconds=SECONDS, seed=None)

    outcomes, gone = endure(main, deadline=SECONDS + 120)
    with capfd.disabled():
        print(f"\n{kind.name}, {functions}: {dict(outcomes)}; {gone} workers went")
