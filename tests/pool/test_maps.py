"""Maps: order, errors, back pressure, memory, cancellation."""

import asyncio
import os
import resource
import signal
import time
from itertools import count, islice

import pytest

from poolifier import FixedProcessPool, WorkerCrashedError


def square(n):
    return n * n


def slow_square(n):
    time.sleep(0.002)
    return n * n


def picky(n):
    if n % 1000 == 777:
        raise ValueError(n)
    return n


def deadly(n):
    if n == 500:
        os._exit(3)
    return n


def deadly_record(record):
    if record["n"] == 700:
        os.kill(os.getpid(), signal.SIGKILL)
    return record


def mutate(numbers):
    numbers.append(1)
    return numbers


async def slow_async(n):
    await asyncio.sleep(0.001)
    return n


def wait_for_file(path):
    end = time.monotonic() + 240
    while path.startswith("/") and not os.path.exists(path):  # noqa: PTH110
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.001)
    return path


def make_file(n):
    if isinstance(n, str):
        return wait_for_file(n)
    return n


FUNCTIONS = [square, slow_square, picky, deadly, deadly_record, mutate, make_file]
WORKER = {function.__name__: function for function in FUNCTIONS}


async def agen(count):
    for n in range(count):
        if n % 7 == 0:
            await asyncio.sleep(0)
        yield n


def test_results_in_order(run):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            assert await pool.map_execute(range(5_000)) == [n * n for n in range(5_000)]
            assert [n async for n in pool.map_ordered(range(5_000))] == [n * n for n in range(5_000)]
            assert sorted([n async for n in pool.map_unordered(range(5_000))]) == [n * n for n in range(5_000)]
            assert await pool.map_execute([]) == []
            assert pool.info.submitted_tasks == pool.info.executed_tasks == 15_000
            assert pool.info.run_time.count == 15_000

    run(main())


@pytest.mark.once
@pytest.mark.parametrize("options", [{}, {"limit": 1}, {"limit": 7}, {"chunksize": 13}, {"chunksize": 50, "limit": 20}])
def test_limits_and_chunks(run, options):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            assert await pool.map_execute(range(500), "slow_square", **options) == [n * n for n in range(500)]
            assert pool.info.executed_tasks == 500

    run(main())


def test_async_inputs_and_functions(run):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            assert await pool.map_execute(agen(1_000)) == [n * n for n in range(1_000)]
            assert sorted([n async for n in pool.map_unordered(agen(1_000), limit=10)]) == [n * n for n in range(1_000)]
        async with FixedProcessPool(2, slow_async, tasks_queue_options={"concurrency": 10}) as pool:
            assert await pool.map_execute(range(500)) == list(range(500))

    run(main())


def test_an_endless_input_is_pulled_only_as_room_appears(run):
    pulled = 0

    def numbers():
        nonlocal pulled
        for n in count():
            pulled = n + 1
            yield n

    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            results = pool.map_ordered(numbers(), "slow_square", limit=20)
            taken = [await anext(results) for _ in range(10)]
            assert taken == [n * n for n in range(10)]
            await asyncio.wait([pool.execute(1) for _ in range(100)])
            assert pulled <= 40
            await results.aclose()
            before = pool.info.executed_tasks
            assert await pool.execute(3) == 9
            assert pool.info.executed_tasks - before < 40

    run(main())


def test_leaving_the_loop_cancels_what_is_under_way(run, until):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            async for result in pool.map_unordered(range(1_000_000), "slow_square", limit=100):
                if result > 100:
                    break
            await until(lambda: pool.info.executing_tasks + pool.info.queued_tasks == 0)
            info = pool.info
            assert info.submitted_tasks == info.executed_tasks + info.aborted_tasks
            assert info.submitted_tasks < 1_000
            assert info.aborted_tasks > 0

    run(main())


