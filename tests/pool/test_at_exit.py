"""The program ends while an event loop in a daemon thread has a pool, as in a web application: quietly, and at once."""

import subprocess
import sys
import time

import pytest

SCRIPT = """
import asyncio
import sys
import threading
import time

import poolifier

ready = threading.Event()


async def main():
    async with getattr(poolifier, sys.argv[1])(2, {"abs": abs, "sleep": time.sleep}) as pool:
        await pool.execute(-1, "abs")
        ready.set()
        if sys.argv[2] == "stuck":
            time.sleep(3600)
        await asyncio.sleep(3600)


threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
ready.wait()
"""

POOLS = ["FixedProcessPool", "FixedThreadPool"]
if sys.version_info >= (3, 13):
    POOLS.append("FixedInterpreterPool")


@pytest.mark.parametrize("pool", POOLS)
def test_the_program_ends_quietly(pool):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, pool, "free"], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_loop_that_is_stuck_does_not_keep_the_program_from_ending():
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", SCRIPT, "FixedProcessPool", "stuck"], capture_output=True, timeout=300, check=True
    )
    assert time.monotonic() - began < 50


STARTS = """
import asyncio
import sys
import threading
import time

import poolifier

starting = threading.Event()


async def main():
    # Its workers are not ready before the end of the program.
    async with getattr(poolifier, sys.argv[1])(2, abs, initializer=time.sleep, initargs=(2,)):
        print("too late")


async def watched():
    task = asyncio.create_task(main())
    await asyncio.sleep(0.1)
    starting.set()
    await task


threading.Thread(target=asyncio.run, args=(watched(),), daemon=True).start()
starting.wait()
"""


@pytest.mark.parametrize("pool", POOLS)
def test_the_program_ends_while_a_pool_starts(pool):
    done = subprocess.run([sys.executable, "-c", STARTS, pool], capture_output=True, text=True, timeout=60, check=True)
    assert "Traceback" not in done.stderr
    assert not done.stdout
