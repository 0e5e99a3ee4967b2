"""Memory lives for as long as somebody looks at it, whatever has become of the interpreter, and no longer."""

import asyncio
import gc
import os
import random
import resource
import threading
import time
from contextlib import suppress

import psutil
import pytest

from poolifier import FixedInterpreterPool, SharedBuffer
from poolifier.futures import InterpreterPoolExecutor
from tests.backends.interpreter.buffer_tasks import FUNCTIONS, echo

pytestmark = pytest.mark.usefixtures("no_leaks")

SIZE = 200_000
MEBIBYTE = 1 << 20


@pytest.fixture
def pipe():
    """`told` is what a task writes to, `heard` what it then waits for."""
    told, heard = os.pipe(), os.pipe()
    yield told, heard
    for fd in (*told, *heard):
        os.close(fd)


@pytest.fixture
def silent(capfd):
    """Checks that nothing was written to standard error: Python says there what finalizers raise."""
    yield
    assert capfd.readouterr().err == ""


async def stands(told):
    """Waits until a task says that it stands in C code."""
    await asyncio.get_running_loop().run_in_executor(None, os.read, told[0], 1)


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("poolifier: ")]


def joined(threads):
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.usefixtures("silent")
def test_a_result_outlives_its_interpreter(run):
    async def main():
        async with FixedInterpreterPool(2, FUNCTIONS) as pool:
            views = [await pool.execute((number, SIZE), "filled") for number in range(20)]
            threads = worker_threads()
        joined(threads)
        return views

    views = run(main())
    for number, view in enumerate(views):
        assert view == bytes([number]) * SIZE
        view[-1] = 255
        assert view[-2:] == bytes([number, 255])


def test_a_result_outlives_a_worker_that_was_retired(run):
    async def main():
        async with FixedInterpreterPool(1, FUNCTIONS, max_tasks_per_worker=5) as pool:
            return [await pool.execute((number, SIZE), "filled") for number in range(60)]

    for number, view in enumerate(run(main())):
        assert view == bytes([number]) * SIZE


@pytest.mark.parametrize("end", ["abort", "destroy"])
def test_a_result_outlives_a_worker_that_was_abandoned(run, pipe, end):
    told, heard = pipe

    async def main():
        async with FixedInterpreterPool(1, FUNCTIONS, abort_grace=0.05, destroy_timeout=0.2) as pool:
            before = await pool.execute((7, SIZE), "filled")
            threads = worker_threads()
            stuck = pool.execute((told[1], heard[0]), "stand")
            await stands(told)
            if end == "destroy":
                await pool.destroy()
                with pytest.raises(asyncio.CancelledError):
                    await stuck
                return threads, before, None
            stuck.cancel()
            # Runs on the worker that has come in its place.
            after = await pool.execute((8, SIZE), "filled")
            assert any(thread.is_alive() for thread in threads)
            return threads, before, after

    threads, before, after = run(main())
    assert before == bytes([7]) * SIZE
    os.write(heard[1], b"x")
    joined(threads)
    assert before == bytes([7]) * SIZE
    assert after is None or after == bytes([8]) * SIZE


def test_an_argument_outlives_the_pool_in_a_worker_that_was_abandoned(run, pipe):
    told, heard = pipe
    answer = os.pipe()

    async def main():
        async with FixedInterpreterPool(1, FUNCTIONS, abort_grace=0.05) as pool:
            threads = worker_threads()
            value = memoryview(bytearray(b"7" * SIZE))
            stuck = pool.execute((value, (told[1], heard[0]), answer[1]), "stand_with")
            await stands(told)
            stuck.cancel()
            # Of the same size: it would be written over what the other still looks at.
            for _ in range(5):
                await pool.execute(memoryview(bytearray(b"8" * SIZE)))
        return threads

    threads = run(main())
    gc.collect()
    os.write(heard[1], b"x")
    joined(threads)
    assert os.read(answer[0], 2) == b"77"
    for fd in answer:
        os.close(fd)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("way", ["keep", "keep_circle", "keep_shared", "keep_made"])
def test_what_a_worker_keeps_is_gone_with_its_interpreter(run, way):
    async def main():
        async with FixedInterpreterPool(2, FUNCTIONS) as pool:
            await pool.execute(0)
            descriptors = psutil.Process().num_fds()
            for number in range(20):
                value = memoryview(bytearray([number]) * SIZE)
                await pool.execute({"keep_shared": SharedBuffer.copy_of(value), "keep_made": SIZE}.get(way, value), way)
            if way == "keep":
                sizes = [len(await pool.execute(None, "kept")) for _ in range(2)]
                assert max(sizes) > 1
            threads = worker_threads()
        joined(threads)
        return descriptors

    descriptors = run(main())
    gc.collect()
    assert psutil.Process().num_fds() < descriptors


def test_what_a_worker_keeps_is_not_written_over(run):
    async def main():
        async with FixedInterpreterPool(1, FUNCTIONS) as pool:
            for number in range(10):
                await pool.execute(memoryview(bytearray([number]) * SIZE), "keep")
                await pool.execute(memoryview(bytearray([255]) * SIZE))
            assert await pool.execute(None, "kept") == [(bytes([n]), bytes([n])) for n in range(10)]

    run(main())


