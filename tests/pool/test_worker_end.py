"""Workers end as Python does: they wait for threads, executors and processes that tasks have left at work."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from poolifier import DynamicProcessPool, FixedProcessPool, KillBehavior, Worker, WorkerCrashedError
from poolifier.futures import ProcessPoolExecutor
from tests.pool.leaving import (
    leave_child,
    leave_child_and_crash,
    leave_child_and_hang,
    leave_executor,
    leave_hanging_thread,
    leave_hanging_thread_and_fail,
    leave_session,
    leave_thread,
    nest_executor,
    nest_joblib,
    nest_pool,
    pid,
    register,
)
from tests.pool.test_multiprocessing import WAYS

pytestmark = pytest.mark.usefixtures("lasting", "no_leaks")


def ended(pids):
    for each in pids:
        try:
            if psutil.Process(each).status() != psutil.STATUS_ZOMBIE:
                return False
        except psutil.NoSuchProcess:
            continue
    return True


def soon(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "file")


@pytest.mark.parametrize(("pool_type", "options"), WAYS)
@pytest.mark.parametrize("function", [leave_thread, leave_executor])
def test_threads_that_tasks_have_left_finish(run, path, pool_type, options, function):
    async def main():
        async with pool_type(1, function, **options) as pool:
            await pool.execute(path)

    run(main())
    assert Path(path).read_text() == "written\n"


@pytest.mark.parametrize(("pool_type", "options"), WAYS)
def test_exit_functions_come_after_threads(run, path, pool_type, options):
    async def main():
        async with pool_type(1, register, **options) as pool:
            await pool.execute(path)

    run(main())
    assert Path(path).read_text() == "written\nexit\n"


def test_threads_of_async_functions_finish(run, path):
    async def leave(path):
        leave_thread(path)

    async def main():
        async with FixedProcessPool(1, leave) as pool:
            await pool.execute(path)

    run(main())
    assert Path(path).read_text() == "written\n"


def test_recycled_workers_wait_for_threads(run, path, until):
    async def main():
        async with FixedProcessPool(1, {"leave": leave_thread, "pid": pid}, max_tasks_per_worker=1) as pool:
            first = await pool.execute(name="pid")
            for _ in range(3):
                await pool.execute(path, "leave")
            await until(lambda: first not in [node.pid for node in pool.worker_nodes])

    run(main())
    assert Path(path).read_text() == "written\n" * 3


def test_dynamic_workers_that_retire_wait_for_threads(run, path, until):
    async def main():
        worker = Worker(leave_thread, max_inactive_time=0.05, kill_behavior=KillBehavior.SOFT)
        async with DynamicProcessPool(0, 1, worker) as pool:
            await pool.execute(path)
            await until(lambda: not pool.info.worker_nodes)
            return Path(path).read_text()  # noqa: ASYNC240

    assert run(main()) == "written\n"


def test_executors_wait_for_threads_at_shutdown(path):
    with ProcessPoolExecutor(1) as executor:
        executor.submit(leave_thread, path).result()
    assert Path(path).read_text() == "written\n"


@pytest.mark.parametrize(("pool_type", "options"), WAYS[:2])
@pytest.mark.parametrize(
    ("function", "data"),
    [(nest_joblib, None), (nest_executor, "fork"), (nest_executor, "spawn"), (nest_pool, None)],
    ids=["joblib", "executor-fork", "executor-spawn", "multiprocessing"],
)
def test_nested_pools_leave_no_process(run, pool_type, options, function, data):
    if function is nest_joblib and importlib.util.find_spec("joblib") is None:
        pytest.skip("joblib is not here")

    async def main():
        async with pool_type(1, function, destroy_timeout=200.0, **options) as pool:
            pids = await pool.execute(data)
            began = time.monotonic()
        return pids, time.monotonic() - began

    pids, took = run(main())
    assert pids
    soon(lambda: ended(pids))
    assert took < 150.0, "they ended by themselves, and nobody had to be killed"


def test_a_thread_that_does_not_end_holds_the_pool_up_for_so_long_only(run):
    async def main():
        async with FixedProcessPool(1, leave_hanging_thread, destroy_timeout=1.0) as pool:
            worker = await pool.execute()
            began = time.monotonic()
        assert 0.5 < time.monotonic() - began < 120.0
        assert ended([worker])

    run(main())


def test_a_recycled_worker_that_does_not_end_is_killed(run, until):
    async def main():
        options = {"max_tasks_per_worker": 1, "destroy_timeout": 0.5}
        async with FixedProcessPool(1, leave_hanging_thread, **options) as pool:
            workers = [await pool.execute() for _ in range(3)]
            await until(lambda: ended(workers[:2]))
            assert pool.info.worker_nodes == 1

    run(main())


def test_a_failed_start_that_does_not_end_is_told_all_the_same(run):
    async def main():
        pool = FixedProcessPool(1, pid, initializer=leave_hanging_thread_and_fail, destroy_timeout=0.5)
        with pytest.raises(ValueError, match="not today"):
            await pool.start()

    run(main())


def test_a_child_that_does_not_end_goes_with_its_worker(run):
    async def main():
        async with FixedProcessPool(1, leave_child, destroy_timeout=1.0) as pool:
            return await pool.execute()

    pids = run(main())
    soon(lambda: ended(pids))


@pytest.mark.parametrize("function", [leave_child_and_hang, leave_child_and_crash])
def test_a_worker_that_is_killed_leaves_no_child(run, path, function):
    async def main():
        async with FixedProcessPool(1, function, abort_grace=0.1) as pool:
            if function is leave_child_and_crash:
                with pytest.raises(WorkerCrashedError):
                    await pool.execute(path)
            else:
                pool.execute(path)
                while not Path(path).exists() or not Path(path).read_text():  # noqa: ASYNC110, ASYNC240
                    await asyncio.sleep(0.01)
                os.kill(pool.worker_nodes[0].pid, signal.SIGKILL)
            child = int(Path(path).read_text())  # noqa: ASYNC240
            while not ended([child]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    run(main())


def test_what_has_a_session_of_its_own_goes_on(run):
    async def main():
        async with FixedProcessPool(1, {"leave": leave_session, "die": os._exit}) as pool:
            kept = await pool.execute(name="leave")
            with pytest.raises(WorkerCrashedError):
                await pool.execute(3, "die")
        return kept

    kept = psutil.Process(run(main()))
    assert kept.is_running()
    kept.kill()


@pytest.mark.parametrize("function", ["leave_child", "leave_program"])
def test_children_end_with_a_program_that_is_killed(function):
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(Path.cwd())!r})
from poolifier import FixedProcessPool
from tests.pool.leaving import {function}

async def main():
    async with FixedProcessPool(1, {function}) as pool:
        print((await pool.execute())[0], flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        assert not ended([child])
        process.kill()
    soon(lambda: ended([child]))


LEAVES_THREAD = """
import asyncio, sys, threading
from poolifier import FixedThreadPool

def write(path):
    threading.main_thread().join()
    open(path, "w").close()

def leave(path):
    threading.Thread(target=write, args=(path,)).start()
    return threading.current_thread().daemon

async def leave_from_loop(path):
    return leave(path)

async def main():
    async with FixedThreadPool(1, sys.argv[1] == "async" and leave_from_loop or leave) as pool:
        assert not await pool.execute(sys.argv[2])

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_the_program_waits_for_threads_that_tasks_on_threads_have_left(path, kind):
    subprocess.run([sys.executable, "-c", LEAVES_THREAD, kind, path], check=True, timeout=60)
    assert Path(path).exists()
