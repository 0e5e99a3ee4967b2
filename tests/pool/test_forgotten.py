"""A pool that nothing refers to any more is ended, with its workers, while the event loop goes on."""

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import time

import psutil
import pytest

from poolifier import FixedProcessPool, FixedThreadPool

KINDS = pytest.mark.parametrize("pool_type", [FixedProcessPool, FixedThreadPool])


def nap(seconds):
    time.sleep(seconds)
    return seconds


others = set()


@pytest.fixture(autouse=True)
def others_that_were_there():
    """Children that other tests have left to the end of this process, such as the tracker of `multiprocessing`."""
    others.update(psutil.Process().children(recursive=True))
    yield
    others.clear()


def workers_of(name):
    threads = [thread for thread in threading.enumerate() if f"poolifier: {name} " in thread.name]
    return threads + [child for child in psutil.Process().children(recursive=True) if child not in others]


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@KINDS
@pytest.mark.usefixtures("no_collector")
def test_at_once_for_there_is_no_cycle(run, until, no_leaks, pool_type):
    async def main():
        pool = pool_type(2, nap, name="lost")
        await pool.start()
        assert await pool.execute(0) == 0
        assert await pool.map_execute([0, 0]) == [0, 0]
        assert workers_of("lost")
        with pytest.warns(ResourceWarning, match="'lost' 2> was never destroyed"):
            del pool
        await until(lambda: not workers_of("lost"))

    run(main())


class Service:
    """Refers to its pool, which refers to it: by handlers, by listeners, and by a closure."""

    def __init__(self, pool_type):
        self.pool = pool_type(1, nap, name="service", error_handler=self.on_error, exit_handler=lambda *_: self.pool)
        self.pool.emitter.on("worker_exit", self.on_error)

    def on_error(self, *_):
        return self.pool


@KINDS
def test_by_the_collector_where_handlers_refer_to_it(run, until, no_leaks, pool_type):
    async def main():
        service = Service(pool_type)
        await service.pool.start()
        await service.pool.execute(0)
        del service
        with pytest.warns(ResourceWarning, match="'service' 1> was never destroyed"):
            gc.collect()
        await until(lambda: not workers_of("service"))

    run(main())


@KINDS
def test_its_tasks_have_the_time_that_destroy_gives_them(run, until, logged, no_leaks, pool_type):
    async def main():
        pool = pool_type(1, nap, name="busy", tasks_queue_options={"tasks_finished_timeout": 0.5})
        await pool.start()
        short, long = pool.execute(0.05), pool.execute(1.0)
        with pytest.warns(ResourceWarning, match="'busy'"):
            del pool
        assert await short == 0.05
        with pytest.raises(asyncio.CancelledError):
            await long
        await until(lambda: not workers_of("busy"))

    run(main())
    told = [record.getMessage() for record in logged if record.levelno == logging.WARNING]
    assert "pool 'busy': its end cancelled 1 task" in told


@KINDS
def test_streams_and_maps_keep_it(run, until, no_leaks, pool_type):
    def count(stop):
        yield from range(stop)

    async def main():
        pool = pool_type(1, {"nap": nap, "count": count}, name="read")
        await pool.start()
        stream, results = pool.stream(100, "count"), pool.map_ordered([0] * 100, "nap")
        del pool
        assert [number async for number in stream] == list(range(100))
        del stream
        # With its last item the iterator lets go of the pool.
        with pytest.warns(ResourceWarning, match="'read'"):
            assert [number async for number in results] == [0] * 100
        await until(lambda: not workers_of("read"))

    run(main())


CLOSED_IN_THE_BLOCK = """
import asyncio, gc, logging
from poolifier import FixedProcessPool

async def main():
    async with FixedProcessPool(1, abs) as pool:
        await pool.execute(-1)
        asyncio.get_running_loop().stop()
        await asyncio.sleep(3600)

# What asyncio says of a task that is pending.
logging.getLogger("asyncio").disabled = True
loop = asyncio.new_event_loop()
task = loop.create_task(main())
loop.run_forever()
loop.close()
del task
gc.collect()
"""


def test_one_whose_block_is_closed_without_a_loop_is_forgotten_quietly():
    """Its coroutine is collected when the event loop is closed: nothing can be awaited, and nothing is said of that."""
    command = [sys.executable, "-W", "default", "-c", CLOSED_IN_THE_BLOCK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "Exception ignored" not in done.stderr
    assert "RuntimeError" not in done.stderr
    assert "ResourceWarning: <FixedProcessPool 'process-1' 1>" in done.stderr
