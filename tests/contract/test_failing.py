"""No worker can be started for a while: tasks fail in their futures, nothing hangs, and the pool recovers by itself."""

import asyncio
import re
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from poolifier import PoolEvent, PoolFailedError, PoolNotStartedError, WorkerCrashedError
from tests.contract import tasks

pytestmark = pytest.mark.usefixtures("nothing_left")


def refuse(path):
    """The initializer: it raises while that file is there."""
    if Path(path).exists():
        raise ValueError("not now")


def count(_):
    yield from range(1_000)


FUNCTIONS = {**tasks.PLAIN, "count": count}


@pytest.fixture
def seconds(kind):
    """How long a state may take to come.

    An actor is a process that imports Ray, which takes it several seconds of CPU time, and of those that are replaced
    here up to nine start one after another. On a machine that has as much again to do, that takes minutes.
    """
    return 240 if kind.name == "ray" else 10


@pytest.fixture
def deadline(kind):
    """How long a test may take."""
    return 240 if kind.name == "ray" else 60


class Switch:
    """Decides whether workers can be started, and notes what the pool says of it."""

    def __init__(self, tmp_path):
        self.path = tmp_path / "refuse"
        self.released = tmp_path / "released"
        self.events = []
        self.begun = asyncio.Event()

    def options(self, **options):
        return {
            "initializer": refuse,
            "initargs": (str(self.path),),
            "restart_limit": (2, 10.0),
            "abort_grace": 0.05,
            "error_handler": lambda *_: None,
            "message_handler": lambda *_: self.begun.set(),
            **options,
        }

    def listen(self, pool):
        for event in (PoolEvent.FAILING, PoolEvent.RECOVERED):
            pool.emitter.on(event, lambda info, event=event: self.events.append((event, info.state)))
        pool.emitter.on(PoolEvent.ERROR, lambda _: None)
        return pool

    async def lose_worker(self, pool):
        """Has a worker given up, in the one way that there is with every kind: its task does not stop."""
        self.begun.clear()
        future = pool.execute(str(self.released), "ignore_aborts")
        await self.begun.wait()
        future.cancel()

    @asynccontextmanager
    async def failing(self, pool, until, seconds):
        """A pool of one worker that fails within this, and recovers after it."""
        self.path.touch()
        await self.lose_worker(pool)
        await until(lambda: pool.info.state == "failing", seconds)
        try:
            yield
        finally:
            self.released.touch()
            self.path.unlink()
        await until(lambda: pool.info.state == "ready", seconds)


@pytest.fixture
def switch(tmp_path):
    made = Switch(tmp_path)
    yield made
    made.released.touch()


