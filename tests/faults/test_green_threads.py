"""gevent and eventlet put their own in the place of sockets, locks and threads: in the program, or in its workers."""

import sys
from importlib.util import find_spec

import pytest

from tests.faults.programs import run_program

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}

# Both warn, of what they patch late and of what Python has deprecated.
FLAGS = ["-W", "ignore"]


@pytest.fixture(params=PATCHES)
def library(request):
    # Not imported here, where eventlet would warn at every fork of another test.
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


PROGRAM = """
    {patch}

    import asyncio, os, signal
    from poolifier import DynamicProcessPool, TaskTimeoutError, WorkerCrashedError
    from poolifier.futures import ProcessPoolExecutor

    def negate(x):
        return -x

    def spin(_):
        while True:
            pass

    def kill(_):
        os.kill(os.getpid(), signal.SIGKILL)

    def count(n):
        yield from range(n)

    async def main():
        functions = {{"negate": negate, "spin": spin, "kill": kill, "size": len, "count": count}}
        for method in ("fork_server", "spawn"):
            async with DynamicProcessPool(1, 3, functions, start_method=method) as pool:
                for number in range(3):
                    assert await pool.execute(number) == -number
                    await asyncio.sleep(0.02)
                assert await asyncio.gather(*map(pool.execute, range(300))) == [-n for n in range(300)]
                assert await pool.map_execute(range(1000)) == [-n for n in range(1000)]
                assert [n async for n in pool.stream(100, "count")] == list(range(100))
                assert await pool.execute(bytes(1_000_000), "size") == 1_000_000
                for name in ("spin", "kill"):
                    try:
                        await pool.execute(name=name, timeout=0.1)
                    except (TaskTimeoutError, WorkerCrashedError):
                        said = name
                    assert said == name
                assert await pool.execute(5) == -5
            say(method)

    asyncio.run(main())
    with ProcessPoolExecutor(2) as executor:
        assert list(executor.map(negate, range(20))) == [-n for n in range(20)]
    say("executor")
    """


def test_a_patched_program_has_processes(tmp_path, library):
    program = run_program(tmp_path, PROGRAM.format(patch=PATCHES[library]), flags=FLAGS)
    assert program.said == ["fork_server", "spawn", "executor"], program
    assert program.code == 0


WORKERS = """
{patch}
import asyncio, os, signal, subprocess, time
from poolifier import Worker

def negate(x):
    time.sleep(0)
    return -x

def spin(_):
    while True:
        pass

def kill(_):
    os.kill(os.getpid(), signal.SIGKILL)

def run(_):
    return subprocess.run(["echo", "said"], capture_output=True, text=True).stdout

async def later(x):
    await asyncio.sleep(0.001)
    return -x

functions = dict(negate=negate, spin=spin, kill=kill, run=run, size=len)
worker = Worker(functions)
both = Worker(functions | dict(later=later))
"""

PATCHED_WORKERS = """
    import asyncio, sys
    from poolifier import FixedProcessPool, TaskTimeoutError, WorkerCrashedError
    async def main():
        for name in ("worker", "both"):
            for options in ({}, {"start_method": "spawn"}, {"preload": True}):
                async with FixedProcessPool(2, f"{sys.argv[1]}:{name}", **options) as pool:
                    for number in range(3):
                        assert await pool.execute(number) == -number
                        await asyncio.sleep(0.02)
                    assert await asyncio.gather(*map(pool.execute, range(300))) == [-n for n in range(300)]
                    assert await pool.execute(bytes(1_000_000), "size") == 1_000_000
                    assert await pool.execute(name="run") == "said\\n"
                    for what in ("spin", "kill"):
                        try:
                            await pool.execute(name=what, timeout=0.1)
                        except (TaskTimeoutError, WorkerCrashedError):
                            said = what
                        assert said == what
                    assert await pool.execute(5) == -5
                    if name == "both":
                        outcomes = await asyncio.gather(*[pool.execute(n, "later") for n in range(20)])
                        assert outcomes == [-n for n in range(20)]
                say(name, *options)
    asyncio.run(main())
    """


def test_patched_workers_run_their_tasks(tmp_path, library):
    (tmp_path / "patched.py").write_text(WORKERS.format(patch=PATCHES[library]))
    program = run_program(tmp_path, PATCHED_WORKERS, str(tmp_path / "patched.py"), flags=FLAGS)
    ways = ["", " start_method", " preload"]
    assert program.said == [f"{name}{way}" for name in ("worker", "both") for way in ways], program


USES_A_LOCK = """
    import asyncio, multiprocessing
    {program_patch}
    from poolifier import FixedProcessPool, UnsupportedError

    kept = None

    def keep(lock):
        global kept
        {worker_patch}
        kept = lock

    def use(times):
        for _ in range(times):
            with kept:
                pass
        return times

    async def main():
        lock = multiprocessing.get_context("{method}").Lock()
        try:
            async with FixedProcessPool(2, use, initializer=keep, initargs=(lock,)) as pool:
                lock.acquire()
                tasks = [pool.execute(20) for _ in range(4)]
                await asyncio.sleep(0.2)
                lock.release()
                say(sum(await asyncio.gather(*tasks)))
        except UnsupportedError as error:
            say("get_context('spawn')" in str(error) and "gevent or eventlet" in str(error))

    asyncio.run(main())
    """


def test_locks_that_need_threads_of_the_program_say_so(tmp_path, library):
    source = USES_A_LOCK.format(program_patch=PATCHES[library], worker_patch="", method="fork")
    program = run_program(tmp_path, source, flags=FLAGS)
    assert program.said == ["True"], program


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_patched_workers_use_locks(tmp_path, library, method):
    source = USES_A_LOCK.format(program_patch="", worker_patch=PATCHES[library], method=method)
    program = run_program(tmp_path, source, flags=FLAGS)
    assert program.said == ["80"], program


@pytest.mark.skipif(sys.version_info < (3, 13), reason="there are no interpreters before 3.13")
def test_interpreters_need_threads_and_say_so(tmp_path, library):
    source = f"""
        {PATCHES[library]}
        from poolifier import FixedInterpreterPool, UnsupportedError
        try:
            FixedInterpreterPool(1, abs)
        except UnsupportedError as error:
            say("use a process pool" in str(error) and "gevent or eventlet" in str(error))
        """
    program = run_program(tmp_path, source, flags=FLAGS)
    assert program.said == ["True"], program


def test_threads_are_green_ones(tmp_path, library):
    source = f"""
        {PATCHES[library]}
        import asyncio, time
        from poolifier import FixedThreadPool
        def negate(x):
            time.sleep(0.001)
            return -x
        async def main():
            async with FixedThreadPool(2, negate) as pool:
                say(await asyncio.gather(*map(pool.execute, range(5))))
        asyncio.run(main())
        """
    program = run_program(tmp_path, source, flags=FLAGS)
    assert program.said == [str([-n for n in range(5)])], program
