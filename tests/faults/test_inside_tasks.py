"""What tasks do to the process they run in: it stays theirs alone, and the pool goes on."""

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from poolifier import FixedProcessPool, FixedThreadPool, SerializationError, TaskTimeoutError, WorkerCrashedError

pytestmark = pytest.mark.usefixtures("no_leaks")


def whoami(_=None):
    return os.getpid()


def use_a_pool_within(size):
    async def main():
        async with FixedProcessPool(2, whoami) as pool:
            return await asyncio.gather(*[pool.execute() for _ in range(size)])

    return os.getpid(), asyncio.run(main())


async def use_a_pool_within_async(size):
    async with FixedProcessPool(2, whoami) as pool:
        return os.getpid(), await asyncio.gather(*[pool.execute() for _ in range(size)])


@pytest.mark.parametrize("pool_class", [FixedProcessPool, FixedThreadPool])
@pytest.mark.parametrize("function", [use_a_pool_within, use_a_pool_within_async])
def test_a_pool_within_a_task(endure, pool_class, function):
    async def main(guard):
        async with pool_class(2, function) as pool:
            for outer, inner in await guard.outcomes([pool.execute(10) for _ in range(2)]):
                assert outer not in inner
                assert len(inner) == 10
            await guard.healthy(pool)

    endure(main)


def note(path, text):
    Path(path).write_text(text)


def hold_a_pool(path):
    async def main():
        async with FixedProcessPool(1, whoami) as pool:
            note(path, str(await pool.execute()))
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())


def test_a_pool_within_a_worker_that_is_killed_goes_with_it(endure, tmp_path, until):
    async def main(guard):
        async with FixedProcessPool(1, hold_a_pool) as pool:
            [error] = await guard.outcomes([pool.execute(str(tmp_path / "pid"))])
            assert isinstance(error, WorkerCrashedError)
            inner = int((tmp_path / "pid").read_text())
            await until(lambda: not psutil.pid_exists(inner) or psutil.Process(inner).status() == "zombie")
            await guard.healthy(pool)

    endure(main)


def test_a_pool_cannot_be_sent_to_its_workers(endure):
    async def main(guard):
        async with FixedProcessPool(1, whoami) as pool:
            [error] = await guard.outcomes([pool.execute(pool)])
            assert isinstance(error, SerializationError)
            assert "creates a pool" in str(error)
            await guard.healthy(pool)

    endure(main)


def shout(size):
    for _ in range(size // 100):
        print("o" * 99)
        print("e" * 99, file=sys.stderr)
    return "shouted"


@pytest.mark.once
def test_ten_megabytes_of_output(endure, capfd):
    async def main(guard):
        async with FixedProcessPool(2, shout) as pool:
            assert await guard.outcomes([pool.execute(5_000_000) for _ in range(2)]) == ["shouted"] * 2
            await guard.healthy(pool)

    endure(main)
    out, err = capfd.readouterr()
    assert len(out) == out.count("o" * 99) * 100 == 10_000_000
    assert err.count("e" * 99) == 100_000


def read_input(_):
    try:
        return sys.stdin.read(), os.read(0, 100)
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("start_method", ["fork_server", "spawn"])
def test_reading_from_standard_input(endure, start_method):
    async def main(guard):
        async with FixedProcessPool(1, read_input, start_method=start_method) as pool:
            assert await guard.outcomes([pool.execute(1)]) == [("", b"")]
            await guard.healthy(pool)

    endure(main)


def change_everything(path):
    os.chdir(path)
    os.environ.clear()
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    sys.setrecursionlimit(80)
    sys.stdout = sys.stderr = sys.stdin = None
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)


def nap(seconds):
    time.sleep(seconds)


def identify(_):
    return os.getpid()


@pytest.mark.parametrize("then", ["work", "abort"])
def test_changing_everything(endure, tmp_path, then):
    async def main(guard):
        functions = {"change": change_everything, "nap": nap, "identify": identify}
        async with FixedProcessPool(1, functions, abort_grace=60) as pool:
            here = Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGINT), sys.getrecursionlimit()
            worker = await pool.execute(None, "identify")
            assert await guard.outcomes([pool.execute(str(tmp_path), "change")]) == [None]
            if then == "abort":
                # The signal that aborts is heard again, though the task had switched it off.
                assert type(*await guard.outcomes([pool.execute(600, "nap", timeout=0.05)])) is TaskTimeoutError
            assert await pool.execute(None, "identify") == worker
            assert (Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGINT), sys.getrecursionlimit()) == here
            await guard.healthy(pool)

    endure(main)


def block_the_signal(seconds):
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    time.sleep(seconds)
    return os.getpid()


async def block_the_signal_async(seconds):
    return block_the_signal(seconds)


