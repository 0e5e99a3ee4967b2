"""The program, or a library that it uses, ends the connection to Ray under a pool."""

import subprocess
import sys

SHUT_DOWN = """
import asyncio, logging, sys, threading, time
import ray
from poolifier import FixedRayPool, PoolFailedError, WorkerCrashedError, WorkerStartError

logging.getLogger("ray").setLevel(logging.ERROR)
logging.getLogger("poolifier").setLevel(logging.CRITICAL)

def nap(seconds):
    time.sleep(seconds)
    return seconds

def count(stop):
    for number in range(stop):
        yield number
        time.sleep(3600)

FUNCTIONS = {"nap": nap, "count": count, "len": len}

def connect():
    ray.init(sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)

def check(error, *classes):
    assert type(error) in classes and "ray.shutdown" in f"{error} {error.__cause__}", repr(error)

async def outcome(awaitable):
    try:
        return await awaitable
    except Exception as error:
        return error

async def under_tasks():
    pool = FixedRayPool(2, FUNCTIONS, ray_options={"address": sys.argv[1], "num_cpus": 0})
    await pool.start()
    stream = pool.stream(2, "count")
    assert await anext(stream) == 0
    running = pool.execute(3600)
    waiting = [pool.execute(0) for _ in range(5)]
    mapped = asyncio.ensure_future(outcome(pool.map_execute(range(100))))
    reading = asyncio.ensure_future(outcome(anext(stream)))
    while pool.info.executing_tasks < 2:
        await asyncio.sleep(0)
    await asyncio.to_thread(ray.shutdown)
    for error in [await outcome(running), await reading]:
        check(error, WorkerCrashedError)
    for error in [await outcome(future) for future in waiting] + [await mapped]:
        check(error, WorkerCrashedError, PoolFailedError)
    assert not ray.is_initialized()
    await pool.destroy()

async def while_idle():
    connect()
    errors = asyncio.Queue()
    options = {"restart_limit": (1000, 60.0), "error_handler": lambda _, error: errors.put_nowait(error)}
    async with FixedRayPool(1, FUNCTIONS, ray_options={"num_cpus": 0}, **options) as pool:
        assert await pool.execute("ab", "len") == 2
        ray.shutdown()
        check(await errors.get(), WorkerCrashedError)
        waiting = pool.execute("abc", "len")
        check(await errors.get(), WorkerStartError)
        assert not ray.is_initialized()
        # The pool uses what the program connects to anew.
        connect()
        assert await waiting == 3
        # Also where it has seen nothing of the time in between.
        ray.shutdown()
        connect()
        assert await pool.execute("abcd", "len") == 4

        # While another one starts; and the first is destroyed before it has seen it.
        starting = FixedRayPool(1, FUNCTIONS, ray_options={"resources": {"none": 1}})
        start = asyncio.ensure_future(outcome(starting.start()))
        while not starting.worker_nodes:
            await asyncio.sleep(0)
        ray.shutdown()
    check(await start, WorkerStartError)
    await starting.destroy()
    assert not ray.is_initialized()

async def main():
    for scene in (under_tasks, while_idle):
        await scene()
        assert not [thread for thread in threading.enumerate() if "poolifier" in thread.name]
        print(scene.__name__, flush=True)

asyncio.run(main())
"""


def test_a_connection_that_is_shut_down_under_a_pool(ray):
    command = [sys.executable, "-c", SHUT_DOWN, ray.get_runtime_context().gcs_address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.split() == ["under_tasks", "while_idle"], done.stderr[-5000:]
