"""The error of a time limit tells where the task stood."""

import asyncio
import hashlib
import re
import time

import pytest

from poolifier import TaskTimeoutError
from poolifier.pool import time_outs


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """However busy the machine is, the stack comes some time."""
    monkeypatch.setattr(time_outs, "_PATIENCE", 20.0)


def doze(seconds):
    innermost(seconds)


def innermost(seconds):
    time.sleep(seconds)


async def doze_async(seconds):
    await innermost_async(seconds)


async def innermost_async(seconds):
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


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_tells_every_call_of_the_task_and_no_other(run, kind, name):
    # By then it has to have come to where it sleeps; an actor hears of it late.
    limit = 1.5 if kind.name == "ray" else 0.3

    async def main():
        async with kind.fixed(1, FUNCTIONS) as pool:
            with pytest.raises(TaskTimeoutError) as caught:
                if "between" in name:
                    async for _ in pool.stream(6.0, name, timeout=limit):
                        pass
                else:
                    await pool.execute(6.0, name, timeout=limit)
        error = caught.value
        inner = "innermost_async" if "async" in name else "innermost"
        assert calls(error) == [name, inner], error.stack
        assert "sleep(seconds)" in error.stack
        assert "poolifier/worker" not in error.stack
        [note] = error.__notes__
        assert note.endswith(error.stack)
        assert error.pool_name == pool.info.name

    run(main())


NESTED = {
    "doze_within": ("doze_within", "within", "doze_between_async", "innermost_async"),
    "doze_at_the_end": ("doze_at_the_end", "closed_slowly", "innermost_async"),
    "doze_by_a_method": ("doze_by_a_method", "innermost_async"),
}


@pytest.mark.parametrize("name", NESTED)
def test_it_tells_what_the_task_waits_for_through_whatever_stands_between(run, kind, name):
    limit = 1.5 if kind.name == "ray" else 0.3

    async def main():
        functions = {each: globals()[each] for each in NESTED}
        async with kind.fixed(1, functions, abort_grace=20.0) as pool:
            with pytest.raises(TaskTimeoutError) as caught:
                if name == "doze_within":
                    async for _ in pool.stream(4.0, name, timeout=limit):
                        pass
                else:
                    await pool.execute(4.0, name, timeout=limit)
        assert calls(caught.value) == list(NESTED[name]), caught.value.stack

    run(main())


def test_an_asynchronous_function_that_blocks_its_event_loop(run, kind, monkeypatch):
    limit = 1.5 if kind.name == "ray" else 0.3
    if kind.name == "interpreter":
        # Only that loop could answer. See docs/how-to/time-limits.md.
        monkeypatch.setattr(time_outs, "_PATIENCE", 0.1)

    async def main():
        async with kind.fixed(1, {"block_between_async": block_between_async}, abort_grace=20.0) as pool:
            with pytest.raises(TaskTimeoutError) as caught:
                async for _ in pool.stream(4.0, timeout=limit):
                    pass
        expected = [] if kind.name == "interpreter" else ["block_between_async", "innermost"]
        assert calls(caught.value) == expected, caught.value.stack

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


def test_a_plain_pool(run, kind):
    """Without an event loop in the worker it goes another way."""

    async def main():
        async with kind.fixed(1, {"doze": doze, "doze_between": doze_between}) as pool:
            with pytest.raises(TaskTimeoutError) as caught:
                await pool.execute(2.0, "doze", timeout=0.3)
            assert calls(caught.value) == ["doze", "innermost"]
            with pytest.raises(TaskTimeoutError) as caught:
                async for _ in pool.stream(2.0, "doze_between", timeout=0.3):
                    pass
            assert calls(caught.value) == ["doze_between", "innermost"]

    run(main())


def test_a_task_in_c_code(run, kind):
    async def main():
        async with kind.fixed(1, compute) as pool:
            with pytest.raises(TaskTimeoutError) as caught:
                await pool.execute(1.0, timeout=0.3)
        assert calls(caught.value) == ["compute"], caught.value.stack

    run(main())


def test_a_function_that_is_not_written_in_python(run, kind):
    async def main():
        async with kind.fixed(1, {"sleep": time.sleep}) as pool:
            with pytest.raises(TaskTimeoutError) as caught:
                await pool.execute(1.0, timeout=0.3)
        assert caught.value.stack == "  in 'sleep', which is not written in Python\n"

    run(main())
