"""Large data and results cross to processes and interpreters through shared memory, and nothing of it stays behind."""

import asyncio
import gc
import os
import sys
from time import thread_time

import numpy as np
import psutil
import pytest

from poolifier import (
    FixedInterpreterPool,
    FixedProcessPool,
    FixedThreadPool,
    SharedBuffer,
    UnsupportedError,
    WorkerCrashedError,
)
from poolifier.backends import buffers
from poolifier.pool.base import Pool
from tests.pool.buffer_tasks import ASYNC, FUNCTIONS, MEBIBYTE, echo, filled

pytestmark = pytest.mark.usefixtures("no_leaks")

KINDS = [FixedProcessPool]
if sys.version_info >= (3, 13):
    # Elsewhere there are none, and a test of theirs proves that this is said.
    KINDS.append(FixedInterpreterPool)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.kind)
def pool_type(request):
    return request.param


@pytest.mark.parametrize("functions", [FUNCTIONS, ASYNC], ids=["plain", "async"])
@pytest.mark.parametrize(
    "size", [0, 65_535, 65_536, 65_537, 3 * MEBIBYTE, pytest.param(100 * MEBIBYTE, marks=pytest.mark.once)]
)
def test_bytes_of_any_size_come_back(run, pool_type, functions, size):
    async def main():
        async with pool_type(1, functions) as pool:
            value = os.urandom(size)
            assert await pool.execute(value) == value
            for kind in (bytearray, memoryview):
                back = await pool.execute(kind(value))
                assert type(back) is kind
                assert back == value
            assert await pool.execute([value, {"k": value}]) == [value, {"k": value}]

    run(main())


@pytest.mark.parametrize("start_method", ["fork_server", "spawn"])
def test_arrays_are_writable_and_nobody_elses(run, start_method):
    async def main():
        async with FixedProcessPool(2, FUNCTIONS, start_method=start_method) as pool:
            values = np.arange(100_000.0)
            back = await pool.execute(values, "double")
            assert np.array_equal(back, values * 2)
            assert values[1] == 1
            back[:] = 0
            again = await pool.execute(values)
            assert np.array_equal(again, values)
            assert not back.any()

    run(main())


def test_views_are_writable_and_nobody_elses(run, pool_type):
    async def main():
        async with pool_type(2, FUNCTIONS) as pool:
            values = filled(1)
            back = await pool.execute(values, "invert")
            assert back == filled(254)
            assert values[1] == 1
            back[:] = bytes(len(back))
            assert await pool.execute(values) == values
            assert not any(back)

    run(main())


def test_results_that_are_kept_stay_what_they_were(run, pool_type):
    async def main():
        async with pool_type(2, echo) as pool:
            kept = [await pool.execute(filled(number)) for number in range(50)]
            for number, values in enumerate(kept):
                assert values == filled(number)
        # Also when the pool has gone.
        for number, values in enumerate(kept):
            assert values == filled(number)

    run(main())


def test_what_a_worker_keeps_stays_what_it_was(run, pool_type):
    async def main():
        async with pool_type(1, FUNCTIONS) as pool:
            for number in range(20):
                assert await pool.execute(filled(number), "keep") == number + 1
                assert await pool.execute(filled(255)) == filled(255)
            assert await pool.execute(None, "kept") == [(number, number) for number in range(20)]

    run(main())


def test_maps_of_arrays(run, pool_type):
    async def main():
        async with pool_type(2, echo) as pool:
            results = await pool.map_execute(filled(number) for number in range(200))
            assert [values[7] for values in results] == list(range(200))
            del results
            ends = [(values[0], values[-1]) async for values in pool.map_ordered(filled(n % 256) for n in range(300))]
            assert ends == [(n % 256, n % 256) for n in range(300)]
            chunked = await pool.map_execute((bytes([n]) * 70_000 for n in range(100)), chunksize=10)
            assert [value[0] for value in chunked] == list(range(100))

    run(main())


@pytest.mark.parametrize(("functions", "name"), [(FUNCTIONS, "blocks"), (ASYNC, "blocks"), (ASYNC, "plain_blocks")])
def test_streams_of_arrays(run, pool_type, functions, name):
    async def main():
        async with pool_type(1, functions) as pool:
            seen = [int(values[0]) async for values in pool.stream(100, name)]
            assert seen == list(range(100))
            async for values in pool.stream(100, name):
                if values[0] == 5:
                    break
            assert await pool.execute(b"x" * 100_000) == b"x" * 100_000

    run(main())


def test_errors_with_large_arguments(run, pool_type):
    async def main():
        async with pool_type(1, FUNCTIONS) as pool:
            value = filled(3)
            with pytest.raises(ValueError) as caught:
                await pool.execute(value, "fail_with")
            assert caught.value.args[0] == value
            assert await pool.execute(b"x" * 100_000) == b"x" * 100_000

    run(main())


