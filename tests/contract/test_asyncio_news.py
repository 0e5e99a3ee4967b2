"""What later Pythons have added to asyncio: eager tasks, groups that can be cancelled, the graph of who awaits what."""

import asyncio
import sys

import pytest

from poolifier import send_message
from tests.contract.tasks import echo

needs_eager = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
needs_graph = pytest.mark.skipif(sys.version_info < (3, 14), reason="the graph is new in Python 3.14")
needs_cancel = pytest.mark.skipif(sys.version_info < (3, 15), reason="TaskGroup.cancel is new in Python 3.15")


async def become_eager(_):
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)


async def at_once(number):
    return number


async def later(number):
    await asyncio.sleep(0)
    return number, asyncio.current_task().get_name()


async def for_ever(_):
    send_message("begun")
    await asyncio.Event().wait()


async def count_to(stop):
    for number in range(stop):
        await asyncio.sleep(0)
        yield number


async def first_of_group(number):
    """Ends the others of its group when the first is done."""
    async with asyncio.TaskGroup() as group:
        others = [group.create_task(asyncio.Event().wait()) for _ in range(3)]
        first = group.create_task(later(number))
        first.add_done_callback(lambda _: group.cancel())
    return first.result()[0], [other.cancelled() for other in others]


FUNCTIONS = {
    function.__name__: function for function in (become_eager, at_once, later, for_ever, count_to, first_of_group, echo)
}


def running(pool):
    return pool.info.executing_tasks


async def numbers(stop):
    for number in range(stop):
        yield number


@needs_eager
def test_a_program_with_eager_tasks(kind, run, until, nothing_left):
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        heard = []
        async with kind.fixed(2, FUNCTIONS, message_handler=lambda _, message: heard.append(message)) as pool:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(pool.submit(number, "echo")) for number in range(20)]
            assert [await task.result() for task in tasks] == list(range(20))
            assert [result async for result in pool.map_ordered(numbers(50), "echo")] == list(range(50))
            assert [item async for item in pool.stream(3, "count_to")] == [0, 1, 2]
            waiting = pool.execute(None, "for_ever")
            await until(lambda: heard)
            waiting.cancel()
            assert await pool.execute(5, "at_once") == 5
        await pool.destroy()

    run(main())


@needs_eager
@pytest.mark.parametrize("concurrency", [1, 5])
def test_workers_whose_loop_makes_eager_tasks(kind, run, until, nothing_left, concurrency):
    async def main():
        heard = []
        options = {
            "tasks_queue_options": {"concurrency": concurrency},
            "message_handler": lambda _, message: heard.append(message),
        }
        async with kind.fixed(1, FUNCTIONS, **options) as pool:
            await pool.execute(None, "become_eager")
            assert await asyncio.gather(*(pool.execute(n, "at_once") for n in range(50))) == list(range(50))
            assert await pool.execute(7, "later") == (7, "later")
            assert [item async for item in pool.stream(3, "count_to")] == [0, 1, 2]
            assert await asyncio.gather(*(pool.execute(n, "echo") for n in range(20))) == list(range(20))
            waiting = pool.execute(None, "for_ever")
            await until(lambda: heard)
            assert waiting.cancel()
            assert await pool.execute(8, "at_once") == 8
            await until(lambda: not running(pool))
            assert pool.info.worker_nodes == 1

    run(main())


@needs_cancel
def test_a_group_that_is_cancelled_aborts_its_tasks(kind, run, until, nothing_left):
    async def main():
        heard = []
        async with kind.fixed(2, FUNCTIONS, message_handler=lambda _, message: heard.append(message)) as pool:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):

                    async def wait():
                        await pool.execute(None, "for_ever")

                    group.create_task(wait())
                await until(lambda: len(heard) == 2)
                group.cancel()
            await until(lambda: not running(pool))
            assert await pool.execute(3, "first_of_group") == (3, [True] * 3)

    run(main())


@needs_graph
def test_the_graph_leads_from_a_future_to_who_awaits_it(kind, run, until, nothing_left):
    async def main():
        heard = []
        async with kind.fixed(1, FUNCTIONS, message_handler=lambda _, message: heard.append(message)) as pool:

            async def handle_request():
                await future

            future = pool.execute(None, "for_ever")
            waiting = asyncio.create_task(handle_request(), name="request")
            await until(lambda: heard)
            (awaiting,) = asyncio.capture_call_graph(future).awaited_by
            assert awaiting.future is waiting
            assert "handle_request" in asyncio.format_call_graph(future)
            future.cancel()
            await asyncio.wait([waiting])

    run(main())
