"""What only thread workers do: references, contexts, abandoned threads, one wake-up for many replies."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

from poolifier import DynamicThreadPool, FixedThreadPool, PoolEvent, WorkerCrashedError, send_message

user = ContextVar("user", default="nobody")


def who(_):
    found = user.get()
    user.set("changed by the task")
    return found


async def who_async(_):
    await asyncio.sleep(0)
    found = user.get()
    user.set("changed by the task")
    return found


def whos(count):
    for _ in range(count):
        yield user.get()


async def whos_async(count):
    for _ in range(count):
        await asyncio.sleep(0)
        yield user.get()


FUNCTIONS = {"who": who, "who_async": who_async, "whos": whos, "whos_async": whos_async}


@pytest.mark.parametrize("name", ["who", "who_async"])
def test_the_callers_context_reaches_the_task_and_stays_his(run, name):
    async def main():
        async with FixedThreadPool(2, FUNCTIONS, tasks_queue_options={"concurrency": 3}) as pool:

            async def client(label):
                user.set(label)
                futures = [pool.execute(None, name) for _ in range(10)]
                user.set("changed by the caller")
                return await asyncio.gather(*futures)

            assert await asyncio.gather(*(client(n) for n in range(10))) == [[n] * 10 for n in range(10)]
            assert await pool.execute(None, name) == "nobody"

    run(main())


@pytest.mark.parametrize("name", ["whos", "whos_async"])
@pytest.mark.parametrize("loop_first", [False, True])
def test_it_reaches_generators(run, name, loop_first):
    async def main():
        async with FixedThreadPool(1, FUNCTIONS) as pool:
            if loop_first:
                await pool.execute(None, "who_async")
            user.set("me")
            stream = pool.stream(40, name, buffer=3)
            user.set("not me any more")
            assert {item async for item in stream} == {"me"}

    run(main())


@pytest.mark.parametrize("name", ["who", "who_async"])
def test_it_reaches_maps(run, name):
    async def main():
        async with FixedThreadPool(2, FUNCTIONS) as pool:
            user.set("me")
            assert set(await pool.map_execute(range(300), name)) == {"me"}
            assert {item async for item in pool.map_unordered(range(300), name, chunksize=50)} == {"me"}

    run(main())


def block(gates):
    """Waits in C, where nothing can be raised in it, until the gate is opened."""
    begun, gate = gates
    begun.set()
    gate.acquire()
    gate.release()
    return "late"


@pytest.fixture
def shut():
    """Gates for `block`, shut for so long as a test lasts, or until it opens them."""
    gate = threading.Lock()
    gate.acquire()
    yield threading.Event(), gate
    if gate.locked():
        gate.release()


def test_a_thread_that_cannot_be_stopped_is_abandoned_replaced_and_reported(run, until, caplog, shut):
    async def main():
        threads = threading.active_count()
        errors = []
        async with FixedThreadPool(1, block, abort_grace=0.05, error_handler=lambda *said: errors.append(said)) as pool:
            events = []
            pool.emitter.on(PoolEvent.ERROR, events.append)
            stuck = pool.worker_nodes[0]
            future = pool.execute(shut)
            await until(shut[0].is_set)
            future.cancel()
            assert await pool.execute((threading.Event(), threading.Lock())) == "late"
            assert pool.worker_nodes[0].id != stuck.id
            ((node, error),) = errors
            assert (node.id, type(error)) == (stuck.id, WorkerCrashedError)
            assert "abandoned" in str(error)
            assert events == [error]
            assert pool.info.executed_tasks == 1
        assert "is abandoned" in caplog.text
        assert f"poolifier: {pool.info.name} worker {stuck.id}" in caplog.text
        shut[1].release()
        await until(lambda: threading.active_count() == threads)

    with caplog.at_level(logging.WARNING, "poolifier"):
        run(main())


def test_destroy_does_not_wait_for_what_is_stuck(run, until, caplog, shut):
    async def main():
        threads = threading.active_count()
        pool = FixedThreadPool(1, block, abort_grace=0.1, tasks_queue_options={"tasks_finished_timeout": 0.1})
        await pool.start()
        future = pool.execute(shut)
        await until(shut[0].is_set)
        await pool.destroy()
        assert future.cancelled()
        assert "go on after the pool's end" in caplog.text
        shut[1].release()
        await until(lambda: threading.active_count() == threads)

    run(main())


def test_a_start_that_hangs_can_be_left(run, until):
    go_on = threading.Event()

    async def main():
        threads = threading.active_count()
        pool = FixedThreadPool(1, who, initializer=go_on.wait, abort_grace=0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.start(), 0.2)
        go_on.set()
        await until(lambda: threading.active_count() == threads)

    run(main())


def test_one_wake_up_for_many_replies(run):
    async def main():
        async with FixedThreadPool(1, who) as pool:
            await asyncio.gather(*(pool.execute() for _ in range(100)))
            loop = asyncio.get_running_loop()
            call_soon_threadsafe = loop.call_soon_threadsafe
            calls = []

            def counted(*arguments, **options):
                calls.append(arguments)
                return call_soon_threadsafe(*arguments, **options)

            loop.call_soon_threadsafe = counted
            await asyncio.gather(*(pool.execute() for _ in range(2000)))
            assert len(calls) < 200

    run(main())


def refused(_):
    """What a thread of the task's own is told when it sends a message."""
    said = []

    def send():
        try:
            send_message(1)
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    return said