def test_the_first_error_ends_the_map(run, until):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            with pytest.raises(ValueError, match="777"):
                await pool.map_execute(range(100_000), "picky")
            assert pool.info.submitted_tasks < 50_000
            taken = []
            with pytest.raises(ValueError, match="777"):
                async for n in pool.map_ordered(range(2_000), "picky"):
                    taken.append(n)
            assert taken == list(range(777))
            await until(lambda: pool.info.executing_tasks + pool.info.queued_tasks == 0)
            assert await pool.execute(2) == 4

    run(main())


def test_errors_can_be_returned(run):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            results = await pool.map_execute(range(3_000), "picky", return_exceptions=True)
            for n, result in enumerate(results):
                if n % 1000 == 777:
                    assert isinstance(result, ValueError)
                    assert result.args == (n,)
                else:
                    assert result == n
            assert (pool.info.executed_tasks, pool.info.failed_tasks) == (2_997, 3)

    run(main())


@pytest.mark.parametrize("chunksize", [None, 1, 64])
def test_a_crash_fails_one_item_and_the_rest_run(run, chunksize):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            await pool.map_execute(range(2_000))
            results = await pool.map_execute(range(3_000), "deadly", return_exceptions=True, chunksize=chunksize)
            assert isinstance(results[500], WorkerCrashedError)
            assert results[:500] + results[501:] == list(range(500)) + list(range(501, 3_000))
            info = pool.info
            assert (info.submitted_tasks, info.executed_tasks, info.failed_tasks) == (5_000, 4_999, 1)

    run(main())


def test_what_ended_before_a_crash_keeps_its_result(run):
    async def main():
        records = [{"n": n} for n in range(2_000)]
        async with FixedProcessPool(2, WORKER) as pool:
            await pool.map_execute(range(2_000))
            results = await pool.map_execute(records, "deadly_record", return_exceptions=True, chunksize=1_000)
            assert isinstance(results[700], WorkerCrashedError)
            assert results[:700] + results[701:] == records[:700] + records[701:]
            info = pool.info
            assert (info.submitted_tasks, info.executed_tasks, info.failed_tasks) == (4_000, 3_999, 1)
            assert info.run_time.count == 3_999

    run(main())


def test_one_slow_item_holds_up_no_other(run, tmp_path):
    path = tmp_path / "go"

    def items():
        yield str(path)
        yield from range(100_000)
        # Pulled at last, although the first item has not ended.
        path.touch()

    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            await pool.map_execute(range(2_000), "make_file")
            assert await pool.map_execute(items(), "make_file") == [str(path), *range(100_000)]

    run(main())


@pytest.mark.parametrize("items", [[0.0] * 300 + [0.05] + [0.0] * 300, [0.002] * 20])
def test_run_times_add_up(run, items):
    async def main():
        async with FixedProcessPool(1, time.sleep) as pool:
            await pool.map_execute(items)
            run_time = pool.info.run_time
            assert run_time.count == len(items)
            assert run_time.total >= sum(items)
            assert run_time.maximum >= max(items)
            assert run_time.total < sum(items) + 5.0

    run(main())


def test_items_share_nothing(run):
    async def main():
        shared = []
        async with FixedProcessPool(1, WORKER) as pool:
            assert await pool.map_execute([shared] * 100, "mutate", chunksize=50) == [[1]] * 100
            assert await pool.map_execute([[shared]] * 100, "mutate", chunksize=50) == [[[], 1]] * 100
            assert shared == []

    run(main())


def test_items_that_cannot_be_pickled_fail_alone(run):
    async def main():
        async with FixedProcessPool(2, {"str": str}) as pool:
            items = [1, "a", (n for n in ()), [2]]
            results = await pool.map_execute(items, return_exceptions=True, chunksize=4)
            assert results[:2] + results[3:] == ["1", "a", "[2]"]
            assert "generator" in str(results[2])
            assert (pool.info.executed_tasks, pool.info.failed_tasks) == (3, 1)

    run(main())


@pytest.mark.parametrize("count", [10, 1_234])
def test_an_error_of_the_input_is_raised_after_all_that_came_before(run, count):
    def broken():
        yield from range(count)
        raise LookupError("no more")

    async def broken_async():
        for n in range(count):
            yield n
        raise LookupError("no more")

    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            for items in (broken(), broken_async()):
                taken = []
                with pytest.raises(LookupError, match="no more"):
                    async for n in pool.map_ordered(items):
                        taken.append(n)
                assert taken == [n * n for n in range(count)]
                assert pool.info.queued_tasks == pool.info.executing_tasks == 0

    run(main())