@pytest.mark.parametrize("function", [block_the_signal, block_the_signal_async])
def test_a_task_that_blocks_the_signal_of_aborts(endure, function):
    async def main(guard):
        functions = {"block": function, "nap": nap, "identify": identify}
        async with FixedProcessPool(1, functions, abort_grace=0.3) as pool:
            worker = await pool.execute(None, "identify")
            # While it has blocked it, its worker is deaf: the grace period ends that.
            began = time.monotonic()
            assert type(*await guard.outcomes([pool.execute(600, "block", timeout=0.1)])) is TaskTimeoutError
            successor = await pool.execute(None, "identify")
            assert time.monotonic() - began < 240
            assert successor != worker
            await guard.healthy(pool)
        async with FixedProcessPool(1, functions, abort_grace=60) as pool:
            # What it leaves behind does not make the next one deaf.
            worker = await pool.execute(0, "block")
            assert type(*await guard.outcomes([pool.execute(600, "nap", timeout=0.1)])) is TaskTimeoutError
            assert await pool.execute(None, "identify") == worker
            await guard.healthy(pool)

    endure(main)


def start_a_thread(path):
    def later():
        time.sleep(0.05)
        note(path, "done")
        threading.Event().wait()

    threading.Thread(target=later).start()
    return os.getpid()


def test_a_thread_that_outlives_its_task(endure, tmp_path, until):
    async def main(guard):
        functions = {"start": start_a_thread, "identify": identify}
        async with FixedProcessPool(1, functions, destroy_timeout=2.0) as pool:
            [worker] = await guard.outcomes([pool.execute(str(tmp_path / "path"), "start")])
            await until((tmp_path / "path").exists)
            assert await pool.execute(None, "identify") == worker
            await guard.healthy(pool)
            before = time.monotonic()
        assert time.monotonic() - before < 240, "the end of the pool is bounded"

    endure(main)


def close_everything(first):
    os.closerange(first, 4096)
    return "closed"


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("start_method", ["fork_server", "spawn"])
def test_closing_every_descriptor(endure, first, start_method):
    async def main(guard):
        functions = {"close": close_everything, "echo": str}
        options = {"restart_limit": None, "start_method": start_method}
        async with FixedProcessPool(2, functions, **options) as pool:
            closing = pool.execute(first, "close")
            others = [pool.execute(number, "echo") for number in range(50)]
            [outcome] = await guard.outcomes([closing])
            # Its result stands in shared memory, from where it is taken; a worker that cannot be reached ends.
            assert outcome == "closed" or isinstance(outcome, WorkerCrashedError)
            assert await guard.outcomes(others) == [str(number) for number in range(50)]
            await guard.healthy(pool)

    endure(main)


def use_up_descriptors(_):
    try:
        while True:
            os.open(os.devnull, os.O_RDONLY)
    except OSError as error:
        return str(error)


def test_using_up_every_descriptor(endure):
    """Large data needs one, once in a worker's life; a worker that has none left gives way to another."""

    async def main(guard):
        functions = {"use up": use_up_descriptors, "echo": bytes, "identify": identify}
        async with FixedProcessPool(1, functions) as pool:
            [said] = await guard.outcomes([pool.execute(None, "use up")])
            assert "Too many open files" in said
            worker = await pool.execute(None, "identify")
            data = os.urandom(1 << 20)
            assert await guard.outcomes([pool.execute(data, "echo") for _ in range(5)]) == [data] * 5
            assert await pool.execute(None, "identify") != worker
            assert pool.info.failed_tasks == 0
            await guard.healthy(pool)

    endure(main)


def test_a_worker_that_is_stopped(endure):
    """It cannot be told from one that takes long. A time limit ends it, and so does the end of the pool."""

    async def main(guard):
        options = {"abort_grace": 0.3, "exit_timeout": 0.1}
        async with FixedProcessPool(2, {"nap": nap, "echo": str}, **options) as pool:
            stuck = pool.execute(600, "nap", timeout=0.3)
            node = next(node for node in pool.worker_nodes if node.usage.tasks.executing)
            os.kill(node.pid, signal.SIGSTOP)
            others = [pool.execute(number, "echo") for number in range(50)]
            assert await guard.outcomes(others) == [str(number) for number in range(50)]
            assert type(*await guard.outcomes([stuck])) is TaskTimeoutError
            await guard.healthy(pool)
            for node in pool.worker_nodes:
                os.kill(node.pid, signal.SIGSTOP)
            waiting = guard.watch(pool.execute(1, "nap"))
            before = time.monotonic()
        assert waiting.cancelled()
        assert time.monotonic() - before < 240

    endure(main)


def test_signals_to_a_worker_do_not_run_handlers_of_the_parent(endure):
    heard = []

    async def main(guard):
        names = ["SIGINT", "SIGUSR1", "SIGTERM", "SIGHUP"]
        before = {name: signal.signal(getattr(signal, name), lambda *_: heard.append(os.getpid())) for name in names}
        try:
            async with FixedProcessPool(1, whoami, restart_limit=None) as pool:
                for name in names:
                    worker = await pool.execute()
                    os.kill(worker, getattr(signal, name))
                    await guard.outcomes([pool.execute()])
                await guard.healthy(pool)
        finally:
            for name, handler in before.items():
                signal.signal(getattr(signal, name), handler)

    endure(main)
    assert heard == []
