"""Data and results: through the object store where they are large, and as references where they are that."""

import asyncio
import threading

import numpy as np
import pytest

from poolifier import FixedRayPool, SerializationError
from tests.backends.ray import ray_tasks
from tests.backends.ray.ray_tasks import OnlyElsewhere

pytestmark = pytest.mark.usefixtures("ray")

LARGE = 1 << 17


def test_large_data_and_results_are_read_where_they_lie(run):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            large = await pool.execute(LARGE, "ones")
            assert large.sum() == LARGE
            assert not large.flags.writeable, "it lies in the object store"
            assert (await pool.execute(10, "ones")).flags.writeable
            assert await pool.execute(large, "total") == (LARGE, False)
            assert await pool.execute(np.ones(10), "total") == (10, True)

    run(main())


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 200_000,
        "x" * 200_000,
        [b"x" * 60_000, "y" * 60_000],
        list(range(100_000)),
        {"key": bytearray(200_000)},
        {"keys": [bytearray(20_000) for _ in range(20)]},
    ],
    ids=["bytes", "str", "flat", "list", "bytearray", "many"],
)
def test_whatever_is_large_comes_back(run, data):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            assert await asyncio.gather(*(pool.execute(data) for _ in range(3))) == [data] * 3
            assert await pool.map_execute([data, 1, data]) == [data, 1, data]

    run(main())


def test_many_arrays_of_every_size(run):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            arrays = [np.full(8 << size, size) for size in range(16)]
            for back in (await pool.execute(arrays), await pool.map_execute(arrays)):
                assert all((one == other).all() for one, other in zip(arrays, back, strict=True))

    run(main())


def test_a_reference_stands_for_its_value_and_is_not_fetched_here(run, ray):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            assert await pool.execute(ray.put(np.ones(LARGE)), "total") == (LARGE, False)
            assert await pool.execute(ray.put(OnlyElsewhere())) == ["read elsewhere"]
            values = await pool.map_execute([ray.put(number) for number in range(100)])
            assert values == list(range(100))
            assert [item async for item in pool.stream(ray.put(4), "mix")][1] == 1

    run(main())


def test_references_within_data_stay_references(run, ray):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            refs = [ray.put(1), ray.put(np.ones(LARGE))]
            assert await pool.execute([*refs, 3], "kinds") == ["ObjectRef", "ObjectRef", "int"]
            back, large = await pool.execute((refs, bytearray(LARGE)))
            assert ray.get(back[0]) == 1
            assert ray.get(back[1]).sum() == LARGE
            assert len(large) == LARGE

    run(main())


def test_a_reference_that_a_task_returns_is_passed_on_as_it_is(run, ray):
    async def main():
        async with FixedRayPool(2, ray_tasks.ALL) as pool:
            ref = await pool.execute("kept there", "put")
            assert isinstance(ref, ray.ObjectRef)
            assert await pool.execute(ref) == "kept there"
            assert await asyncio.wrap_future(ref.future()) == "kept there"

    run(main())


def test_what_waits_for_its_data_holds_up_nobody(run, until, ray):
    gate = ray.remote(num_cpus=0)(_Gate).remote()

    async def main():
        async with FixedRayPool(1, ray_tasks.ALL, tasks_queue_options={"concurrency": 3}) as pool:
            late, unwanted = pool.execute(gate.wait.remote()), pool.execute(gate.wait.remote())
            assert await pool.execute(5) == 5
            unwanted.cancel()
            assert not late.done()
            await asyncio.wrap_future(gate.open.remote().future())
            assert await late == "open"
            await until(lambda: pool.info.aborted_tasks == 1)
            assert pool.info.executed_tasks == 2

    run(main())
    ray.kill(gate)


def test_a_pool_with_tasks_that_wait_for_their_data_can_be_destroyed(run, ray):
    gate = ray.remote(num_cpus=0)(_Gate).remote()

    async def main():
        pool = FixedRayPool(1, ray_tasks.ALL, tasks_queue_options={"concurrency": 4, "tasks_finished_timeout": 0.1})
        await pool.start()
        waiting = [pool.execute(gate.wait.remote()) for _ in range(3)]
        assert await pool.execute(1) == 1
        async with asyncio.timeout(120):
            await pool.destroy()
        assert all(future.cancelled() for future in waiting)

    run(main())
    ray.kill(gate)


def test_what_kept_a_reference_from_having_a_value_is_the_error(run, ray):
    @ray.remote(num_cpus=0)
    def fail():
        raise LookupError("no such thing")

    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            with pytest.raises(LookupError, match="no such thing"):
                await pool.execute(fail.remote())
            assert await pool.execute(2) == 2

    run(main())


@pytest.mark.parametrize("name", ["mix", "mix_async"])
def test_items_large_and_small_arrive_in_order(run, name):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            items = [item async for item in pool.stream(30, name)]
            assert [int(item if isinstance(item, int) else item[0]) for item in items] == list(range(30))

    run(main())


def test_results_large_and_small_of_a_map_arrive_in_order(run):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            counts = [LARGE if number % 7 == 0 else number for number in range(200)]
            assert [len(array) for array in await pool.map_execute(counts, "ones")] == counts

    run(main())


def test_a_result_is_what_it_was_when_it_was_returned(run):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            results = await asyncio.gather(*(pool.execute(number, "keep") for number in range(5)))
            assert results == [list(range(number + 1)) for number in range(5)]

    run(main())


def test_tasks_that_are_given_one_object_do_not_share_it(run):
    async def main():
        async with FixedRayPool(1, {"add": _add}) as pool:
            shared = [0]
            assert await asyncio.gather(*(pool.execute(shared) for _ in range(5))) == [[0, 1]] * 5

    run(main())


def test_what_cannot_be_pickled_fails_alone(run):
    async def main():
        async with FixedRayPool(1, {**ray_tasks.ALL, "lock": _lock}) as pool:
            with pytest.raises(SerializationError, match=r"the data of task function 'echo' .* cannot be pickled"):
                await pool.execute(threading.Lock())
            with pytest.raises(SerializationError, match=r"the result of task function 'lock' .* cannot be pickled"):
                await pool.execute(None, "lock")
            values = await pool.map_execute([1, threading.Lock(), 3], return_exceptions=True)
            assert values[::2] == [1, 3]
            assert isinstance(values[1], SerializationError)
            with pytest.raises(SerializationError, match="the result of the task cannot be unpickled"):
                await pool.execute(_Unreadable())

    run(main())


class _Unreadable:
    """Becomes, in the worker, what cannot be read anywhere else."""

    def __reduce__(self):
        return (_HalfReadable, ())


class _HalfReadable:
    def __reduce__(self):
        return (_fail, ())


def _fail():
    raise LookupError("gone")


def _add(numbers):
    numbers.append(1)
    return numbers


def _lock():
    return threading.Lock()


class _Gate:
    """What waits at it gets through once it is open."""

    def __init__(self):
        self._opened = asyncio.Event()

    async def wait(self):
        await self._opened.wait()
        return "open"

    async def open(self):
        self._opened.set()
