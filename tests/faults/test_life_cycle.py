"""Starting and ending under attack: in time, with a clear error, and with nothing left behind."""

import asyncio
import contextlib
import gc
import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
import weakref

import psutil
import pytest

import poolifier
from poolifier import (
    DynamicProcessPool,
    FixedProcessPool,
    PoolFailedError,
    PoolNotStartedError,
    WorkerCrashedError,
    WorkerStartError,
)
from poolifier.scheduler.node import Node
from poolifier.testing.faults import Chaos

pytestmark = pytest.mark.usefixtures("no_leaks")


def nap(seconds):
    time.sleep(seconds)
    return seconds


def ignore_and_nap(seconds):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGURG, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            time.sleep(1)


MODULES = {
    "raises": ("1 / 0", ZeroDivisionError),
    "exits": ("import sys; sys.exit(4)", SystemExit),
    "dies": ("import os; os._exit(4)", WorkerStartError),
    "is killed": ("import os; os.kill(os.getpid(), 9)", WorkerStartError),
    "hangs": ("import time; time.sleep(600)", TimeoutError),
}


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("what", MODULES)
def test_a_module_that_does_not_load(endure, tmp_path, what, preload):
    code, expected = MODULES[what]
    module = tmp_path / "module.py"
    module.write_text(f"{code}\ndef worker(data):\n    return data\n")

    async def main(guard):
        pool = FixedProcessPool(2, module, preload=preload)
        before = time.monotonic()
        with pytest.raises(expected):
            async with asyncio.timeout(1.5 if what == "hangs" else 120):
                await pool.start()
        assert time.monotonic() - before < 240
        with pytest.raises(PoolNotStartedError):
            pool.execute(1)
        await pool.destroy()

    endure(main)


def test_a_module_that_fails_only_later_fails_the_pool_with_its_error(endure, tmp_path):
    """The first worker starts, its replacements do not."""
    module = tmp_path / "module.py"
    module.write_text(
        textwrap.dedent(
            f"""
            import os
            path = {str(tmp_path / "once")!r}
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            def worker(data):
                os._exit(data)
            """
        )
    )

    async def main(guard):
        async with FixedProcessPool(1, module, restart_limit=(2, 10.0)) as pool:
            futures = [pool.execute(3) for _ in range(5)]
            first, *others = await guard.outcomes(futures)
            assert isinstance(first, WorkerCrashedError)
            assert all(isinstance(error, PoolFailedError) for error in others)
            assert all(isinstance(error.__cause__, FileExistsError) for error in others)

    endure(main)


@pytest.mark.once
def test_destroy_while_workers_crash(endure):
    async def main(guard):
        for seed in range(5):
            options = {"restart_limit": None, "tasks_queue_options": {"tasks_finished_timeout": 0.1}}
            pool = FixedProcessPool(2, nap, **options)
            await pool.start()
            async with Chaos(pool, ["kill", "terminate"], every=(0.0, 0.005), seed=seed) as chaos:
                futures = [guard.watch(pool.execute(0.01)) for _ in range(100)]
                while len(chaos.harms) < 3:  # noqa: ASYNC110 - nothing fires an event for it
                    await asyncio.sleep(0)
                before = time.monotonic()
                await asyncio.gather(pool.destroy(), pool.destroy())
                assert time.monotonic() - before < 240
            for future in futures:
                assert future.cancelled() or isinstance(future.exception(), WorkerCrashedError | None)

    endure(main)


def test_destroy_with_workers_that_ignore_everything(endure):
    async def main(guard):
        options = {"tasks_queue_options": {"tasks_finished_timeout": 0.1}, "abort_grace": 0.2}
        pool = FixedProcessPool(2, ignore_and_nap, **options)
        await pool.start()
        futures = [guard.watch(pool.execute(600)) for _ in range(4)]
        before = time.monotonic()
        await asyncio.gather(*[pool.destroy() for _ in range(3)])
        assert time.monotonic() - before < 240
        assert all(future.cancelled() for future in futures)

    endure(main)


