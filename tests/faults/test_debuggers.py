"""Tools that attach to a running worker: what they see, and that they lose nothing."""

import asyncio
import os
import subprocess
import sys
from time import monotonic

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, send_message

needs_remote_exec = pytest.mark.skipif(sys.version_info < (3, 14), reason="sys.remote_exec is new in Python 3.14")

SCRIPT = """
import time
from pathlib import Path

Path({began!r}).touch()
while not Path({end!r}).exists():
    pass
Path({ended!r}).touch()
"""


def spin_for_ever(_):
    send_message("begun")
    while True:
        pass


def spin_with_calls(_):
    send_message("begun")
    while True:
        monotonic()


async def wait_for_ever(_):
    send_message("begun")
    await asyncio.Event().wait()


FUNCTIONS = {
    "spin_for_ever": spin_for_ever,
    "spin_with_calls": spin_with_calls,
    "wait_for_ever": wait_for_ever,
    "abs": abs,
}


def worker_of(pool):
    """The process in which the tasks of a pool of one worker run."""
    return pool.worker_nodes[0].pid or os.getpid()


@needs_remote_exec
@pytest.mark.parametrize("name", ["spin_for_ever", "spin_with_calls"])
@pytest.mark.parametrize("pool_type", [FixedProcessPool, FixedInterpreterPool])
def test_an_abort_in_a_remote_script_is_not_lost(run, until, tmp_path, pool_type, name):
    began, end, ended = (tmp_path / mark for mark in ("began", "end", "ended"))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(began=str(began), end=str(end), ended=str(ended)))

    async def main():
        heard = []
        options = {"abort_grace": 300, "message_handler": lambda _, message: heard.append(message)}
        async with pool_type(1, FUNCTIONS, **options) as pool:
            spinning = pool.execute(None, name)
            await until(lambda: heard)
            sys.remote_exec(worker_of(pool), str(script))
            await until(began.exists)
            spinning.cancel()
            next_one = pool.execute(-1, "abs")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(next_one), 0.1)
            end.touch()
            # The script was not interrupted, and the task was, behind it.
            assert await asyncio.wait_for(next_one, 120) == 1
            assert ended.exists()

    run(main())


WHERE = """
import os
from concurrent import interpreters

with open({answer!r} + ".part", "w") as part:
    part.write(str(interpreters.get_current().id))
os.rename(part.name, {answer!r})
"""


@needs_remote_exec
def test_a_remote_script_is_run_by_an_interpreter_if_there_are_any(run, until, tmp_path):
    """By that which was made last; CPython does not say so."""
    answer, script = tmp_path / "answer", tmp_path / "script.py"
    script.write_text(WHERE.format(answer=str(answer)))

    async def main():
        heard = []
        async with FixedInterpreterPool(1, FUNCTIONS, message_handler=lambda _, message: heard.append(message)) as pool:
            spinning = pool.execute(None, "spin_with_calls")
            await until(lambda: heard)
            sys.remote_exec(os.getpid(), str(script))
            await until(answer.exists)
            assert int(answer.read_text()) != 0
            spinning.cancel()
            assert await pool.execute(-1, "abs") == 1

    run(main())


async def told(*arguments):
    command = [sys.executable, "-m", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    if "permission" in done.stderr.lower():
        pytest.skip("no process may look into another one here")
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_remote_exec
def test_asyncio_lists_what_a_worker_awaits(run, until):
    async def main():
        heard = []
        async with FixedProcessPool(1, FUNCTIONS, message_handler=lambda _, message: heard.append(message)) as pool:
            waiting = pool.execute(None, "wait_for_ever")
            await until(lambda: heard)
            # Named for the task function.
            listed = await told("asyncio", "ps", str(worker_of(pool)))
            assert any("wait_for_ever  " in line and "wait_for_ever -> " in line for line in listed.splitlines())
            waiting.cancel()

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 15), reason="profiling.sampling is new in Python 3.15")
def test_a_worker_can_be_profiled(run, until, tmp_path):
    async def main():
        heard = []
        async with FixedProcessPool(1, FUNCTIONS, message_handler=lambda _, message: heard.append(message)) as pool:
            spinning = pool.execute(None, "spin_with_calls")
            await until(lambda: heard)
            worker, report = worker_of(pool), tmp_path / "stacks.txt"
            assert "spin_with_calls" in await told("profiling.sampling", "dump", str(worker))
            options = ("-d", "1", "--collapsed", "-o", str(report))
            await told("profiling.sampling", "attach", *options, str(worker))
            assert "test_debuggers.py:spin_with_calls" in report.read_text()
            # It has not harmed the worker.
            spinning.cancel()
            assert await pool.execute(-1, "abs") == 1
            assert worker_of(pool) == worker

    run(main())