def test_where_the_program_has_no_such_memory_it_goes_the_ordinary_way(run, pool_type, monkeypatch):
    def refuse(_name, _size):
        raise OSError("no room")

    monkeypatch.setattr("poolifier.wire.segments.sealed_file", refuse)

    async def main():
        async with pool_type(1, FUNCTIONS) as pool:
            for value in (os.urandom(3 * MEBIBYTE), [b"x" * 100_000, 1], filled(5)):
                assert await pool.execute(value) == value
            assert next(iter(pool._driver.channels.values()))._buffers._packer._outbound is None

    run(main())


def test_large_data_that_is_dropped_or_aborted_gives_its_memory_back(run, pool_type):
    async def main():
        async with pool_type(1, FUNCTIONS, enable_tasks_queue=False) as pool:
            value = filled(1)
            await pool.execute(value)
            for _ in range(20):
                first = pool.execute(value, "sleep_on")
                others = [pool.execute(value) for _ in range(20)]
                await asyncio.sleep(0)
                for future in (first, *others):
                    future.cancel()
                await asyncio.gather(first, *others, return_exceptions=True)
                # Runs when the worker has done with all of them.
                await pool.execute(value)
            packer = next(iter(pool._driver.channels.values()))._buffers._packer
            assert packer._outbound.busy() <= 1
            # Each round could use the slots of the one before.
            assert len(packer._outbound._slots) < 60

    run(main())


@pytest.mark.once
def test_a_large_copy_keeps_the_event_loop_free(run, pool_type):
    async def main():
        async with pool_type(1, FUNCTIONS) as pool:
            value = os.urandom(MEBIBYTE) * 64
            await pool.execute(b"")
            longest = 0.0

            async def watch():
                nonlocal longest
                while True:
                    begun = thread_time()
                    await asyncio.sleep(0)
                    longest = max(longest, thread_time() - begun)

            watcher = asyncio.ensure_future(watch())
            back = await pool.execute(value)
            watcher.cancel()
            assert back == value
            return longest

    # Of CPU time, for others use the CPU as well. A turn that copied it all would take 50 ms.
    assert min(run(main()) for _ in range(3)) < 0.02


def test_replies_keep_their_order_behind_a_large_one(run, pool_type):
    async def main():
        async with pool_type(1, FUNCTIONS) as pool:
            ended = []
            futures = [pool.execute(value) for value in (b"a" * (40 * MEBIBYTE), b"b", b"c" * 100_000, 5)]
            for number, future in enumerate(futures):
                future.add_done_callback(lambda _, number=number: ended.append(number))
            await asyncio.gather(*futures)
            await asyncio.sleep(0)
            assert ended == [0, 1, 2, 3]

    run(main())


def test_a_large_result_arrives_though_the_worker_dies_after_it(run):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS, tasks_queue_options={"concurrency": 2}) as pool:
            value = b"a" * (40 * MEBIBYTE)
            result = pool.execute(value)
            crashed = pool.execute(1, "crash")
            with pytest.raises(WorkerCrashedError):
                await crashed
            assert await result == value

    run(main())


def test_the_memory_goes_back_to_the_system_when_nothing_large_comes(run, pool_type, until, monkeypatch):
    monkeypatch.setattr(buffers, "IDLE", 0.05)

    async def main():
        async with pool_type(1, FUNCTIONS) as pool:

            def shared():
                """Bytes of such memory that exist, whoever maps them."""
                processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
                maps = [
                    one for process in processes for one in process.memory_maps() if "poolifier-buffers" in one.path
                ]
                return sum(one.pss for one in maps)

            await pool.execute(1)
            before = shared()
            held = await pool.execute(filled(1, 32 * MEBIBYTE))
            assert shared() > before + 25 * MEBIBYTE
            await until(lambda: shared() < before + 33 * MEBIBYTE)
            del held
            gc.collect()
            await until(lambda: shared() < before + 5 * MEBIBYTE)
            values = filled(2, 32 * MEBIBYTE)
            assert await pool.execute(values) == values

    run(main())


@pytest.mark.once
def test_thousands_of_large_tasks_take_no_more_memory_than_a_few(run, pool_type):
    async def main():
        async with pool_type(2, FUNCTIONS) as pool:
            process = psutil.Process()
            value, values = os.urandom(MEBIBYTE), filled(1, MEBIBYTE)

            async def some(count):
                for _ in range(count):
                    await asyncio.gather(*[pool.execute(value if n % 2 else values) for n in range(4)])

            await some(50)
            descriptors, memory = process.num_fds(), process.memory_info().rss
            await some(1000)
            assert process.num_fds() == descriptors
            assert process.memory_info().rss < memory + 20 * MEBIBYTE

    run(main())


