"""Whatever an error's class does, the error arrives, on every kind of worker, and the worker lives.

One pool of workers with plain functions and one of workers with all of them serve all errors of a kind, in every way to
run tasks at once.
"""

import asyncio
import re
import traceback

import pytest

from poolifier import RemoteError, TaskTimeoutError
from poolifier.error_attributes import (
    arguments_of,
    cause_of,
    context_of,
    is_a,
    traceback_of,
    type_name_of,
)
from poolifier.futures import PoolExecutor
from poolifier.wire.remote_errors import RemoteTraceback
from tests.contract import odd_errors
from tests.contract.odd_errors import LOST, MIXED, ODD, PLAIN

INTERPRETED = (StopIteration, StopAsyncIteration, GeneratorExit)
"""What Python itself, or the pool, turns into a RuntimeError: raised in a coroutine, it would mean something else."""


@pytest.fixture(scope="module")
def serve():
    """Runs a coroutine on a loop that all tests share, with the two pools of a kind, which are started once."""
    with asyncio.Runner() as runner:
        pools = {}

        async def guarded(work):
            try:
                return await asyncio.wait_for(work, 120)
            except Exception as error:
                text = "".join(traceback.format_exception(type(error), error, traceback_of(error)))
            pytest.fail(text, pytrace=False)

        def run(kind, use):
            if kind.name not in pools:
                pools[kind.name] = kind.fixed(1, PLAIN), kind.fixed(1, MIXED)
                for pool in pools[kind.name]:
                    runner.run(pool.start())
            return runner.run(guarded(use(*pools[kind.name])))

        yield run
        for both in pools.values():
            for pool in both:
                runner.run(pool.destroy())


async def of_call(pool, odd, function):
    future = pool.execute(odd, function)
    await asyncio.wait([future])
    assert not future.cancelled()
    return [future.exception(), await raised_by(future)]


async def raised_by(awaitable):
    try:
        value = await awaitable
    except BaseException as error:
        return error
    pytest.fail(f"returned {value!r}")


async def read(iterator):
    return [value async for value in iterator]


async def of_stream(pool, odd, function):
    stream = pool.stream(odd, function)
    assert await anext(stream) == 1
    error = await raised_by(anext(stream))
    # Told once; then there is nothing more.
    assert [item async for item in stream] == []
    return [error]


async def of_maps(pool, odd, function):
    """Tiny items run together, long ones by themselves, and the last of a chunk is answered apart."""
    returned = [
        error for _ in range(2) for error in await pool.map_execute([odd] * 3, function, return_exceptions=True)
    ]
    assert len(returned) == 6
    returned += await read(pool.map_ordered([odd] * 2, function, return_exceptions=True, chunksize=2))
    returned += await read(pool.map_unordered([odd] * 2, function, return_exceptions=True, timeout=60))
    returned.append(await raised_by(pool.map_execute([odd] * 2, function)))
    returned.append(await raised_by(read(pool.map_ordered([odd] * 2, function))))
    returned.append(await raised_by(read(pool.map_unordered([odd] * 2, function))))
    return returned


async def of_executor(pool, odd, function):
    with_loop = PoolExecutor(pool)
    try:
        future = with_loop.submit(getattr(odd_errors, function), odd)
        error = await raised_by(asyncio.wrap_future(future))
        # In the executor's view, where nothing has to be awaited.
        assert "raised" in repr(future)
        raised = await raised_by(result_of(future))
        # Until Python 3.12 asyncio makes a TimeoutError anew, without all that says where it came from (gh-117459).
        return [raised] if type(error) is TimeoutError else [error, raised, future.exception()]
    finally:
        with_loop.shutdown(wait=False)


async def result_of(future):
    return future.result()


def linked(error):
    """The error and all that hang on it by cause and context."""
    found = {}
    ends = [error]
    while ends:
        link = ends.pop()
        if link is not None and id(link) not in found:
            found[id(link)] = link
            ends += [cause_of(link), context_of(link)]
    return list(found.values())