def test_what_waits_and_what_comes_fails_in_its_future_and_the_pool_recovers(
    run, until, kind, switch, seconds, deadline
):
    async def main():
        async with switch.listen(kind.fixed(1, FUNCTIONS, **switch.options())) as pool:
            assert (pool.info.state, pool.info.failure) == ("ready", None)
            switch.path.touch()
            await switch.lose_worker(pool)
            waiting = [pool.execute(number) for number in range(5)]
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            info = pool.info
            assert (info.state, info.ready) == ("failing", False)
            assert "3 starts in a row have failed" in info.failure
            assert "ValueError: not now" in info.failure
            # By a plain loop over calls, none of which raises itself.
            late = [pool.execute(number) for number in range(5)]
            outcomes += await asyncio.gather(*late, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [PoolFailedError] * 10
            assert all(isinstance(outcome.__cause__, ValueError) for outcome in outcomes)
            assert len({id(outcome) for outcome in outcomes}) == 10
            switch.released.touch()
            switch.path.unlink()
            await until(lambda: pool.info.state == "ready", seconds)
            assert pool.info.failure is None
            assert await asyncio.gather(*(pool.execute(number) for number in range(20))) == list(range(20))
            assert switch.events == [("failing", "failing"), ("recovered", "ready")]
            info = pool.info
            assert info.submitted_tasks == info.executed_tasks + info.failed_tasks + info.aborted_tasks
            assert info.crashed_workers >= 3
            assert info.restarted_workers >= 4

    run(main(), deadline=deadline)


def test_every_way_to_submit_ends_while_a_pool_is_failing(run, until, kind, switch, seconds, deadline):
    async def main():
        async with kind.fixed(1, FUNCTIONS, **switch.options(max_queued=1)) as pool:
            async with switch.failing(pool, until, seconds):
                await pool.start()  # it has been started, so there is nothing to do
                futures = await asyncio.gather(*(pool.submit(number) for number in range(20)))
                outcomes = await asyncio.gather(*futures, return_exceptions=True)
                outcomes += await pool.map_execute(range(2_000), return_exceptions=True)
                async for outcome in pool.map_unordered(range(50), return_exceptions=True):
                    outcomes.append(outcome)
                assert len(outcomes) == 2_070
                assert {type(outcome) for outcome in outcomes} == {PoolFailedError}
                for raising in (pool.map_execute(range(50)), anext(pool.map_ordered(range(50)))):
                    with pytest.raises(PoolFailedError):
                        await raising
                with pytest.raises(PoolFailedError):
                    await anext(pool.stream(None, "count"))
                with pytest.raises(PoolFailedError):
                    await pool.add_task_function("other", tasks.echo)
                # What is wrong with the call itself is said as ever.
                with pytest.raises(LookupError):
                    pool.execute(1, "nobody")
                with pytest.raises(TypeError):
                    pool.execute(1, timeout="soon")
            assert await pool.map_execute(range(50)) == list(range(50))

    run(main(), deadline=deadline)


def test_whoever_tries_on_without_a_pause_does_not_keep_it_from_recovering(run, until, kind, switch, seconds, deadline):
    async def main():
        async with kind.fixed(1, FUNCTIONS, **switch.options()) as pool:

            async def insist():
                while True:
                    try:
                        return await pool.execute("at last")
                    except PoolFailedError:
                        pass

            async def map_on():
                async for outcome in pool.map_ordered(iter(int, 1), return_exceptions=True):
                    if outcome == 0:
                        return outcome
                return None

            async with switch.failing(pool, until, seconds):
                callers = [asyncio.create_task(insist()), asyncio.create_task(map_on())]
                await asyncio.sleep(0.01)
            assert await asyncio.gather(*callers) == ["at last", 0]

    run(main(), deadline=deadline)


def test_a_pool_that_is_failing_is_destroyed_as_any_other(run, until, kind, switch, seconds, deadline):
    async def main():
        async with kind.fixed(1, FUNCTIONS, **switch.options()) as pool:
            switch.path.touch()
            await switch.lose_worker(pool)
            await until(lambda: pool.info.state == "failing", seconds)
            last = pool.execute(1)
            switch.released.touch()
            before = time.monotonic()
        # `destroy_timeout` is 5 seconds; as much again is for a busy machine, and Ray has its actors to end besides.
        assert time.monotonic() - before < (60 if kind.name == "ray" else 10)
        with pytest.raises(PoolFailedError):
            await last
        assert (pool.info.state, pool.info.started) == ("closed", False)
        with pytest.raises(PoolNotStartedError):
            pool.execute(1)

    run(main(), deadline=deadline)


def test_a_pool_of_none_fails_recovers_and_can_be_started_meanwhile(run, until, kind, switch, seconds, deadline):
    async def main():
        switch.path.touch()
        async with switch.listen(kind.dynamic(0, 2, FUNCTIONS, **switch.options())) as pool:
            assert pool.info.state == "ready"
            with pytest.raises(PoolFailedError) as caught:
                await pool.execute(1)
            assert isinstance(caught.value.__cause__, ValueError)
            assert (pool.info.state, pool.info.ready) == ("failing", False)
            switch.path.unlink()
            await until(lambda: pool.info.state == "ready", seconds)  # although nobody waits for a worker
            assert await pool.execute(2) == 2
            assert [event for event, _ in switch.events] == ["failing", "recovered"]

    run(main(), deadline=deadline)


def test_the_first_start_raises_what_failed_and_can_be_tried_again(run, kind, switch, deadline):
    async def main():
        switch.path.touch()
        pool = kind.fixed(2, FUNCTIONS, **switch.options())
        for _ in range(2):
            with pytest.raises(ValueError, match="not now"):
                await pool.start()
            info = pool.info
            assert (info.state, info.started, info.worker_nodes, info.failure) == ("created", False, 0, None)
            with pytest.raises(PoolNotStartedError, match="not started"):
                pool.execute(1)
        with pytest.raises(ValueError, match="not now"):
            async with pool:
                pytest.fail("it has been entered")
        switch.path.unlink()
        async with pool:
            assert pool.info.state == "ready"
            assert await pool.execute(1) == 1
        assert pool.info.state == "closed"

    run(main(), deadline=deadline)


def test_any_number_of_workers_that_are_given_up_for_their_tasks_costs_nothing_else(run, until, kind, switch, deadline):
    async def main():
        gone = []
        options = switch.options(restart_limit=(0, 0.001), exit_handler=lambda node, _: gone.append(node.id))
        async with switch.listen(kind.fixed(1, FUNCTIONS, **options)) as pool:
            for number in range(8):
                await switch.lose_worker(pool)
                assert await pool.execute(number) == number
                assert len(gone) == number + 1
            assert pool.info.state == "ready"
            assert pool.info.crashed_workers == 0
            assert pool.info.restarted_workers == 8
            assert switch.events == []
            switch.released.touch()

    run(main(), deadline=deadline)


def test_any_number_of_tasks_that_end_their_workers_costs_nothing_else(run, kind, deadline):
    if not kind.killable:
        pytest.skip("nothing but their program ends these workers")

    async def main():
        functions = {"echo": tasks.echo, "end": tasks.end_worker}
        async with kind.fixed(2, functions, restart_limit=(0, 0.001), error_handler=lambda *_: None) as pool:
            crashes = 8 if kind.name == "ray" else 40
            for number in range(crashes):
                deadly, well = pool.execute(None, "end"), pool.execute(number)
                with pytest.raises(WorkerCrashedError):
                    await deadly
                # On Ray what was sent to an actor that ends may have started.
                assert kind.name == "ray" or await well == number
            info = pool.info
            assert info.crashed_workers == info.restarted_workers == crashes
            assert info.failure is None

    run(main(), deadline=deadline)


def test_without_a_limit_tasks_wait_and_the_pool_says_what_for(run, until, kind, switch, deadline):
    async def main():
        async with kind.fixed(1, FUNCTIONS, **switch.options(restart_limit=None)) as pool:
            switch.path.touch()
            await switch.lose_worker(pool)
            waiting = pool.execute(1)
            await until(lambda: pool.info.crashed_workers >= 3, deadline)
            info = pool.info
            assert info.state == "degraded"
            assert re.search(
                r"^pool .*: no worker is ready in the slots \[0\]: \d starts in a row .*not now", info.failure
            )
            assert not waiting.done()
            switch.released.touch()
            switch.path.unlink()
            assert await waiting == 1
            assert (pool.info.state, pool.info.failure) == ("ready", None)

    run(main(), deadline=deadline)


def test_a_pool_without_a_minimum_says_what_its_tasks_wait_for(run, until, kind, switch, deadline):
    switch.path.touch()

    async def main():
        async with kind.dynamic(0, 2, FUNCTIONS, **switch.options(restart_limit=None)) as pool:
            assert (pool.info.state, pool.info.failure) == ("ready", None)
            waiting = pool.execute(1)
            await until(lambda: pool.info.crashed_workers >= 2, deadline)
            assert pool.info.state == "degraded"
            assert "not now" in pool.info.failure
            switch.path.unlink()
            assert await waiting == 1
            assert (pool.info.state, pool.info.failure) == ("ready", None)

    run(main(), deadline=deadline)


def test_starts_that_fail_alike_are_logged_with_one_traceback(run, kind, switch, logged, deadline):
    switch.path.touch()

    async def main():
        options = switch.options()
        del options["error_handler"]
        async with kind.dynamic(0, 2, FUNCTIONS, **options) as pool:
            with pytest.raises(PoolFailedError):
                await pool.execute(1)
            return pool.info.name

    name = run(main(), deadline=deadline)
    said = [record for record in logged if record.name == "poolifier" and "not now" in record.getMessage()]
    shown = [record for record in said if record.exc_info or "Traceback" in record.getMessage()]
    assert shown == said[:1]
    again = f"pool {name!r}: the start of a worker failed again: ValueError: not now"
    repeats = [record.getMessage() for record in said[1:]]
    assert repeats.count(again) >= 2
    assert all("\n" not in message for message in repeats)
