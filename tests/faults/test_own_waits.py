"""Tasks on threads that wait for tasks of their own pool: where no worker is left for those, one wait ends."""

import asyncio
import concurrent.futures
import threading

import pytest

from poolifier import DynamicThreadPool, FixedThreadPool, TaskAborted, TaskFunction
from poolifier.futures import ThreadPoolExecutor
from poolifier.pool import own_waits

pytestmark = pytest.mark.usefixtures("no_leaks", "often")


@pytest.fixture
def often(monkeypatch):
    """It is looked more often, for there are many tests."""
    monkeypatch.setattr(own_waits, "PERIOD", 0.1)


def numbers(data):
    yield from range(data)


class Outer:
    """Submits to a pool, from one of its own tasks."""

    def __init__(self):
        self.pool = self.loop = None

    async def inner(self, way, data=5):
        pool = self.pool
        if way == "map":
            return (await pool.map_execute([data], "echo"))[0]
        if way == "unordered":
            [result] = [result async for result in pool.map_unordered([data], "echo")]
            return result
        if way == "stream":
            return [item async for item in pool.stream(data, "numbers")] and "5"
        if way == "submit":
            return await (await pool.submit(data, "echo"))
        if way == "gather":
            return (await asyncio.gather(pool.execute(data, "echo"), pool.execute(data, "echo")))[0]
        return await pool.execute(data, "echo")

    def wait(self, way):
        return asyncio.run_coroutine_threadsafe(self.inner(way), self.loop).result()

    def wait_in_another_way(self, way):
        waited = [asyncio.run_coroutine_threadsafe(self.inner(way), self.loop)]
        concurrent.futures.wait(waited)
        return waited[0].result()

    async def wait_async(self, way):
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.inner(way), self.loop))

    def leave(self, way):
        asyncio.run_coroutine_threadsafe(self.inner(way), self.loop)
        return "left"

    def functions(self):
        names = ("wait", "wait_in_another_way", "wait_async", "leave")
        return {name: getattr(self, name) for name in names} | {"echo": str, "numbers": numbers}


WAYS = ["execute", "submit", "map", "unordered", "stream", "gather"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "concurrency"), [("wait", 1), ("wait_in_another_way", 1), ("wait_async", 1), ("wait_async", 3)]
)
def test_tasks_that_wait_for_tasks_of_their_own_pool(endure, way, name, concurrency):
    async def main(guard):
        outer = Outer()
        queue = {"concurrency": concurrency, "size": 4}
        async with FixedThreadPool(2, outer.functions(), tasks_queue_options=queue) as pool:
            outer.pool, outer.loop = pool, asyncio.get_running_loop()
            # With a worker to spare it works.
            assert await guard.outcomes([pool.execute(way, name)]) == ["5"]
            # With none, some are told, and so the others can end.
            outcomes = await guard.outcomes([pool.execute(way, name) for _ in range(5)])
            told = [outcome for outcome in outcomes if outcome != "5"]
            assert len(told) < 5
            for error in told:
                assert isinstance(error, RuntimeError), repr(error)
                assert "waits for a task of its own pool" in str(error)
            assert await guard.outcomes([pool.execute(way, name)]) == ["5"]
            await guard.healthy(pool)

    endure(main)


@pytest.mark.parametrize("way", ["execute", "gather", "map", "stream"])
def test_a_plain_task_that_waits_for_what_stands_behind_itself(endure, way):
    """A worker that takes several tasks at a time may be sent what its own task waits for."""

    async def main(guard):
        outer = Outer()
        queue = {"concurrency": 3, "size": 4}
        async with FixedThreadPool(3, outer.functions(), tasks_queue_options=queue) as pool:
            outer.pool, outer.loop = pool, asyncio.get_running_loop()
            for _ in range(5):
                for outcome in await guard.outcomes([pool.execute(way, "wait") for _ in range(3)]):
                    assert outcome == "5" or "waits for a task of its own pool" in str(outcome)
            await guard.healthy(pool)

    endure(main)


@pytest.mark.parametrize(
    "options", [{"task_stealing": False}, {"tasks_stealing_ratio": 0.0}, {"tasks_stealing_ratio": 0.34}]
)
def test_where_the_free_may_not_steal(endure, options):
    """What is waited for stands in the queue of one that waits."""

    async def main(guard):
        outer = Outer()
        async with FixedThreadPool(3, outer.functions(), tasks_queue_options=options) as pool:
            outer.pool, outer.loop = pool, asyncio.get_running_loop()
            for _ in range(4):
                for outcome in await guard.outcomes([pool.execute("gather", "wait") for _ in range(5)]):
                    assert outcome == "5" or "waits for a task of its own pool" in str(outcome)
            await guard.healthy(pool)

    endure(main)


