"""Nothing keeps an argument, a result or an error alive once its future is gone."""

import asyncio
import gc
import weakref

import pytest

from poolifier import RemoteError, TaskTimeoutError

pytestmark = pytest.mark.usefixtures("nothing_left")


class Thing:
    """Something that a weak reference can tell the end of."""

    def __init__(self, way="return"):
        self.way = way


class ThingError(Exception):
    pass


def use(thing):
    import time

    if thing.way == "raise":
        raise ThingError(thing)
    if thing.way == "take long":
        end = time.monotonic() + 600
        while time.monotonic() < end:
            time.sleep(0.001)
    return Thing()


async def use_async(thing):
    if thing.way == "take long":
        await asyncio.sleep(600)
    return use(thing)


def yield_things(thing):
    for _ in range(20):
        yield Thing()
    if thing.way == "raise":
        raise ThingError(thing)


FUNCTIONS = {"use": use, "use_async": use_async, "yield": yield_things}


async def is_gone(*references):
    """Whether all of it dies; the worker has a moment to let go of what it was given."""
    async with asyncio.timeout(120):
        while any(reference() is not None for reference in references):  # noqa: ASYNC110 - nothing fires an event
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def without_collector():
    """What is not used any more dies there and then, and does not wait until somebody looks for garbage."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", ["use", "use_async"])
def test_nothing_is_kept(endure, kind, name):
    async def main(guard):
        async with kind.fixed(2, FUNCTIONS) as pool:
            await pool.execute(Thing(), name)

            async def returned():
                thing = Thing()
                result = await pool.execute(thing, name)
                return weakref.ref(thing), weakref.ref(result)

            async def raised():
                thing = Thing("raise")
                [error] = await asyncio.gather(pool.execute(thing, name), return_exceptions=True)
                assert isinstance(error, ThingError | RemoteError)
                return weakref.ref(thing), weakref.ref(error)

            async def cancelled():
                thing = Thing("take long")
                future = pool.execute(thing, name)
                await asyncio.wait([future], timeout=0.05)
                future.cancel()
                return (weakref.ref(thing),)

            async def dropped():
                things = [Thing("take long") for _ in range(10)]
                futures = [pool.execute(thing, name) for thing in things]
                await asyncio.wait(futures, timeout=0.05)
                for future in futures:
                    future.cancel()
                return [weakref.ref(thing) for thing in things]

            async def timed_out():
                thing = Thing("take long")
                [error] = await asyncio.gather(pool.execute(thing, name, timeout=0.05), return_exceptions=True)
                assert isinstance(error, TaskTimeoutError)
                return weakref.ref(thing), weakref.ref(error)

            async def mapped():
                things = [Thing() for _ in range(100)]
                results = await pool.map_execute(things, name)
                return [weakref.ref(thing) for thing in [*things, *results]]

            for use_it in (returned, raised, cancelled, dropped, timed_out, mapped):
                await is_gone(*await use_it())
            await guard.healthy(pool)

    endure(main)


@pytest.mark.parametrize("way", ["return", "raise"])
def test_nothing_of_a_stream_is_kept(endure, kind, way):
    async def main(guard):
        async with kind.fixed(1, FUNCTIONS) as pool:

            async def read(most):
                thing = Thing(way)
                references = [weakref.ref(thing)]
                stream = pool.stream(thing, "yield")
                try:
                    async for item in stream:
                        references.append(weakref.ref(item))
                        if len(references) > most:
                            break
                except (ThingError, RemoteError) as error:
                    references.append(weakref.ref(error))
                await stream.aclose()
                return references

            await is_gone(*await read(1000))
            await is_gone(*await read(3))
            await guard.healthy(pool)

    endure(main)
