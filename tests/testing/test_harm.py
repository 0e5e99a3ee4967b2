"""The log of starts: one file that workers of every kind write to, and none leaves open."""

import sys
import threading
from pathlib import Path

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool
from poolifier.testing.harm import StartLog

POOLS = [FixedProcessPool, FixedThreadPool]
if sys.version_info >= (3, 13):
    POOLS.append(FixedInterpreterPool)


def open_here(path):
    return [fd for fd in Path("/proc/self/fd").iterdir() if fd.resolve() == path]


@pytest.mark.parametrize("pool_class", POOLS)
def test_it_travels_with_each_task_and_is_opened_once(run, until, tmp_path, pool_class):
    path = tmp_path / "started"

    def note(task):
        from pathlib import Path

        number, log = task
        log.note(number)
        return len([fd for fd in Path("/proc/self/fd").iterdir() if str(fd.resolve()) == log.path])

    async def main():
        async with pool_class(1, note) as pool:
            for number in range(50):
                # Pickled by itself each time.
                assert await pool.execute((number, StartLog(path))) == 1
        assert StartLog(path).counts() == dict.fromkeys(range(50), 1)
        StartLog(path).close()
        await until(lambda: not open_here(path))

    run(main())


def test_threads_that_open_it_at_once_leave_one_open(tmp_path):
    path = tmp_path / "started"
    for _ in range(20):
        start = threading.Barrier(8)

        def note(start=start):
            start.wait()
            StartLog(path).note(7)

        threads = [threading.Thread(target=note) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(open_here(path)) == 1
        StartLog(path).close()
        assert not open_here(path)
    assert StartLog(path).counts() == {7: 160}
