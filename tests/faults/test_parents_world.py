"""What happens to the process that has the pool: it forks, it is at its limits, its other threads are busy."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import pytest

from poolifier import DynamicProcessPool, FixedProcessPool, FixedThreadPool, PoolFailedError, WorkerCrashedError

pytestmark = pytest.mark.usefixtures("no_leaks")


def echo(data):
    return data


def in_a_fork(code):
    """What code says in a child that is forked off here."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Of what other threads may have locked, which this child does not touch.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        said = b"nothing"
        try:
            said = repr(code()).encode()
        except BaseException as error:
            said = f"raised {error!r}".encode()
        finally:
            os.write(write, said)
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    said = os.read(read, 65536).decode()
    os.close(read)
    return said


@pytest.mark.parametrize("pool_class", [FixedProcessPool, FixedThreadPool])
def test_a_fork_of_the_parent_is_told_at_once(endure, pool_class):
    async def main(guard):
        async with pool_class(2, echo) as pool:
            running = [pool.execute(number) for number in range(100)]
            for use in (
                lambda: pool.execute(1),
                lambda: pool.stream(1),
                lambda: pool.submit(1).send(None),
                lambda: pool.map_execute([1]).send(None),
                lambda: pool.destroy().send(None),
                lambda: pool.add_task_function("more", echo).send(None),
            ):
                said = in_a_fork(use)
                assert said.startswith("raised RuntimeError"), said
                assert "was forked off" in said
                assert "create a pool here" in said
            assert await guard.outcomes(running) == list(range(100))
            await guard.healthy(pool)

    endure(main)


def test_a_fork_of_the_parent_can_have_a_pool_of_its_own(endure):
    def use_another():
        async def main():
            async with FixedProcessPool(1, echo) as pool:
                return await pool.execute("from the fork")

        return asyncio.run(main())

    async def main(guard):
        async with FixedProcessPool(1, echo) as pool:
            assert in_a_fork(use_another) == "'from the fork'"
            assert await guard.outcomes([pool.execute(1)]) == [1]
            await guard.healthy(pool)

    endure(main)


def test_threads_of_the_parent_that_log_and_allocate(endure):
    """None of their locks is in the way of a worker that is started meanwhile."""
    stop = threading.Event()
    logger = logging.getLogger("tests.faults.busy")
    logger.propagate = False
    logger.addHandler(logging.FileHandler(os.devnull))

    def be_busy():
        while not stop.is_set():
            logger.warning("busy %s", [bytearray(1000) for _ in range(10)])

    async def main(guard):
        threads = [threading.Thread(target=be_busy) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            async with DynamicProcessPool(0, 2, echo) as pool:
                assert await guard.outcomes([pool.execute(number) for number in range(20)]) == list(range(20))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            logger.handlers[0].close()
            logger.handlers.clear()

    endure(main)


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


class FewDescriptors:
    """Leaves this process so many descriptors, and no more."""

    def __init__(self, free):
        self.free = free
        self.taken = []

    def __enter__(self):
        self.before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        self.take_all()
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(highest + 1 + self.free, soft), hard))
        return self

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_NOFILE, self.before)
        for fd in self.taken:
            os.close(fd)

    def take_all(self):
        """Takes what has become free."""
        with contextlib.suppress(OSError):
            while True:
                self.taken.append(os.open(os.devnull, os.O_RDONLY))


def test_however_few_descriptors_are_left_a_start_succeeds_or_says_so(endure):
    said = []

    async def main(guard):
        for free in range(40):
            before = descriptors()
            pool = FixedProcessPool(2, echo)
            with FewDescriptors(free):
                try:
                    await pool.start()
                except OSError as error:
                    said.append(str(error))
                    started = False
                else:
                    started = True
                    data = b"x" * 100_000
                    large, small = await guard.outcomes([pool.execute(data), pool.execute(1)])
                    assert small == 1
                    # Memory is shared by descriptors, of which one may have been lost.
                    assert large == data or "too many of them" in str(large)
            if started:
                # It is lost no longer than there is no room.
                await guard.outcomes([pool.execute(data) for _ in range(10)])
                assert await guard.outcomes([pool.execute(data) for _ in range(50)]) == [data] * 50
                await guard.healthy(pool)
                await pool.destroy()
            assert descriptors() == before, free
            if started:
                return
        raise AssertionError(f"it never had enough: {said}")

    endure(main)
    assert len(said) > 10
    assert all("Too many open files" in text for text in said), said