def test_destroy_with_a_full_pipe(endure):
    """A worker that is stopped reads nothing, so what it is sent stays in the connection and behind it."""

    async def main(guard):
        options = {"tasks_queue_options": {"tasks_finished_timeout": 0.1}, "enable_tasks_queue": False}
        pool = FixedProcessPool(1, len, **options)
        await pool.start()
        os.kill(pool.worker_nodes[0].pid, signal.SIGSTOP)
        futures = [guard.watch(pool.execute("x" * 60_000)) for _ in range(200)]
        futures += [guard.watch(pool.execute(b"x" * (1 << 20))) for _ in range(20)]
        await asyncio.sleep(0)
        before = time.monotonic()
        await pool.destroy()
        assert time.monotonic() - before < 240
        assert all(future.cancelled() for future in futures)

    endure(main)


def test_the_loop_is_closed_with_tasks_pending():
    """Nothing hangs, and the pool is named: it was never destroyed."""
    pools = []

    async def forgetful():
        pool = FixedProcessPool(2, nap)
        await pool.start()
        pools.append((repr(pool).replace(" started", ""), [psutil.Process(node.pid) for node in pool.worker_nodes]))
        futures.append(pool.execute(600))

    futures = []

    def run_and_forget():
        asyncio.run(forgetful())
        assert not futures[0].done()
        futures[0].cancel()
        futures.clear()
        gc.collect()

    with pytest.warns(ResourceWarning) as warned:
        run_and_forget()
    [(name, workers)] = pools
    assert any(f"{name} was never destroyed" in str(warning.message) for warning in warned)
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_a_pool_that_is_forgotten_with_tasks_waiting_goes_as_well():
    """Whoever waits for them knows the pool, and so do the strategy and the task function: no cycle keeps it."""

    class Program:
        def __init__(self):
            program = self

            class Strategy(poolifier.Strategy):
                def __init__(self, options):
                    self.program, self.workers = program, []

                def worker_added(self, worker):
                    self.workers.append(worker)

                def worker_removed(self, worker):
                    self.workers.remove(worker)

                def choose(self, now):
                    return self.workers[0] if self.workers else None

            self.pool = FixedProcessPool(2, {"nap": nap, "mine": self.mine}, worker_choice_strategy=Strategy)

        def __getstate__(self):
            return {}

        def mine(self, data):
            return data

        async def waits(self):
            return await self.pool.execute(600)

    async def forgetful():
        program = Program()
        await program.pool.start()
        for _ in range(2000):
            program.pool.execute(600)
        for _ in range(10):
            waiting.append(asyncio.ensure_future(program.waits()))
        await asyncio.sleep(0)
        return weakref.ref(program), [psutil.Process(node.pid) for node in program.pool.worker_nodes]

    def nodes():
        return {id(thing) for thing in gc.get_objects() if type(thing) is Node}

    waiting = []
    gc.collect()
    before = nodes()
    loop = asyncio.new_event_loop()
    program, workers = loop.run_until_complete(forgetful())
    assert nodes() - before
    loop.close()
    del loop
    waiting.clear()
    with pytest.warns(ResourceWarning) as warned:
        gc.collect()
    gc.collect()  # what the first one has taken apart
    assert any("was never destroyed" in str(warning.message) for warning in warned)
    assert program() is None
    assert nodes() - before == set()
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


FORGETFUL = """
import asyncio, sys, time
from poolifier import FixedProcessPool, FixedThreadPool

async def main():
    global pool
    pool = {pool}(2, time.sleep)
    await pool.start()
    pool.execute(600)
    print(*[node.pid for node in pool.worker_nodes], flush=True)
{end}
"""
ENDS = {
    "the end of the loop": "\nasyncio.run(main())",
    "exit": "    sys.exit(3)\n\nasyncio.run(main())",
    "an open loop": "\nloop = asyncio.new_event_loop()\nloop.run_until_complete(main())",
    "an error": "    1 / 0\n\nasyncio.run(main())",
}


