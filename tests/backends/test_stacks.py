"""Looking at the stack of another thread, where other interpreters run as well."""

import subprocess
import sys
import threading

import pytest

from poolifier.backends import stacks
from poolifier.backends.stacks import innermost, own_stack


@pytest.mark.parametrize("shared", [False, True])
def test_where_another_thread_is(monkeypatch, shared):
    monkeypatch.setattr(stacks, "shared", shared)
    ready, end, found = threading.Event(), threading.Event(), []

    def linger():
        found.append(own_stack())
        ready.set()
        end.wait()

    thread = threading.Thread(target=linger)
    thread.start()
    try:
        assert ready.wait(120)
        frame, names = innermost(thread.ident, found[0]), []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        assert "linger" in names
    finally:
        end.set()
        thread.join()


def test_among_interpreters_one_has_to_say_it_first(monkeypatch):
    monkeypatch.setattr(stacks, "shared", True)
    assert innermost(threading.get_ident(), 0) is None


SCRIPT = """
import asyncio, sys, time
from poolifier import FixedInterpreterPool, FixedThreadPool

def count(data):
    seconds, step = data
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number = step(number)
    return number

def step(number):
    return number + 1

async def main():
    counting, sleeping = FixedInterpreterPool(2, count), FixedThreadPool(2, time.sleep)
    first, second = (counting, sleeping) if sys.argv[1] == "interpreters" else (sleeping, counting)
    async with first, second:
        counts = [counting.execute((3.5, step)) for _ in range(2)]
        # For longer than it takes until it is looked whether they wait for each other.
        await asyncio.gather(*(sleeping.execute(1.5) for _ in range(4)))
        for _ in range(20):
            future = sleeping.execute(600)
            await asyncio.sleep(0.01)
            future.cancel()
        assert all(await asyncio.gather(*counts))
    print("lived")

asyncio.run(main())
"""


@pytest.mark.skipif(sys.version_info < (3, 13), reason="there are no pools of interpreters")
@pytest.mark.parametrize("first", ["interpreters", "threads"])
def test_threads_are_looked_at_while_interpreters_run(first):
    """It was done by `sys._current_frames`, which ended the process: what it does is not safe there."""
    script = [sys.executable, "-c", SCRIPT, first]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "lived\n"), done.stderr
