"""What `multiprocessing` shares works in tasks, and takes the workers for children of the program."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
from multiprocessing import shared_memory
from multiprocessing.managers import SharedMemoryManager
from pathlib import Path

import pytest

from poolifier import DynamicProcessPool, FixedInterpreterPool, FixedProcessPool, UnsupportedError, WorkerCrashedError
from poolifier.futures import ProcessPoolExecutor
from tests.pool import shared_things as things


def interpreters_are_here():
    try:
        FixedInterpreterPool(1, abs)
    except UnsupportedError:
        return False
    return True


WAYS = [
    pytest.param(FixedProcessPool, {}, id="fork_server"),
    pytest.param(FixedProcessPool, {"start_method": "spawn"}, id="spawn"),
    pytest.param(
        FixedInterpreterPool,
        {},
        id="interpreter",
        marks=pytest.mark.skipif(not interpreters_are_here(), reason="there are no interpreters here"),
    ),
]
PROCESSES = WAYS[:2]

FUNCTIONS = {
    name: value
    for name, value in vars(things).items()
    if callable(value) and value.__module__ == things.__name__ and name not in ("keep", "append_and_sum")
}


@pytest.fixture
def block():
    made = shared_memory.SharedMemory(create=True, size=100)
    made.buf[:3] = b"abc"
    yield made
    made.close()
    made.unlink()


def lives(name):
    return Path("/dev/shm", name.lstrip("/")).exists()


# ---- shared memory --------------------------------------------------------------------------------


@pytest.mark.parametrize(("pool_type", "options"), WAYS)
def test_a_block_outlives_the_workers_that_read_it(run, block, pool_type, options):
    async def main():
        async with pool_type(2, FUNCTIONS, **options) as pool:
            assert await pool.map_execute([block.name] * 8, "read_block") == [b"abc"] * 8

    run(main())
    assert lives(block.name)


def test_it_outlives_those_that_are_recycled_killed_and_idle(run, block, until):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS, max_tasks_per_worker=2) as pool:
            pids = {node.pid for node in pool.worker_nodes}
            for _ in range(12):
                assert await pool.execute(block.name, "read_block") == b"abc"
            await until(lambda: pids.isdisjoint(node.pid for node in pool.worker_nodes))
        async with FixedProcessPool(1, FUNCTIONS) as pool:
            await pool.execute(block.name, "read_block")
            with pytest.raises(WorkerCrashedError):
                await pool.execute(name="die")
            assert await pool.execute(block.name, "read_block") == b"abc"

    run(main())
    assert lives(block.name)


def test_the_program_may_use_none_before_its_pool_has_started(run):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS) as pool:
            block = shared_memory.SharedMemory(create=True, size=100)
            block.buf[:3] = b"abc"
            assert await pool.execute(block.name, "read_block") == b"abc"
        assert lives(block.name)
        block.close()
        block.unlink()

    run(main())


@pytest.mark.parametrize(("pool_type", "options"), WAYS)
def test_what_a_worker_creates_outlives_it(run, pool_type, options):
    async def main():
        async with pool_type(1, FUNCTIONS, **options) as pool:
            name = await pool.execute(100, "create_block")
        assert things.read_block(name) == b"new"
        async with pool_type(1, FUNCTIONS, **options) as pool:
            await pool.execute(name, "remove_block")
        assert not lives(name)

    run(main())


def test_lists_and_blocks_of_a_manager_work(run):
    async def main():
        async with FixedProcessPool(2, FUNCTIONS) as pool:
            with SharedMemoryManager() as manager:
                numbers = manager.ShareableList([1, 2, 3])
                assert await pool.map_execute([numbers.shm.name] * 4, "sum_list") == [6] * 4
                assert await pool.execute(numbers, "sum_shared") == 6
                assert await pool.execute(manager.SharedMemory(100).name, "read_block") == bytes(3)
            assert not lives(numbers.shm.name)

    run(main())


def test_a_workers_own_children_use_the_programs_tracker_as_well(run, block):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS) as pool:
            assert await pool.execute(block.name, "read_in_a_child") == b"abc"

    run(main())
    assert lives(block.name)


PROGRAM = """
import asyncio
from multiprocessing import shared_memory
from poolifier import FixedProcessPool
from tests.pool import shared_things as things