def test_without_descriptors_the_pool_says_so_and_recovers(endure, until):
    errors = []

    async def main(guard):
        async with DynamicProcessPool(1, 2, echo, error_handler=lambda _, error: errors.append(error)) as pool:
            assert await pool.execute(0) == 0
            with FewDescriptors(0):
                futures = [pool.execute(number) for number in range(10)]
                assert await guard.outcomes(futures) == list(range(10)), "the worker that is there does it all"
                await until(lambda: errors)
                assert "Too many open files" in str(errors[0])
            await guard.healthy(pool)

    endure(main)


def test_without_descriptors_for_good_the_pool_fails_with_the_cause(endure, until):
    async def main(guard):
        async with FixedProcessPool(1, echo, restart_limit=(2, 10.0)) as pool:
            os.kill(pool.worker_nodes[0].pid, signal.SIGSTOP)
            waiting = [pool.execute(number) for number in range(5)]
            with FewDescriptors(0) as few:
                # What the dead worker had is taken before its replacement can have it.
                pool.emitter.on("error", lambda _: few.take_all())
                os.kill(pool.worker_nodes[0].pid, signal.SIGKILL)
                outcomes = await guard.outcomes(waiting)
            assert all(isinstance(outcome, PoolFailedError | WorkerCrashedError) for outcome in outcomes), outcomes
            assert isinstance(outcomes[-1].__cause__, OSError)

    endure(main)


PROCESSES = textwrap.dedent(
    """
    import asyncio, ctypes, os, resource, signal, subprocess, sys, time

    if sys.argv[1] == "drop":
        # Root has no limit of processes, so this process must not be it, nor have its privileges.
        if os.geteuid() == 0:
            libc = ctypes.CDLL(None, use_errno=True)
            for privilege in (21, 24):
                assert libc.prctl(24, privilege, 0, 0, 0) == 0
            os.setresuid(40000 + os.getpid() % 20000, 0, 0)
        os.execv(sys.executable, [sys.executable, sys.argv[0], "go"])

    from poolifier import FixedProcessPool

    def own():
        mine = os.getresuid()[0]
        count = 0
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    status = open(f"/proc/{name}/status").read()
                except OSError:
                    continue
                uid = int(status.split("Uid:")[1].split()[0])
                count += int(status.split("Threads:")[1].split()[0]) * (uid == mine)
        return count

    def limit(number):
        resource.setrlimit(resource.RLIMIT_NPROC, (number, hard))

    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]

    async def main():
        for extra in range(5):
            limit(own() + extra)
            pool = FixedProcessPool(2, abs)
            began = time.monotonic()
            try:
                await pool.start()
            except OSError as error:
                print("refused", extra, error, flush=True)
                assert time.monotonic() - began < 240
                continue
            assert await pool.execute(-1) == 1
            print("started", extra, flush=True)
            await pool.destroy()
        errors = []
        limit(own() + 3)
        async with FixedProcessPool(2, abs, error_handler=lambda _, error: errors.append(error)) as pool:
            # The fork server keeps its limit, which others now fill.
            limit(soft)
            others = [subprocess.Popen(["sleep", "600"]) for _ in range(5)]
            os.kill(pool.worker_nodes[0].pid, signal.SIGKILL)
            while len(errors) < 2:
                await asyncio.sleep(0.001)
            print("said", errors[1], flush=True)
            assert await pool.execute(-2) == 2
            for other in others:
                other.kill()
                other.wait()
            while not (pool.info.ready and pool.info.worker_nodes == 2):
                await asyncio.sleep(0.001)
            assert await asyncio.gather(*[pool.execute(-number) for number in range(10)]) == list(range(10))
        print("recovered")

    asyncio.run(asyncio.wait_for(main(), 240))
    """
)


def test_however_few_processes_are_left_a_start_succeeds_or_says_so_and_a_pool_recovers(tmp_path):
    script = tmp_path / "processes.py"
    script.write_text(PROCESSES)
    done = subprocess.run([sys.executable, script, "drop"], capture_output=True, text=True, timeout=300, check=False)
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr + done.stdout
    assert said[-1] == "recovered"
    assert said[0].startswith("refused 0")
    assert "started 4" in said
    assert all("temporarily unavailable" in line for line in said if line.startswith(("refused", "said")))
    assert any(line.startswith("said") for line in said)
