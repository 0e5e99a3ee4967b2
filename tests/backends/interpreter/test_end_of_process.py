"""The process ends in time and with its own exit code, whatever its interpreters do."""

import subprocess
import sys
import time

import pytest

SCRIPT = """
import asyncio
import sys
import threading
import time

from poolifier import FixedInterpreterPool


def echo(data):
    return data


def spin(_):
    while True:
        pass


def swallow(_):
    while True:
        try:
            spin(_)
        except BaseException:
            pass


def nap(_):
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass


def sleep(_):
    time.sleep(1000)


def hold(_):
    pow(3, 5_000_000)  # keeps the interpreter's lock


def leave_a_thread(_):
    threading.Thread(target=time.sleep, args=(0.5,)).start()


async def wait(_):
    await asyncio.sleep(1000)


async def swallow_async(_):
    while True:
        try:
            await wait(_)
        except BaseException:
            pass


async def spin_async(_):
    swallow(_)


async def main(function, end):
    queue = {"tasks_finished_timeout": 0.1}
    pool = FixedInterpreterPool(2, globals()[function], abort_grace=0.1, tasks_queue_options=queue)
    await pool.start()
    futures = [pool.execute(1) for _ in range(3)]
    await asyncio.sleep(0.1)
    if end == "cancel":
        for future in futures:
            future.cancel()
        await asyncio.sleep(0.3)
    elif end == "destroy":
        await pool.destroy()
    return pool, futures


kept = asyncio.run(main(*sys.argv[1:]))
print("main ends", flush=True)
sys.exit(3)
"""

FUNCTIONS = ["echo", "spin", "swallow", "nap", "sleep", "hold", "leave_a_thread", "wait", "swallow_async", "spin_async"]


@pytest.mark.parametrize("end", ["forget", "cancel", "destroy"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_script_ends(tmp_path, function, end):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, str(path), function, end], capture_output=True, text=True, timeout=300, check=False
    )
    assert (ended.returncode, ended.stdout) == (3, "main ends\n"), ended.stderr
    assert "Fatal" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    # A call that holds the lock has to be waited for.
    assert time.monotonic() - begun < 240


def test_a_command_ends():
    script = (
        "import asyncio; from poolifier import FixedInterpreterPool as Pool\n"
        "async def main():\n"
        "    async with Pool(2, len) as pool: print(await pool.execute('word'))\n"
        "asyncio.run(main())"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "4\n", "")
