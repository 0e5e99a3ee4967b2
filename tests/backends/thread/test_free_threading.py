"""Many threads at once, with and without the global interpreter lock; and visits, which there are only without it."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError

import pytest

from poolifier import FixedThreadPool
from poolifier.backends.visits import ARE_NEEDED, Visits
from poolifier.futures import ThreadPoolExecutor

without_lock = pytest.mark.skipif(not ARE_NEEDED, reason="needs a build without the global interpreter lock")

SUBMITTERS = 8
TASKS = 400

USES = """
import asyncio, pkgutil, sys
import poolifier
from poolifier import FixedThreadPool

async def main():
    async with FixedThreadPool(2, lambda number: number * 2) as pool:
        print(sum(await asyncio.gather(*map(pool.execute, range(100)))))

if __name__ == "__main__":
    for module in pkgutil.walk_packages(poolifier.__path__, "poolifier."):
        if not any(part in module.name for part in ("__main__", "ray", "_pyinstaller")):
            __import__(module.name)
    asyncio.run(main())
    print(sys._is_gil_enabled())
"""


@without_lock
def test_the_lock_stays_off(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(USES)
    done = subprocess.run([sys.executable, "-W", "error", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("9900\nFalse\n", "")


def add(number):
    return number + 1


def test_many_threads_submit():
    results = [[] for _ in range(SUBMITTERS)]
    with ThreadPoolExecutor(4) as executor:

        def submit(mine):
            for number in range(TASKS):
                mine.append(executor.submit(add, number))

        threads = [threading.Thread(target=submit, args=(mine,)) for mine in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for mine in results:
            assert [future.result(60) for future in mine] == list(range(1, TASKS + 1))


def spin(number):
    """A loop that goes through `with` statements, or returns soon."""
    lock = threading.Lock()
    end = time.monotonic() + 60
    while number % 3 == 0 and time.monotonic() < end:
        with lock:
            pass
    return number


def test_many_threads_submit_and_abort(run):
    """All are answered, the ones that go on for ever by their abort, and no worker is lost."""

    async def main():
        loop = asyncio.get_running_loop()
        async with FixedThreadPool(4, spin, abort_grace=60) as pool:
            workers = {node.id for node in pool.worker_nodes}
            answers = [[] for _ in range(SUBMITTERS)]

            async def one(number):
                return await pool.execute(number)

            def submit(mine):
                for number in range(TASKS // 4):
                    future = asyncio.run_coroutine_threadsafe(one(number), loop)
                    if number % 3 == 0:
                        time.sleep(number % 7 * 1e-4)
                        future.cancel()
                    try:
                        mine.append(future.result(60))
                    except CancelledError:
                        mine.append(None)

            await asyncio.gather(*(asyncio.to_thread(submit, mine) for mine in answers))
            for mine in answers:
                assert mine == [None if number % 3 == 0 else number for number in range(TASKS // 4)]
            assert await asyncio.gather(*map(pool.execute, [1, 2, 4, 5] * 5)) == [1, 2, 4, 5] * 5
            assert {node.id for node in pool.worker_nodes} == workers

    run(main())


class Visited:
    """A thread that runs until it is told to stop."""

    def __init__(self):
        self.seen = []
        self.over = False
        self.visits = None
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        assert self.ready.wait(60)

    def run(self):
        self.visits = Visits(self.visit)
        self.ready.set()
        while not self.over:
            pass
        self.visits.close()

    def visit(self, frame):
        self.seen.append((threading.get_ident(), frame.f_code.co_name))

    def end(self):
        self.over = True
        self.thread.join(60)


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0)


@without_lock
def test_visits_are_made_in_the_thread_where_it_stands():
    visited = Visited()
    ident = visited.thread.ident
    try:
        for number in range(1000):
            visited.visits.call()
            wait_for(lambda number=number: len(visited.seen) > number and not visited.visits.is_under_way)
    finally:
        visited.end()
    assert visited.seen == [(ident, "run")] * 1000


@without_lock
def test_visits_that_many_ask_for_come_one_at_a_time_and_none_is_lost():
    """Meanwhile the garbage collector runs in other threads, which may come upon what is dropped."""
    visited = Visited()
    ident = visited.thread.ident

    def ask():
        for _ in range(2000):
            visited.visits.call()
            wait_for(lambda: not visited.visits.is_under_way)

    def collect():
        while any(thread.is_alive() for thread in threads[1:]):
            gc.collect()
            time.sleep(0.001)

    threads = [threading.Thread(target=collect), *(threading.Thread(target=ask) for _ in range(3))]
    try:
        for thread in reversed(threads):
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: not visited.visits.is_under_way)
        before = len(visited.seen)
        visited.visits.call()
        wait_for(lambda: len(visited.seen) == before + 1)
    finally:
        visited.end()
    assert {where for where, _ in visited.seen} == {ident}
