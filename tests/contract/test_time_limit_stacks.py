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


async def doze_within(seconds):
    """Another generator is what waits, and neither `async for` nor `anext` has a frame of its own."""
    async for item in within(seconds):
        yield item


async def within(seconds):
    generator = doze_between_async(seconds)
    yield await anext(generator)
    yield await anext(generator, None)


async def doze_at_the_end(seconds):
    """The generator waits while it is closed."""
    generator = closed_slowly(seconds)
    await anext(generator)
    await generator.aclose()


async def closed_slowly(seconds):
    try:
        yield 1
    finally:
        await innermost_async(seconds)


class Awaitable:
    def __init__(self, seconds):
        self.seconds = seconds

    def __await__(self):
        return innermost_async(self.seconds).__await__()


async def doze_by_a_method(seconds):
    await Awaitable(seconds)


async def block_between_async(seconds):
    """It keeps the event loop from all else."""
    yield 1
    innermost(seconds)


def count(_):
    yield from numbers()


def numbers():
    while True:
        yield 1


async def count_async(_):
    while True:
        yield 1


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
                if "between" in name or name == "doze_within":
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
        assert calls(error) == [name, inner], error.stack
        assert "sleep(seconds)" in error.stack
        assert "poolifier/worker" not in error.stack
        [note] = error.__notes__
        assert note.endswith(error.stack)
        assert error.pool_name == "late"

    run(main())


NESTED = {
    "doze_within": ("doze_within", "within", "doze_between_async", "innermost_async"),
    "doze_at_the_end": ("doze_at_the_end", "closed_slowly", "innermost_async"),
    "doze_by_a_method": ("doze_by_a_method", "innermost_async"),
}


@pytest.mark.parametrize("name", NESTED)
def test_it_tells_what_the_task_waits_for_through_whatever_stands_between(run, kind, name):
    async def main():
        error = await error_of(kind, {each: globals()[each] for each in NESTED}, name)
        assert calls(error) == list(NESTED[name]), error.stack

    run(main())


def test_an_asynchronous_function_that_blocks_its_event_loop(run, kind, monkeypatch):
    if kind.name == "interpreter":
        # Only that loop could answer. See docs/how-to/time-limits.md.
        monkeypatch.setattr(time_outs, "_PATIENCE", 0.1)

    async def main():
        error = await error_of(kind, {"block_between_async": block_between_async}, "block_between_async")
        expected = [] if kind.name == "interpreter" else ["block_between_async", "innermost"]
        assert calls(error) == expected, error.stack

    run(main())


@pytest.mark.parametrize("functions", [{"count": count}, {"count": count, "count_async": count_async}], ids=len)
def test_a_generator_that_waits_for_its_reader_stands_at_its_yield(run, until, kind, functions):
    """What waits for the reader is none of the task's."""

    async def main():
        async with kind.fixed(1, functions) as pool:
            for name in functions:
                failed = pool.info.failed_tasks
                stream = pool.stream(None, name, timeout=1.5 if kind.name == "ray" else 0.3)
                await anext(stream)
                await until(lambda failed=failed: pool.info.failed_tasks > failed, 60)
                with pytest.raises(TaskTimeoutError) as caught:
                    async for _ in stream:
                        pass
                expected = ["count", "numbers"] if name == "count" else [name]
                assert calls(caught.value) == expected, caught.value.stack
                assert caught.value.stack.count("File") == len(expected), caught.value.stack

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