def test_where_what_is_waited_for_may_run_on_one_worker_only(endure):
    async def main(guard):
        outer = Outer()
        functions = {"wait": TaskFunction(outer.wait, worker_nodes=[0]), "echo": TaskFunction(str, worker_nodes=[0])}
        async with FixedThreadPool(3, functions) as pool:
            outer.pool, outer.loop = pool, asyncio.get_running_loop()
            for outcome in await guard.outcomes([pool.execute("execute", "wait") for _ in range(3)]):
                assert "waits for a task of its own pool" in str(outcome)
            await guard.healthy(pool)

    endure(main)


@pytest.mark.parametrize("way", WAYS)
def test_tasks_that_do_not_wait_are_not_concerned(endure, way):
    async def main(guard):
        outer = Outer()
        async with FixedThreadPool(1, outer.functions()) as pool:
            outer.pool, outer.loop = pool, asyncio.get_running_loop()
            assert await guard.outcomes([pool.execute(way, "leave") for _ in range(20)]) == ["left"] * 20
            # Behind those that they have left there.
            assert await guard.outcomes([pool.execute(0, "echo") for _ in range(50)]) == ["0"] * 50
            assert pool.info.failed_tasks == pool.info.aborted_tasks == 0
            await guard.healthy(pool)

    endure(main)


def test_a_dynamic_pool_grows_first(endure):
    async def main(guard):
        outer = Outer()
        async with DynamicThreadPool(1, 4, outer.functions()) as pool:
            outer.pool, outer.loop = pool, asyncio.get_running_loop()
            assert await guard.outcomes([pool.execute("execute", "wait") for _ in range(3)]) == ["5"] * 3
            assert pool.info.failed_tasks == 0

    endure(main)


def test_whoever_waits_for_something_else_is_left_alone(endure):
    """For much longer than a deadlock stands."""

    async def main(guard):
        outer = Outer()
        event = threading.Event()
        elsewhere = concurrent.futures.Future()

        def wait_elsewhere(_):
            asyncio.run_coroutine_threadsafe(outer.inner("execute"), outer.loop)
            return elsewhere.result()

        def wait_for_both(_):
            own = asyncio.run_coroutine_threadsafe(outer.inner("execute"), outer.loop)
            # The other one may have left its worker to the own task by then, so that both are done.
            return elsewhere in concurrent.futures.wait([own, elsewhere], return_when="FIRST_COMPLETED").done

        def wait_with_a_limit(_):
            try:
                return asyncio.run_coroutine_threadsafe(outer.inner("execute"), outer.loop).result(0.5)
            except TimeoutError:
                return "limit"

        functions = {"event": lambda _: event.wait(), "elsewhere": wait_elsewhere, "both": wait_for_both}
        functions |= {"limit": wait_with_a_limit, "echo": str}
        async with FixedThreadPool(2, functions) as pool:
            outer.pool, outer.loop = pool, asyncio.get_running_loop()
            for name, right in [("event", True), ("elsewhere", "there"), ("both", True)]:
                waiting = [pool.execute(0, name) for _ in range(2)]
                await asyncio.sleep(0.5)
                assert not any(future.done() for future in waiting)
                event.set()
                elsewhere.set_result("there") if name != "event" else None
                assert await guard.outcomes(waiting) == [right] * 2
                elsewhere = concurrent.futures.Future()
            # Where the first gives up it leaves a worker to the other's.
            assert "limit" in await guard.outcomes([pool.execute(0, "limit") for _ in range(2)])
            assert pool.info.failed_tasks == 0

    endure(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_executor_whose_calls_wait_for_calls_of_its_own(workers):
    with ThreadPoolExecutor(workers) as executor:

        def by_result(number):
            return executor.submit(str, number).result()

        def by_map(number):
            [result] = executor.map(str, [number])
            return result

        def by_wait(number):
            return next(concurrent.futures.as_completed([executor.submit(str, number)])).result()

        for wait in (by_result, by_map, by_wait):
            futures = [executor.submit(wait, number) for number in range(8)]
            outcomes = [future.exception(120) or future.result() for future in futures]
            told = [outcome for outcome in outcomes if isinstance(outcome, RuntimeError)]
            assert told
            assert all("waits for a task of its own pool" in str(error) for error in told)
            assert [outcome for outcome in outcomes if outcome not in told] == [
                str(number) for number, outcome in enumerate(outcomes) if outcome not in told
            ]
            assert executor.submit(len, "abc").result() == 3


def test_it_can_be_caught_and_gone_on_from(endure):
    async def main(guard):
        outer = Outer()

        def recover(_):
            try:
                return outer.wait("execute")
            except TaskAborted:
                raise
            except RuntimeError:
                return "recovered"

        async with FixedThreadPool(1, {"recover": recover, "echo": str}) as pool:
            outer.pool, outer.loop = pool, asyncio.get_running_loop()
            assert await guard.outcomes([pool.execute(0, "recover")]) == ["recovered"]
            assert await guard.outcomes([pool.execute(0, "echo")]) == ["0"]

    endure(main)
