"""Leaving `async with` in good order waits for what was submitted; leaving it by an error ends it at once."""

import asyncio
import logging
import time

import pytest

from poolifier import PoolNotStartedError
from tests.contract import tasks


def ends_of(records, pool):
    """What the log says of tasks that the end of that pool has cancelled."""
    return [
        record.getMessage()
        for record in records
        if record.name == "poolifier"
        and record.levelno == logging.WARNING
        and f"{pool!r}: its end" in record.getMessage()
    ]


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", ["nap", "wait"])
def test_leaving_waits_for_all_tasks(run, kind, logged, name):
    async def main():
        async with kind.fixed(2, tasks.ALL) as pool:
            # More than `destroy()` would have patience for.
            futures = [pool.execute(0.6, name) for _ in range(10)]
        assert [future.result() for future in futures] == [0.6] * 10
        assert not ends_of(logged, pool.info.name)
        with pytest.raises(PoolNotStartedError):
            pool.execute(1)

    run(main())


def test_those_in_submit_and_in_maps_are_let_through(run, kind):
    async def main():
        async with kind.fixed(1, tasks.ALL, max_queued=1) as pool:
            submitting = [asyncio.create_task(pool.submit(0.01, "nap")) for _ in range(20)]
            mapping = asyncio.create_task(pool.map_execute([0.01] * 20, "nap"))
            await asyncio.sleep(0)
        futures = [await each for each in submitting]
        assert [future.result() for future in futures] == [0.01] * 20
        assert await mapping == [0.01] * 20

    run(main())


@pytest.mark.usefixtures("nothing_left")
def test_past_exit_timeout_the_rest_is_aborted_and_told_once(run, kind, logged):
    async def main():
        async with kind.fixed(1, tasks.ALL, exit_timeout=0.2) as pool:
            futures = [pool.execute(600, "wait") for _ in range(3)]
            begun = time.monotonic()
        assert time.monotonic() - begun < 240
        assert all(future.cancelled() for future in futures)
        assert ends_of(logged, pool.info.name) == [f"pool {pool.info.name!r}: its end cancelled 3 tasks"]

    run(main())


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("cancelled", [False, True])
def test_an_error_and_a_cancellation_abort_at_once(run, kind, logged, cancelled):
    async def use(futures, inside):
        async with kind.fixed(1, tasks.ALL, name="hasty") as pool:
            futures += [pool.execute(600, "wait") for _ in range(2)]
            inside.set()
            if not cancelled:
                raise LookupError

    async def main():
        futures, inside = [], asyncio.Event()
        using = asyncio.create_task(use(futures, inside))
        await inside.wait()
        begun = time.monotonic()
        # One turn later it is in the middle of leaving.
        await asyncio.sleep(0)
        if cancelled:
            using.cancel()
        with pytest.raises(asyncio.CancelledError if cancelled else LookupError):
            await using
        assert time.monotonic() - begun < 240
        assert all(future.cancelled() for future in futures)
        assert ends_of(logged, "hasty") == ["pool 'hasty': its end cancelled 2 tasks"]

    run(main())


def test_from_that_moment_nothing_new_is_taken(run, kind):
    async def main():
        refused = []

        async def come_late():
            await asyncio.sleep(0)
            for call in (
                lambda: pool.execute(1, "echo"),
                lambda: pool.stream(1, "count"),
                lambda: pool.map_unordered([1], "echo"),
            ):
                with pytest.raises(PoolNotStartedError) as caught:
                    call()
                refused.append(str(caught.value))
            with pytest.raises(PoolNotStartedError):
                await pool.submit(1, "echo")
            with pytest.raises(PoolNotStartedError):
                await pool.start()

        async with kind.fixed(1, tasks.ALL, name="left") as pool:
            future = pool.execute(0.3, "nap")
            late = asyncio.create_task(come_late())
        await late
        assert future.result() == 0.3
        assert len(refused) == 3
        assert all("'left'" in text and "takes nothing new" in text for text in refused)

    run(main())