@pytest.mark.parametrize("pool", ["FixedProcessPool", "FixedThreadPool"])
@pytest.mark.parametrize("end", ENDS)
def test_the_interpreter_ends_without_destroy(pool, end):
    script = FORGETFUL.format(pool=pool, end=ENDS[end])
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert time.monotonic() - began < 240
    assert re.search(rf"ResourceWarning: <{pool} '.*' 2> was never destroyed", done.stderr), done.stderr
    assert done.returncode == {"exit": 3, "an error": 1}.get(end, 0)
    if pool == "FixedProcessPool":
        workers = [int(pid) for pid in done.stdout.split()]
        assert len(workers) == 2
        until = time.monotonic() + 120
        while any(is_running(pid) for pid in workers):
            assert time.monotonic() < until


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


INTERRUPTED = """
import asyncio, os, sys, time
from poolifier import FixedProcessPool, FixedThreadPool

def work(number):
    time.sleep(0.01)
    return number

async def main():
    {body}

# Makes the terminal that of this session, so that its keys send signals here.
os.close(os.open(os.ttyname(0), os.O_RDWR))
asyncio.run(main())
"""
BODIES = {
    "a map": """
    async with FixedProcessPool(4, work) as pool:
        async for number in pool.map_unordered(range(10_000_000)):
            if number == 50: print("ready", flush=True)
""",
    "a list": """
    async with FixedProcessPool(4, work) as pool:
        await pool.execute(1)
        print("ready", flush=True)
        await pool.map_execute(range(1_000_000))
""",
    "a map on threads": """
    async with FixedThreadPool(4, work) as pool:
        async for number in pool.map_unordered(range(10_000_000)):
            if number == 50: print("ready", flush=True)
""",
    "the start": """
    pool = FixedProcessPool(4, work, initializer=time.sleep, initargs=(600,))
    starting = asyncio.ensure_future(pool.start())
    while not any(node.pid for node in pool.worker_nodes):
        await asyncio.sleep(0.001)
    print("ready")
    await starting
""",
}


def read_until(terminal, words, seconds):
    """What a terminal shows, up to those words or the end."""
    shown, deadline = b"", time.monotonic() + seconds
    while words not in shown:
        assert time.monotonic() < deadline, f"it shows {shown!r}"
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                return shown
            if not data:
                return shown
            shown += data
    return shown


@pytest.mark.parametrize("what", BODIES)
def test_ctrl_c_in_a_terminal(tmp_path, what):
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED.format(body=BODIES[what].strip()))
    terminal, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-u", script],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | {"NO_COLOR": "1"},
    )
    os.close(theirs)
    try:
        read_until(terminal, b"ready", 120)
        family = psutil.Process(program.pid).children(recursive=True)
        assert len(family) >= (1 if "threads" not in what else 0)
        began = time.monotonic()
        os.write(terminal, b"\x03")  # as the key does: to the whole foreground group
        shown = read_until(terminal, b"never shown", 120).decode()
        assert program.wait() in (-signal.SIGINT, 130)
        assert time.monotonic() - began < 240
        assert shown.rstrip().endswith("KeyboardInterrupt"), shown
        # Of the program itself: asyncio shows where it was, then the interrupt.
        assert shown.count("Traceback (most recent call last)") <= 2, shown
        assert shown.splitlines().count("KeyboardInterrupt") == 1, shown
        assert "ResourceWarning" not in shown
        assert "poolifier:" not in shown
        assert not [process for process in family if is_running(process.pid)]
    finally:
        os.close(terminal)
        program.kill()
        program.wait()


def test_a_dynamic_pool_that_is_destroyed_while_it_grows(endure):
    async def main(guard):
        for _ in range(5):
            pool = DynamicProcessPool(0, 4, nap, tasks_queue_options={"tasks_finished_timeout": 0.0})
            await pool.start()
            futures = [guard.watch(pool.execute(600)) for _ in range(8)]
            await asyncio.sleep(0)
            before = time.monotonic()
            await pool.destroy()
            assert time.monotonic() - before < 240
            assert all(future.cancelled() for future in futures)

    endure(main)