def test_a_large_result_arrives_though_its_worker_is_abandoned_after_it(run, pipe):
    told, heard = pipe

    async def main():
        async with FixedInterpreterPool(1, FUNCTIONS, abort_grace=0.0) as pool:
            threads = worker_threads()
            value = os.urandom(MEBIBYTE) * 40
            result = pool.execute(value)
            stuck = pool.execute((told[1], heard[0]), "stand")
            await stands(told)
            stuck.cancel()
            assert await result == value
            assert await pool.execute(value) == value
            os.write(heard[1], b"x")
        return threads

    joined(run(main()))


def test_workers_that_are_abandoned_again_and_again_lose_and_leak_nothing(run, pipe):
    told, heard = pipe
    rounds = 8

    async def main():
        async with FixedInterpreterPool(2, FUNCTIONS, abort_grace=0.01) as pool:
            threads = set(worker_threads())
            values = [os.urandom(MEBIBYTE), memoryview(bytearray(os.urandom(SIZE))), {"k": os.urandom(SIZE)}]
            held = []
            for number in range(rounds):
                stuck = pool.execute((told[1], heard[0]), "stand")
                # What was sent to the same worker moves.
                echoes = [pool.execute(value) for value in values * 3]
                await stands(told)
                stuck.cancel()
                assert await asyncio.gather(*echoes) == values * 3
                held.append((number, await pool.execute((number, SIZE), "filled")))
                threads |= set(worker_threads())
            for number, view in held:
                assert view == bytes([number]) * SIZE
            os.write(heard[1], b"x" * rounds)
        return threads, held

    threads, held = run(main())
    joined(threads)
    assert len(threads) >= rounds
    for number, view in held:
        assert view == bytes([number]) * SIZE


def outbound_of(pool):
    """The pool's side of what goes to its only worker."""
    return next(iter(pool._driver.channels.values()))._buffers._packer._outbound


@pytest.mark.parametrize("seed", [1, 2])
def test_aborts_at_any_moment_leave_no_slot_taken(run, seed):
    """In the middle of a copy, of a pickle, of the finalizer that gives a slot back."""
    chance = random.Random(seed)

    async def main():
        async with FixedInterpreterPool(1, FUNCTIONS) as pool:
            value, view = os.urandom(SIZE), memoryview(bytearray(SIZE))
            assert await pool.execute(value) == value
            descriptors = psutil.Process().num_fds()
            aborted = 0
            for number in range(1500):
                name = ("echo", "give_way", "churn")[number % 3]
                future = pool.execute([value, view, {number: value}] if number % 2 else value, name)
                wait = chance.uniform(0.0, 0.002)
                begun = time.perf_counter()
                while time.perf_counter() - begun < wait and not future.done():  # noqa: ASYNC110 - it is not told when its time is up
                    await asyncio.sleep(0)
                future.cancel()
                with suppress(asyncio.CancelledError):
                    await future
                aborted += future.cancelled()
                del future
            assert aborted > 500
            shared = [SharedBuffer(8) for _ in range(10)]
            for one in shared:
                assert len(await pool.execute(one)) == 8
            del one, shared
            assert await pool.execute(value) == value
            gc.collect()
            assert await pool.execute(None, "busy") == 0
            assert outbound_of(pool).busy() == 0
            assert psutil.Process().num_fds() <= descriptors

    run(main(), 120.0)


def test_streams_that_are_left_leave_no_slot_taken(run):
    async def main():
        async with FixedInterpreterPool(1, FUNCTIONS) as pool:
            value = memoryview(bytearray(SIZE))
            for leave in range(60):
                seen = 0
                async for view in pool.stream(value, "churn_stream", buffer=3):
                    assert view == value
                    seen += 1
                    if seen > leave % 7:
                        break
            del view
            await pool.execute(1)
            gc.collect()
            assert await pool.execute(None, "busy") == 0
            assert outbound_of(pool).busy() == 0

    run(main())


def test_the_last_descriptors_are_not_taken(run):
    """With one left, the memory could be made, and its descriptor not be taken at the other side."""

    async def main():
        value = os.urandom(SIZE)
        for room in range(4):
            async with FixedInterpreterPool(1, FUNCTIONS) as pool:
                thread = await pool.execute(None, "ident")
                limits = resource.getrlimit(resource.RLIMIT_NOFILE)
                taken = []
                try:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + 20, limits[1]))
                    with suppress(OSError):
                        while True:
                            taken.append(os.dup(0))
                    for _ in range(room):
                        os.close(taken.pop())
                    assert await pool.execute(value) == value
                    assert await pool.execute(None, "ident") == thread
                finally:
                    for fd in taken:
                        os.close(fd)
                    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                assert await pool.execute(memoryview(value)) == value
                assert await pool.execute(None, "ident") == thread

    run(main())


def test_an_executor_carries_it():
    with InterpreterPoolExecutor(2) as executor:
        value = os.urandom(MEBIBYTE)
        assert executor.submit(echo, value).result() == value
        assert list(executor.map(echo, [value] * 8)) == [value] * 8
        shared = SharedBuffer.copy_of(b"abc")
        back = executor.submit(echo, shared).result()
        back.buffer[0] = 0
        assert shared.buffer[0] == 0
        view = executor.submit(echo, memoryview(value)).result()
    assert view == value