@pytest.mark.usefixtures("nothing_left")
def test_a_stream_that_is_read_is_waited_for_and_another_is_closed(run, kind, logged):
    async def main():
        got = []

        async def read():
            async for number in pool.stream(200, "count"):
                got.append(number)
                if number % 50 == 0:
                    # Between two items it does something else.
                    await asyncio.sleep(0.05)

        async with kind.fixed(2, tasks.ALL, name="streams") as pool:
            open_stream = pool.stream(10**6, "count")
            await anext(open_stream)
            reading = asyncio.create_task(read())
            await asyncio.sleep(0)
        await reading
        assert got == list(range(200))
        assert ends_of(logged, "streams") == [
            f"pool 'streams': its end cancelled 1 task; closed the stream of 'count' (task {open_stream.task_id})"
        ]

    run(main())


def test_a_map_that_waits_for_its_input_is_waited_for(run, kind):
    async def numbers():
        for number in range(4):
            await asyncio.sleep(0.05)
            yield number

    async def main():
        async with kind.fixed(2, tasks.ALL) as pool:
            mapping = asyncio.create_task(pool.map_execute(numbers(), "echo"))
            await asyncio.sleep(0)
        assert await mapping == [0, 1, 2, 3]

    run(main())


def test_a_map_that_nobody_reads_is_closed(run, kind, logged):
    async def main():
        async with kind.fixed(2, tasks.ALL, name="maps") as pool:
            results = pool.map_ordered(range(10**6), "echo")
            assert await anext(results) == 0
        [told] = ends_of(logged, "maps")
        assert told.endswith("closed the map of 'echo'")
        with pytest.raises((asyncio.CancelledError, PoolNotStartedError)):
            async for _ in results:
                pass

    run(main())


def test_destroy_cuts_the_waiting_short(run, kind, logged):
    async def main():
        async def end_it():
            await asyncio.sleep(0)
            await pool.destroy()

        async with kind.fixed(1, tasks.ALL, name="cut", tasks_queue_options={"tasks_finished_timeout": 0.05}) as pool:
            future = pool.execute(600, "wait")
            ending = asyncio.create_task(end_it())
            begun = time.monotonic()
        assert time.monotonic() - begun < 240
        await ending
        assert future.cancelled()
        assert ends_of(logged, "cut") == ["pool 'cut': its end cancelled 1 task"]

    run(main())


def test_two_who_leave_it_at_once_both_wait(run, kind, logged):
    async def main():
        async with kind.fixed(1, tasks.ALL, name="both") as pool:
            futures = [pool.execute(0.05, "nap") for _ in range(3)]
            other = asyncio.create_task(pool.__aexit__(None, None, None))
            await asyncio.sleep(0)
            assert pool.info.state == "closing"
        assert [future.result() for future in futures] == [0.05] * 3
        await other
        assert ends_of(logged, "both") == []

    run(main())


def test_every_pool_has_a_name(run, kind):
    async def main():
        first, second, third = (
            kind.fixed(1, tasks.PLAIN),
            kind.fixed(1, tasks.PLAIN),
            kind.fixed(1, tasks.PLAIN, name="mine"),
        )
        assert first.info.name.startswith(f"{kind.name}-")
        assert first.info.name != second.info.name
        assert third.info.name == "mine"
        assert "'mine'" in repr(third)
        for wrong, error in ((3, TypeError), (b"pool", TypeError), ("", ValueError)):
            with pytest.raises(error, match="name must"):
                kind.fixed(1, tasks.PLAIN, name=wrong)
        for wrong, error in (("soon", TypeError), (-1, ValueError), (True, TypeError)):
            with pytest.raises(error, match="exit_timeout must"):
                kind.fixed(1, tasks.PLAIN, exit_timeout=wrong)
        with pytest.raises(PoolNotStartedError, match="pool 'mine' is not started"):
            third.execute(1)

    run(main())