async def main():
    async with FixedProcessPool(2, {"create": things.create_block, "read": things.read_block}, **OPTIONS) as pool:
        left = await pool.execute(100, "create")
        taken = await pool.execute(100, "create")
        await pool.map_execute([left, taken] * 4, "read")
    block = shared_memory.SharedMemory(taken)
    block.close()
    block.unlink()
    print(left)

asyncio.run(main())
"""


@pytest.mark.parametrize("options", [{}, {"start_method": "spawn"}], ids=["fork_server", "spawn"])
def test_what_is_left_is_removed_at_the_programs_end_and_only_that_is_told(options):
    program = PROGRAM.replace("**OPTIONS", f"**{options!r}")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    name = done.stdout.strip()
    assert name
    assert not lives(name)
    assert "1 leaked shared_memory object" in done.stderr
    assert done.stderr.count("Warning") == 1
    assert "Error" not in done.stderr


def test_a_pool_that_shares_nothing_starts_no_tracker():
    program = """
import asyncio, psutil
from poolifier import FixedProcessPool

async def main():
    async with FixedProcessPool(2, abs) as pool:
        await pool.map_execute(range(10))
        print(sum("resource_tracker" in " ".join(each.cmdline()) for each in psutil.Process().children(True)))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["0"]


# ---- managers -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manager():
    with multiprocessing.get_context("spawn").Manager() as made:
        yield made


@pytest.mark.parametrize(("pool_type", "options"), WAYS)
def test_proxies_are_data_also_within_other_data(run, manager, pool_type, options):
    async def main():
        queue = manager.Queue()
        async with pool_type(2, FUNCTIONS, **options) as pool:
            await pool.execute((queue, 1), "put")
            await pool.execute({"tasks": [(queue, 2), (queue, 3)]}, "put_nested")
            await pool.map_execute([(queue, 4), (queue, 5)], "put")
            await pool.add_task_function("later", things.put)
            await pool.execute((queue, 6), "later")
        assert sorted(queue.get_nowait() for _ in range(6)) == [1, 2, 3, 4, 5, 6]

    run(main())


@pytest.mark.parametrize(("pool_type", "options"), WAYS)
def test_proxies_are_initargs(run, manager, pool_type, options):
    async def main():
        queue = manager.Queue()
        async with pool_type(2, FUNCTIONS, initializer=things.keep, initargs=(queue,), **options) as pool:
            await pool.execute(7, "put_kept")
        assert queue.get_nowait() == 7

    run(main())


def test_proxies_are_initargs_where_all_is_preloaded(run, manager):
    async def main():
        queue = manager.Queue()
        options = {"initializer": things.keep, "initargs": (queue,), "preload": True}
        async with FixedProcessPool(2, FUNCTIONS, **options) as pool:
            await pool.map_execute(range(4), "put_kept")
        assert sorted(queue.get_nowait() for _ in range(4)) == [0, 1, 2, 3]

    run(main())


def test_a_block_that_is_preloaded_outlives_the_pool(run, block):
    async def main():
        options = {"initializer": things.keep, "initargs": (block,), "preload": True}
        async with FixedProcessPool(2, FUNCTIONS, **options) as pool:
            assert await pool.map_execute([block.name] * 4, "read_block") == [b"abc"] * 4

    run(main())
    assert lives(block.name)


def test_a_key_that_the_program_sets_reaches_workers_that_start_later(run):
    async def main():
        process = multiprocessing.current_process()
        before = process.authkey
        try:
            async with DynamicProcessPool(0, 2, FUNCTIONS) as pool:
                process.authkey = b"of its own"
                assert await pool.execute(name="key") == b"of its own"
        finally:
            process.authkey = before

    run(main())


