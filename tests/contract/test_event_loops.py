"""A plain function is outside of any event loop, whatever else its worker holds and has run."""

import asyncio

import pytest

from poolifier import TaskAborted, send_message
from tests.contract.tasks import spin, wait


async def twice(number):
    await asyncio.sleep(0)
    return 2 * number


def run_loop(number):
    """Runs an event loop of its own, in which a task and a thread do their work."""

    async def main():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(twice(number))
            thread = group.create_task(asyncio.to_thread(lambda: number))
        return task.result() + thread.result()

    return asyncio.run(main())


def run_loop_between(stop):
    with asyncio.Runner() as runner:
        for number in range(stop):
            yield runner.run(twice(number)), run_loop(number)


def look_for_loop(_):
    found = []
    for look in (asyncio.get_running_loop, asyncio.current_task):
        try:
            found.append(look())
        except RuntimeError as error:
            found.append(str(error))
    return found


def generate_loop(data):
    yield look_for_loop(data)


def run_loop_for_ever(_):
    async def main():
        send_message("begun")
        # Without waiting: what is raised in the event loop's own code, that may report and forget.
        spin(600)

    try:
        asyncio.run(main())
    except TaskAborted:
        send_message("aborted")
        raise


async def count_slowly(stop):
    for number in range(stop):
        yield number
        await asyncio.sleep(0)


FUNCTIONS = {
    "run_loop": run_loop,
    "run_loop_between": run_loop_between,
    "look_for_loop": look_for_loop,
    "generate_loop": generate_loop,
    "run_loop_for_ever": run_loop_for_ever,
    "twice": twice,
    "wait": wait,
    "count_slowly": count_slowly,
}
PLAIN = {name: function for name, function in FUNCTIONS.items() if "loop" in name}
NO_LOOP = ["no running event loop"] * 2


async def read(stream):
    return [item async for item in stream]


@pytest.mark.parametrize("functions", [PLAIN, FUNCTIONS], ids=["plain", "mixed"])
def test_a_plain_function_sees_no_loop(run, kind, functions):
    async def main():
        async with kind.fixed(1, functions) as pool:
            seen = [await pool.execute(None, "look_for_loop"), *await read(pool.stream(None, "generate_loop"))]
            if "twice" in functions:
                assert await pool.execute(1, "twice") == 2
            seen += [await pool.execute(None, "look_for_loop"), *await read(pool.stream(None, "generate_loop"))]
            seen += await pool.map_execute([None] * 3, "look_for_loop")
            assert seen == [NO_LOOP] * 7

    run(main())


def test_a_plain_function_may_run_a_loop_of_its_own(run, kind):
    async def main():
        async with kind.fixed(1, FUNCTIONS) as pool:
            # Before the first asynchronous task of the worker, and after it.
            for _ in range(2):
                assert await pool.execute(5, "run_loop") == 15
                assert await pool.map_execute(range(4), "run_loop") == [0, 3, 6, 9]
                assert await read(pool.stream(3, "run_loop_between")) == [(0, 0), (2, 3), (4, 6)]
                assert await pool.execute(4, "twice") == 8

    run(main())


def test_it_may_do_so_while_others_wait_in_the_loop_of_the_worker(run, kind):
    async def main():
        async with kind.fixed(1, FUNCTIONS, tasks_queue_options={"concurrency": 4}) as pool:
            waiting = pool.execute(0.2, "wait")
            streams = [
                asyncio.ensure_future(read(pool.stream(40, "count_slowly", buffer=2))),
                asyncio.ensure_future(read(pool.stream(20, "run_loop_between", buffer=2))),
            ]
            assert [await pool.execute(number, "run_loop") for number in range(10)] == list(range(0, 30, 3))
            assert await waiting == 0.2
            counted, run = await asyncio.gather(*streams)
            assert counted == list(range(40))
            assert run == [(2 * number, 3 * number) for number in range(20)]

    run(main())


def test_an_abort_reaches_into_such_a_loop(run, kind):
    async def main():
        said = asyncio.Queue()
        options = {
            "tasks_queue_options": {"concurrency": 2},
            "message_handler": lambda _, message: said.put_nowait(message),
        }
        async with kind.fixed(1, FUNCTIONS, abort_grace=30, **options) as pool:
            [before] = pool.worker_nodes
            waiting = pool.execute(0.1, "wait")
            running = pool.execute(None, "run_loop_for_ever")
            assert await said.get() == "begun"
            running.cancel()
            assert await said.get() == "aborted"
            assert await waiting == 0.1
            assert await pool.execute(1, "run_loop") == 3
            assert await pool.execute(1, "twice") == 2
            assert [node.id for node in pool.worker_nodes] == [before.id]

    run(main())