def test_retries_and_limits_are_per_item(run, tmp_path):
    def end_once(n):
        if n == 3:
            try:
                os.close(os.open(tmp_path / "once", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return n
            os._exit(1)
        return n

    async def main():
        async with FixedProcessPool(2, {"end": end_once, "sleep": time.sleep}) as pool:
            assert await pool.map_execute(range(20), "end", retries=1) == list(range(20))
            results = await pool.map_execute([0, 600, 0], "sleep", timeout=2.0, return_exceptions=True)
            assert results[0] is results[2] is None
            assert isinstance(results[1], TimeoutError)

    run(main())


def test_arguments(run):
    async def main():
        async with FixedProcessPool(1, WORKER) as pool:
            for options, error, message in (
                ({"limit": 0}, ValueError, "limit must be at least 1, not 0"),
                ({"chunksize": 1.5}, TypeError, "chunksize must be an integer"),
                ({"timeout": -1}, ValueError, "timeout must be above 0"),
                ({"retries": -1}, ValueError, "retries must be at least 0"),
                ({"priority": 30}, ValueError, "priority must be from -20"),
                ({"name": "nope"}, LookupError, "unknown task function 'nope'"),
            ):
                with pytest.raises(error, match=message):
                    await pool.map_execute(range(3), **options)
            with pytest.raises(TypeError, match="iterable must be an iterable or async iterable, not 3"):
                await pool.map_execute(3)

    run(main())


def test_progress(run, capsys):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            await pool.map_execute(range(300), "slow_square", progress=True)

    run(main())
    assert "300/300" in capsys.readouterr().err


def test_many_items_in_constant_memory(run):
    # Ten million, with the loop's longest turn, are a benchmark: make bench-maps.
    items = 200_000

    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            async for _ in pool.map_unordered(range(20_000)):
                pass
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            total = 0
            async for result in pool.map_unordered(islice(count(), items)):
                total += result
            assert total == sum(n * n for n in range(items))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            assert grown < 8 * 1024, f"{grown} KiB more"

    run(main())


def test_a_map_of_a_pool_that_ends(run, until):
    async def main():
        async with FixedProcessPool(1, WORKER, exit_timeout=0.05) as pool:
            mapping = asyncio.ensure_future(pool.map_execute(range(100_000), "slow_square"))
            await until(lambda: pool.info.executed_tasks)
        with pytest.raises(asyncio.CancelledError):
            await mapping

    run(main())


def test_a_map_gives_way_to_those_who_wait(run):
    async def main():
        async with FixedProcessPool(2, WORKER) as pool:
            maps = [asyncio.ensure_future(pool.map_execute(range(100_000), "slow_square")) for _ in range(2)]
            await asyncio.wait([pool.execute(1)])
            assert await (await pool.submit(3)) == 9
            assert not any(each.done() for each in maps)
            for each in maps:
                each.cancel()
            await asyncio.wait(maps)

    run(main())


def test_items_with_terms_of_their_own_travel_alone(run, tmp_path):
    def end_at_five(n):
        try:
            if n == 5:
                os.close(os.open(tmp_path / "once", os.O_CREAT | os.O_EXCL))
                os._exit(1)
        except FileExistsError:
            pass
        return n

    async def main():
        async with FixedProcessPool(1, {"end": end_at_five, "nap": slow_square, "async": slow_async}) as pool:
            assert await pool.map_execute(range(10), "end", chunksize=10, retries=1) == list(range(10))
            # The limit is each item's, not the chunk's: together they take longer.
            squares = await pool.map_execute(range(1_500), "nap", chunksize=1_500, timeout=2.0)
            assert squares == [n * n for n in range(1_500)]
            assert await pool.map_execute(range(10), "async", chunksize=10) == list(range(10))

    run(main())