def command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_key_stands_in_no_command_line_and_no_repr(run):
    async def main():
        key = bytes(multiprocessing.current_process().authkey)
        async with FixedProcessPool(1, FUNCTIONS, start_method="spawn") as pool:
            line = command_line(pool.worker_nodes[0].pid)
        assert key not in line
        assert key.hex().encode() not in line
        from poolifier.backends.launch import program
        from poolifier.exchange import WorkerSettings

        assert repr(key) not in repr(WorkerSettings().of(program()))

    run(main())


@pytest.mark.parametrize("nested", [False, True])
def test_the_arguments_of_a_call_live_as_long_as_it(manager, nested):
    """The proxy's only reference is the call's: what it stands for would be gone before the worker has read it."""
    with ProcessPoolExecutor(1) as executor:
        # The first call starts the pool, so it waits.
        first = executor.submit(things.append_and_sum, manager.list([1]), 2)
        others = [executor.submit(things.append_and_sum, manager.list([number]), 1) for number in range(20)]
        assert first.result(120) == 3
        assert [other.result(120) for other in others] == list(range(1, 21))
        if nested:
            outer = manager.list()
            assert executor.submit(things.put_nested, {"tasks": [(manager.Queue(), 1)]}).result(120) is None
            del outer


def test_data_that_only_a_task_refers_to_lives_as_long_as_it(run, manager):
    async def main():
        async with FixedProcessPool(1, {"sum": things.sum_shared}) as pool:
            waiting = [pool.execute(manager.list([number]), "sum") for number in range(10)]
            assert await asyncio.gather(*waiting) == list(range(10))
            assert await pool.map_execute((manager.list([number]) for number in range(10)), "sum") == list(range(10))

    run(main())


# ---- what a worker is ------------------------------------------------------------------------------


@pytest.mark.parametrize(("pool_type", "options"), PROCESSES)
def test_a_worker_is_a_child_process_with_a_name_of_its_own(run, pool_type, options):
    async def main():
        async with pool_type(2, FUNCTIONS, **options) as pool:
            found = await asyncio.gather(*(pool.execute(name="who") for _ in range(2)))
        names = {each["name"] for each in found}
        assert "MainProcess" not in names
        assert all(name.startswith("poolifier-") for name in names)
        for each in found:
            assert each["parent"] == ("MainProcess", os.getpid(), True)
            assert not each["daemon"], "so it may start children"
            assert each["ident"]
            assert each["alive"]
            assert each["children"] == []

    run(main())


def test_each_worker_has_another_name_also_where_it_replaces_one(run):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS) as pool:
            first = await pool.execute(name="who")
            with pytest.raises(WorkerCrashedError):
                await pool.execute(name="die")
            second = await pool.execute(name="who")
        assert first["name"] != second["name"]

    run(main())


@pytest.mark.parametrize(("pool_type", "options"), PROCESSES)
def test_log_records_name_the_process(run, logged, pool_type, options):
    async def main():
        async with pool_type(1, FUNCTIONS, **options) as pool:
            await pool.execute(name="warn")
            return (await pool.execute(name="who"))["name"]

    name = run(main())
    (record,) = [record for record in logged if record.name == "named"]
    assert record.processName == name


def test_preloaded_modules_that_import_multiprocessing_change_nothing(run):
    async def main():
        async with FixedProcessPool(1, "tests.pool.shared_things:who", preload=True) as pool:
            found = await pool.execute()
        assert found["name"].startswith("poolifier-")
        assert found["parent"] == ("MainProcess", os.getpid(), True)

    run(main())


def test_workers_have_the_start_method_that_the_program_has_set():
    program = """
import asyncio, multiprocessing
from poolifier import FixedProcessPool
from tests.pool.shared_things import who

async def main():
    async with FixedProcessPool(1, who) as pool:
        print((await pool.execute())["method"])

multiprocessing.set_start_method("spawn")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["spawn"]
