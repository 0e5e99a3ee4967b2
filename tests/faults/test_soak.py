"""Mixed work on a pool that grows and shrinks, again and again: counts do not drift, and memory stays."""

import asyncio
import gc
import time

import psutil
import pytest

from poolifier import DynamicProcessPool, Worker

MEBIBYTE = 1 << 20


def echo(data):
    return data


def fail(number):
    raise ValueError(number)


def nap(seconds):
    time.sleep(seconds)


def count_up(number):
    yield from range(number)


async def read(stream):
    return [item async for item in stream]


async def wave(guard, pool, items):
    """A bit of everything; returns how many tasks that were."""
    tiny = [pool.execute(number, "echo") for number in range(1000)]
    large = [pool.execute(bytes(200_000), "echo") for _ in range(10)]
    failing = [pool.execute(number, "fail") for number in range(50)]
    napping = [pool.execute(0.2, "nap") for _ in range(10)]
    late = [pool.execute(60, "nap", timeout=0.01) for _ in range(2)]
    # Each of them has a reader of its own, for one that nobody reads keeps its worker.
    streams = [asyncio.ensure_future(read(pool.stream(100, "count_up"))) for _ in range(10)]
    for future in napping:
        future.cancel()
    total = 0
    async for number in pool.map_unordered(range(items), "echo"):
        total += number
    assert total == sum(range(items))
    assert await guard.outcomes(streams) == [list(range(100))] * 10
    assert await guard.outcomes(tiny) == list(range(1000))
    assert all(len(result) == 200_000 for result in await guard.outcomes(large))
    assert [error.args for error in await guard.outcomes(failing)] == [(number,) for number in range(50)]
    assert all(isinstance(error, TimeoutError) for error in await guard.outcomes(late))
    assert all(future.cancelled() for future in napping)
    # What tells the guard that they were settled runs in the next turn of the loop.
    await asyncio.sleep(0)
    guard.check()
    guard.watched.clear()
    guard.settled.clear()
    return len(tiny) + len(large) + len(failing) + len(napping) + len(late) + len(streams) + items


async def soak(guard, items, enough):
    """Waves until `enough(waves)`; returns samples: tasks, bytes here and in a worker that stays."""
    samples, tasks, grown = [], 0, 0
    me = psutil.Process()
    functions = {"echo": echo, "fail": fail, "nap": nap, "count_up": count_up}
    async with DynamicProcessPool(1, 3, Worker(functions, max_inactive_time=0.1)) as pool:
        shrunk = asyncio.Event()
        pool.emitter.on("worker_exit", lambda _: shrunk.set())
        while not enough(len(samples)):
            tasks += await wave(guard, pool, items)
            grown = max(grown, pool.info.worker_nodes)
            async with asyncio.timeout(30):
                while pool.info.worker_nodes > 1 or pool.info.executing_tasks:
                    shrunk.clear()
                    await shrunk.wait()
            info = pool.info
            assert info.submitted_tasks == tasks
            assert info.submitted_tasks == info.executed_tasks + info.failed_tasks + info.aborted_tasks
            assert (info.executing_tasks, info.queued_tasks) == (0, 0)
            gc.collect()
            samples.append((tasks, me.memory_info().rss, pool.worker_nodes[0].memory))
        await guard.healthy(pool)
    assert grown == 3
    return samples


@pytest.mark.usefixtures("no_leaks")
def test_a_short_soak(endure):
    async def main(guard):
        return await soak(guard, 5000, lambda waves: waves >= 6)

    samples = endure(main)
    # Of so few tasks little can be said: only what grows with each of them would show.
    for which in (1, 2):
        assert samples[-1][which] - samples[2][which] < 8 * MEBIBYTE