def problem_with(kind, odd, error):
    """What is wrong with an error that should be the one that was raised, or stand for it, and say where it was raised.

    Text or None: pytest cannot show a failure in whose traceback there is one of these errors.
    """
    expected = ODD[odd]()
    if is_a(expected, type):
        expected = expected()
    name = type_name_of(expected)
    arrived = f"{type_name_of(error)} {arguments_of(error)}"
    if is_a(expected, *INTERPRETED) and is_a(error, RuntimeError):
        if all(type(link) is not type(expected) for link in linked(error)):
            return f"{arrived} hides what it is about"
    elif odd in LOST and not kind.by_reference:
        if type(error) is not RemoteError or type(cause_of(error)) is not RemoteTraceback:
            return f"{arrived} is no RemoteError"
        if (error.type_name, error.message, error.arguments) != (
            name,
            "x",
            "('x',)",
        ) or "in raise_odd" not in error.traceback:
            return f"{arrived} has lost something"
    elif type(error) is not type(expected):
        return arrived
    elif is_a(error, BaseExceptionGroup):
        members = BaseExceptionGroup.exceptions.__get__(error)
        if [type(each) for each in members] != [type(each) for each in BaseExceptionGroup.exceptions.__get__(expected)]:
            return f"{arrived} has other members"
    elif without_addresses(arrived) != without_addresses(f"{name} {arguments_of(expected)}"):
        return f"{arrived} has not the arguments {arguments_of(expected)}"
    if kind.by_reference:
        names = {name for link in linked(error) for name in names_in(link)}
        return None if "raise_odd" in names else f"{arrived} comes from {names}"
    text = "".join(link.text for link in linked(error) if type(link) is RemoteTraceback)
    told = "in raise_odd" in text and name.rpartition(".")[2] in text
    return None if told else f"{arrived} has the traceback {text!r}"


def without_addresses(text):
    return re.sub("0x[0-9a-f]+", "", text)


def names_in(error):
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(traceback_of(error))]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_error_arrives_and_its_worker_lives(serve, kind, odd):
    async def use(plain, mixed):
        before = [node.id for pool in (plain, mixed) for node in pool.worker_nodes]
        errors = await asyncio.gather(
            of_call(plain, odd, "raise_odd"),
            of_stream(plain, odd, "generate_odd"),
            of_maps(plain, odd, "raise_odd"),
            of_executor(plain, odd, "raise_odd"),
            of_call(mixed, odd, "raise_odd"),
            of_call(mixed, odd, "raise_odd_async"),
            of_stream(mixed, odd, "generate_odd"),
            of_stream(mixed, odd, "generate_odd_async"),
            of_maps(mixed, odd, "raise_odd_async"),
        )
        problems = {problem_with(kind, odd, error) for some in errors for error in some}
        if problems - {None}:
            return problems
        for pool in (plain, mixed):
            assert await pool.execute("alive", "echo") == "alive"
            info = pool.info
            assert (info.executing_tasks, info.queued_tasks) == (0, 0)
        assert [node.id for pool in (plain, mixed) for node in pool.worker_nodes] == before
        return problems

    assert serve(kind, use) == {None}


@pytest.mark.parametrize("odd", ODD)
def test_a_task_that_is_stopped_may_raise_or_return_it_and_its_worker_lives(serve, kind, odd):
    async def use(plain, mixed):
        before = [node.id for pool in (plain, mixed) for node in pool.worker_nodes]
        # A time limit counts from the start, so each of them is stopped in the middle.
        stopped = await asyncio.gather(
            raised_by(plain.execute(odd, "stop_oddly", timeout=0.02)),
            raised_by(plain.execute(odd, "return_at_an_abort", timeout=0.02)),
            raised_by(mixed.execute(odd, "stop_oddly", timeout=0.02)),
            raised_by(mixed.execute(odd, "return_at_an_abort", timeout=0.02)),
            raised_by(mixed.execute(odd, "stop_oddly_async", timeout=0.02)),
        )
        for pool in (plain, mixed):
            assert await pool.execute("alive", "echo") == "alive"
        assert [node.id for pool in (plain, mixed) for node in pool.worker_nodes] == before
        return {type(error) for error in stopped}

    assert serve(kind, use) == {TaskTimeoutError}
