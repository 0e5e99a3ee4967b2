"""The error of a time limit tells where the task stood."""

import asyncio
import hashlib
import re
import time

import pytest

from poolifier import TaskTimeoutError, send_message
from poolifier.pool import time_outs


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """However busy the machine is, the stack comes some time."""
    monkeypatch.setattr(time_outs, "_PATIENCE", 200.0)


def doze(seconds):
    innermost(seconds)


def innermost(seconds):
    send_message("there")
    time.sleep(seconds)


async def doze_async(seconds):
    await innermost_async(seconds)


async def innermost_async(seconds):
    send_message("there")
    await asyncio.sleep(seconds)


def doze_between(seconds):
    yield 1
    innermost(seconds)
    yield 2


async def doze_between_async(seconds):
    yield 1
    await innermost_async(seconds)
    yield 2


def compute(seconds):
    """In C code, which runs no handlers of signals."""
    send_message("there")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000)


FUNCTIONS = {
    "doze": doze,
    "doze_async": doze_async,
    "doze_between": doze_between,
    "doze_between_async": doze_between_async,
}


def calls(error):
    return re.findall(r'File ".*test_time_limit_stacks.py", line \d+, in (\w+)', error.stack)


async def error_of(kind, functions, name):
    """What a task raises whose time is over when it has slept, or computed, for a while.

    It has twice as much time in each attempt, until it comes to that on this machine.
    """
    # From an actor messages come late.
    limit = 1.5 if kind.name == "ray" else 0.3
    heard = []
    options = {"name": "late", "message_handler": lambda *_: heard.append(time.monotonic())}
    async with kind.fixed(1, functions, **options) as pool:
        while True:
            with pytest.raises(TaskTimeoutError) as caught:
                if "between" in name:
                    async for _ in pool.stream(8 * limit, name, timeout=limit):
                        pass
                else:
                    await pool.execute(8 * limit, name, timeout=limit)
            if kind.name == "ray" or (heard and time.monotonic() - heard.pop() > limit / 2):
                return caught.value
            heard.clear()
            limit *= 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_tells_every_call_of_the_task_and_no_other(run, kind, name):
    async def main():
        error = await error_of(kind, FUNCTIONS, name)
        inner = "innermost_async" if "async" in name else "innermost"
        if kind.name == "ray" and name == "doze_between_async":
            # What such a generator awaits is not told there: see docs/how-to/time-limits.md.
            assert calls(error) == [], error.stack
            return
        assert calls(error) == [name, inner], error.stack
        assert "sleep(seconds)" in error.stack
        assert "poolifier/worker" not in error.stack
        [note] = error.__notes__
        assert note.endswith(error.stack)
        assert error.pool_name == "late"

    run(main())


@pytest.mark.parametrize("name", ["doze", "doze_between"])
def test_a_plain_pool(run, kind, name):
    """Without an event loop in the worker it goes another way."""

    async def main():
        error = await error_of(kind, {"doze": doze, "doze_between": doze_between}, name)
        assert calls(error) == [name, "innermost"], error.stack

    run(main())


def test_a_task_in_c_code(run, kind):
    async def main():
        error = await error_of(kind, {"compute": compute}, "compute")
        assert calls(error) == ["compute"], error.stack

    run(main())


def test_a_function_that_is_not_written_in_python(run, kind):
    async def main():
        limit, stack = 0.3, ""
        async with kind.fixed(1, {"sleep": time.sleep}) as pool:
            while stack == "" and limit < 100:
                # Until there is time for the worker to begin with it, on this machine.
                with pytest.raises(TaskTimeoutError) as caught:
                    await pool.execute(4 * limit, timeout=limit)
                stack = caught.value.stack
                limit *= 2
        assert stack == "  in 'sleep', which is not written in Python\n"

    run(main())
