"""What workers start from may be large: each has one copy of it, and where it is preloaded, all share one."""

import os

import psutil
import pytest

from poolifier import FixedProcessPool, WorkerCrashedError

MB = 1 << 20
SIZE = 64 * MB

kept = None


def keep(value):
    global kept
    kept = value


def memory_with_what_was_kept(_):
    assert len(kept) == SIZE
    return psutil.Process().memory_info().rss


def own_memory_with_what_was_kept(_):
    assert len(kept) == SIZE
    return os.getpid(), psutil.Process().memory_full_info().uss


def with_closure(value):
    def memory(_):
        assert len(value) == SIZE
        return psutil.Process().memory_info().rss

    return memory


def length_of_what_was_kept(number):
    if number == 1:
        os._exit(1)
    return len(kept)


def memory_alone(_):
    return psutil.Process().memory_info().rss


@pytest.mark.parametrize(
    "options", [{}, {"start_method": "spawn"}, {"preload": True}], ids=["fork_server", "spawn", "preload"]
)
@pytest.mark.parametrize("carried_by", ["initargs", "closure"])
def test_a_worker_has_one_copy(run, options, carried_by):
    value = bytes(SIZE)
    if carried_by == "initargs":
        function, more = memory_with_what_was_kept, {"initializer": keep, "initargs": (value,)}
    else:
        function, more = with_closure(value), {}

    async def main():
        async with FixedProcessPool(1, memory_alone, **options) as pool:
            before = await pool.execute(0)
        async with FixedProcessPool(1, function, **options, **more) as pool:
            return await pool.execute(0) - before

    assert SIZE * 0.9 < run(main()) < SIZE * 1.3


def test_what_is_preloaded_is_shared(run):
    async def main():
        options = {"initializer": keep, "initargs": (bytes(SIZE),), "preload": True}
        async with FixedProcessPool(2, own_memory_with_what_was_kept, **options) as pool:
            own = {}
            while len(own) < 2:
                own.update(await pool.map_execute(range(8)))
            return own

    assert max(run(main()).values()) < SIZE / 2


def test_workers_that_replace_others_inherit_as_well(run):
    async def main():
        options = {"initializer": keep, "initargs": (bytes(SIZE),), "preload": True}
        async with FixedProcessPool(1, length_of_what_was_kept, **options) as pool:
            assert await pool.execute(0) == SIZE
            with pytest.raises(WorkerCrashedError):
                await pool.execute(1)
            assert await pool.execute(0) == SIZE

    run(main())
