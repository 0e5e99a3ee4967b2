"""Streams, and maps over many items."""

import asyncio
import time
from collections import Counter
from contextlib import aclosing

import pytest

from tests.contract import tasks
from tests.contract.tasks import where


def square(number):
    return number * number


def square_or_fail(number):
    if number == 700:
        raise ValueError(number)
    return number * number


def nap_and_tell(item):
    time.sleep(0.02)
    return item


def slow_down(item):
    """Fast for so long that chunks become large, then slow."""
    if item >= 5000:
        time.sleep(0.02)
    return item, *where(None)


@pytest.mark.parametrize("functions", [tasks.PLAIN, tasks.ALL], ids=["blocking", "event loop"])
@pytest.mark.parametrize("buffer", [1, 16])
def test_all_items_arrive_in_order(run, kind, functions, buffer):
    async def main():
        async with kind.fixed(1, functions) as pool:
            if functions is tasks.ALL:
                await pool.execute(0, "wait")
            assert [item async for item in pool.stream(300, "count", buffer=buffer)] == list(range(300))
            assert pool.info.executed_tasks == 1 + (functions is tasks.ALL)

    run(main())


@pytest.mark.parametrize("name", ["count", "count_async"])
def test_a_stream_waits_for_its_reader_and_stops_when_left(run, until, kind, name):
    async def main():
        heard = []
        async with kind.fixed(1, tasks.ALL, message_handler=lambda _, word: heard.append(word)) as pool:
            async with aclosing(pool.stream(10**9, name, buffer=4)) as stream:
                assert await anext(stream) == 0
                await asyncio.sleep(0.05)
                assert len(stream._feed.items) <= 5
                assert [await anext(stream) for _ in range(10)] == list(range(1, 11))
            await until(lambda: heard == ["left"])
            await until(lambda: pool.info.aborted_tasks == 1)
            assert await pool.execute(2) == 2

    run(main())


def test_a_stream_raises_after_its_items(run, kind):
    async def main():
        async with kind.fixed(1, tasks.PLAIN) as pool:
            items = []
            with pytest.raises(ValueError, match="no more"):
                async for item in pool.stream(5, "count_and_fail"):
                    items.append(item)
            assert items == [0, 1, 2, 3, 4]

    run(main())


def test_streams_interleave_in_an_event_loop(run, kind):
    async def main():
        async with kind.fixed(1, tasks.ALL, tasks_queue_options={"concurrency": 4}) as pool:

            async def read(name):
                return [item async for item in pool.stream(100, name, buffer=2)]

            results = await asyncio.gather(*(read(name) for name in ("count", "count_async") * 2))
            assert results == [list(range(100))] * 4

    run(main())


def test_a_map_of_many_items(run, kind):
    async def main():
        async with kind.fixed(2, square) as pool:
            expected = [n * n for n in range(5000)]
            assert await pool.map_execute(range(5000)) == expected
            assert [value async for value in pool.map_ordered(range(5000))] == expected
            assert sorted([value async for value in pool.map_unordered(range(5000))]) == expected
            assert pool.info.executed_tasks == 15000 == pool.info.submitted_tasks

    run(main())


def test_a_map_with_an_error(run, kind):
    async def main():
        async with kind.fixed(2, square_or_fail) as pool:
            with pytest.raises(ValueError, match="700"):
                await pool.map_execute(range(5000))
            values = await pool.map_execute(range(1000), return_exceptions=True)
            assert isinstance(values[700], ValueError)
            assert values[701] == 701 * 701

    run(main())


def test_a_map_that_is_left_stops(run, until, kind):
    async def main():
        async with kind.fixed(2, nap_and_tell) as pool:
            async with aclosing(pool.map_unordered(range(10**6))) as values:
                assert await anext(values) >= 0
            await until(lambda: not pool.info.executing_tasks + pool.info.queued_tasks)
            assert pool.info.executed_tasks < 20

    run(main())


def test_what_turns_out_slow_is_shared(run, kind):
    async def main():
        async with kind.fixed(2, slow_down) as pool:
            values = await pool.map_execute(range(5160))
            assert [item for item, *_ in values] == list(range(5160))
            workers = Counter((process, thread) for _, process, thread in values[5000:])
            assert len(workers) == 2
            # Half of them each, were they never kept from it.
            assert min(workers.values()) > 10
            assert pool.info.executed_tasks == 5160 == pool.info.submitted_tasks

    run(main())