def test_a_thread_that_belongs_to_no_worker_has_nobody_to_send_to(run):
    async def main():
        async with FixedThreadPool(1, refused) as pool:
            assert ["there is nobody" in text for text in await pool.execute()] == [True]

    run(main())


@pytest.mark.parametrize("option", ["env", "nice", "cpu_affinity", "start_method", "preload"])
def test_options_of_processes_are_refused(option):
    with pytest.raises(TypeError, match=rf"no option '{option}': it is one of process pools"):
        FixedThreadPool(1, who, **{option: None})
    with pytest.raises(TypeError, match=r"it is one of Ray pools"):
        DynamicThreadPool(1, 2, who, ray_options={})


@pytest.mark.parametrize("ending", ["await asyncio.sleep(0.1)", "raise SystemExit(0)", "future.cancel()"])
def test_the_interpreter_ends_whatever_threads_do(ending):
    script = f"""
import asyncio, sys, time
from poolifier import FixedThreadPool
async def main():
    pool = FixedThreadPool(2, time.sleep)
    await pool.start()
    future = pool.execute(3600)
    await asyncio.sleep(0.05)
    {ending}
asyncio.run(main())
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 240


def test_a_pool_of_plain_functions_needs_neither_ctypes_nor_pickle():
    script = """
import asyncio, sys
from poolifier import FixedThreadPool
async def main():
    async with FixedThreadPool(2, len) as pool:
        assert await pool.execute("four") == 4
before = {name for name in ("ctypes", "cloudpickle") if name in sys.modules}
asyncio.run(main())
assert not {name for name in ("ctypes", "cloudpickle") if name in sys.modules} - before
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)


SLOW_MODULE = """
import time
from pathlib import Path
here = Path(__file__).parent
while not (here / "go").exists():
    time.sleep(0.001)
"""


def import_slow(_):
    import slow_to_import

    return slow_to_import.here


def waits_for_an_import(ident):
    frame = sys._current_frames()[ident]
    while frame is not None and "importlib._bootstrap" not in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None


def test_a_task_that_waits_for_an_import_of_another_can_be_aborted(run, until, tmp_path, monkeypatch):
    """Its exception would leave the lock of the module as it is, and whoever waits for that would wait for ever."""
    (tmp_path / "slow_to_import.py").write_text(SLOW_MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    async def main():
        async with FixedThreadPool(4, import_slow, abort_grace=30) as pool:
            futures = [pool.execute() for _ in range(4)]
            workers = [channel.worker for channel in pool._driver.channels.values()]
            await until(lambda: all(worker.task and waits_for_an_import(worker.ident) for worker in workers))
            for future in futures[1:3]:
                future.cancel()
            (tmp_path / "go").touch()
            assert await asyncio.gather(futures[0], futures[3]) == [tmp_path] * 2
            assert await asyncio.gather(*(pool.execute() for _ in range(20))) == [tmp_path] * 20

    try:
        run(main())
    finally:
        sys.modules.pop("slow_to_import", None)