class TestSharedBuffers:
    @pytest.mark.parametrize("kind", [*KINDS, FixedThreadPool])
    def test_both_sides_see_the_same_memory(self, run, kind):
        async def main():
            async with kind(2, FUNCTIONS) as pool:
                shared = SharedBuffer.copy_of(b"old text")
                await pool.execute({"shared": shared}, "write")
                assert bytes(shared.buffer) == b"new text"
                back = await pool.execute([shared])
                back[0].buffer[0] = 0
                assert shared.buffer[0] == 0

        run(main())

    @pytest.mark.parametrize("kind", [*KINDS, FixedThreadPool])
    def test_one_that_is_transferred_is_given_away(self, run, kind):
        async def main():
            async with kind(1, FUNCTIONS) as pool:
                shared = SharedBuffer.copy_of(b"text")
                future = pool.execute({"deep": [shared]}, transfer=[shared])
                with pytest.raises(ValueError, match="given away"):
                    _ = shared.buffer
                with pytest.raises(ValueError, match="given away"):
                    pool.execute(shared, transfer=[shared])
                back = (await future)["deep"][0]
                assert bytes(back.buffer) == b"text"
                (again,) = await (await pool.submit((back,), transfer=[back]))
                assert bytes(again.buffer) == b"text"
                assert back.released

        run(main())

    @pytest.mark.parametrize("kind", [*KINDS, FixedThreadPool])
    def test_one_that_cannot_be_given_is_kept(self, run, kind):
        async def main():
            async with kind(1, FUNCTIONS) as pool:
                shared = SharedBuffer(5)
                with pytest.raises(TypeError, match="bytearray"):
                    pool.execute(shared, transfer=[shared, bytearray(5)])
                with pytest.raises(TypeError, match="bytearray"):
                    await pool.submit(shared, transfer=[bytearray(5)])
                with pytest.raises(TypeError, match="retries"):
                    pool.execute(shared, retries="1", transfer=[shared])
                assert not shared.released

        run(main())

    def test_a_retry_has_what_was_given(self, run, tmp_path):
        async def main():
            async with FixedProcessPool(1, FUNCTIONS) as pool:
                shared = SharedBuffer.copy_of(b"kept for the second attempt")
                data = (str(tmp_path / "crashed"), shared)
                result = await pool.execute(data, "crash_once", retries=1, transfer=[shared])
                assert result == b"kept for the second attempt"

        run(main())

    def test_what_was_given_is_gone_with_its_task(self, run):
        async def main():
            async with FixedProcessPool(1, FUNCTIONS) as pool:
                before = psutil.Process().num_fds()
                shared = SharedBuffer(MEBIBYTE)
                with pytest.raises(WorkerCrashedError):
                    await pool.execute(shared, "crash", transfer=[shared])
                gc.collect()
                assert psutil.Process().num_fds() <= before

        run(main())

    def test_what_was_given_is_gone_with_a_task_that_is_dropped(self, run, pool_type):
        async def main():
            async with pool_type(1, FUNCTIONS) as pool:
                await pool.execute(filled(1))
                before = psutil.Process().num_fds()
                shared = SharedBuffer(MEBIBYTE)
                blocked = pool.execute(1, "sleep_on")
                dropped = pool.execute(shared, transfer=[shared])
                await asyncio.sleep(0)
                dropped.cancel()
                blocked.cancel()
                await asyncio.gather(dropped, blocked, return_exceptions=True)
                # Runs after all of this.
                await pool.execute(1)
                gc.collect()
                assert psutil.Process().num_fds() <= before

        run(main())

    def test_one_that_a_worker_made(self, run, pool_type):
        async def main():
            async with pool_type(2, FUNCTIONS) as pool:
                shared = await pool.execute(MEBIBYTE, "made")
                assert shared.buffer[0] == 7
                # Any worker can have it, and the memory is the same everywhere.
                await asyncio.gather(*[pool.execute({"shared": shared}, "write") for _ in range(10)])
                assert bytes(shared.buffer[:3]) == b"new"
            assert bytes(shared.buffer[:3]) == b"new"

        run(main())

    def test_many_at_once(self, run, pool_type):
        async def main():
            async with pool_type(1, FUNCTIONS, enable_tasks_queue=False) as pool:
                shared = [SharedBuffer.copy_of(bytes([number % 256])) for number in range(100)]
                blocked = pool.execute(1, "sleep_on")
                futures = [pool.execute(shared[n : n + 5]) for n in range(0, 100, 5)]
                await asyncio.sleep(0)
                blocked.cancel()
                back = [one for future in futures for one in await future]
                assert [one.buffer[0] for one in back] == [number % 256 for number in range(100)]

        run(main())

    def test_kinds_that_cannot_be_given_any_say_so(self, run):
        class Other(FixedProcessPool):
            _transferred = Pool._transferred

        async def main():
            async with Other(1, FUNCTIONS) as pool:
                shared = SharedBuffer(1)
                with pytest.raises(UnsupportedError, match="transfer must be empty"):
                    pool.execute(shared, transfer=[shared])
                assert not shared.released

        run(main())
