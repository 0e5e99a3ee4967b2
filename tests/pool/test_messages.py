"""What task functions tell their pool while they run."""

import asyncio
import os
import threading

import pytest

from poolifier import FixedProcessPool, SerializationError, send_message
from poolifier.pool.streams import Feed


def tell(count):
    for number in range(count):
        send_message(number)
    return "told"


async def tell_async(count):
    for number in range(count):
        send_message(number)
        await asyncio.sleep(0)
    return "told"


def tell_between(count):
    for number in range(count):
        yield number
        send_message(number)


@pytest.fixture
def heard():
    return []


@pytest.mark.parametrize("function", [tell, tell_async])
def test_messages_come_in_order_and_before_the_result(run, function, heard, no_leaks):
    async def main():
        def handle(node, message):
            assert node.id == pool.worker_nodes[0].id
            heard.append(message)

        async with FixedProcessPool(1, function, message_handler=handle) as pool:
            future = pool.execute(2000)
            future.add_done_callback(lambda _: heard.append("done"))
            assert await future == "told"
            await asyncio.sleep(0)
            assert heard == [*range(2000), "done"]

    run(main())


def test_messages_and_items_keep_their_order(run, heard):
    async def main():
        async with FixedProcessPool(1, tell_between, message_handler=lambda _, message: heard.append(message)) as pool:
            arrived = []
            put = Feed.put

            def record(feed, item):
                arrived.append((item, list(heard)))
                put(feed, item)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Feed, "put", record)
                assert [item async for item in pool.stream(100)] == list(range(100))
            # An item is there before the message that was sent after it, and after the one before it.
            assert arrived == [(number, list(range(number))) for number in range(100)]

    run(main())


def tell_in_threads(count):
    def work(name):
        for number in range(count):
            send_message((name, number, b"x" * (number % 7) * 10_000))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    work(4)
    for thread in threads:
        thread.join()
    return list(range(1000))


async def tell_in_threads_async(count):
    return await asyncio.to_thread(tell_in_threads, count)


@pytest.mark.parametrize("function", [tell_in_threads, tell_in_threads_async])
def test_threads(run, function, heard):
    async def main():
        async with FixedProcessPool(1, function, message_handler=lambda _, message: heard.append(message)) as pool:
            [channel] = pool._driver.channels.values()
            future = pool.execute(60)
            while not future.done():
                # Pokes in between, which the main thread serves wherever it is, and then answers to.
                channel.reclaim()
                await asyncio.sleep(0.0005)
            assert await future == list(range(1000))
        for name in range(5):
            numbers = [number for who, number, _ in heard if who == name]
            assert numbers == list(range(60))
        assert all(filling == b"x" * (number % 7) * 10_000 for _, number, filling in heard)

    run(main())


def tell_what_cannot_be_pickled(_):
    try:
        send_message({"lock": threading.Lock()})
    except SerializationError as error:
        send_message("after")
        return str(error)


def test_what_cannot_be_pickled_raises_where_it_is_sent(run, heard):
    async def main():
        handle = lambda _, message: heard.append(message)  # noqa: E731
        async with FixedProcessPool(1, tell_what_cannot_be_pickled, message_handler=handle) as pool:
            text = await pool.execute(1)
            assert "the message (dict)" in text
            assert "lock" in text
            assert heard == ["after"]

    run(main())


def tell_and_die(count):
    for number in range(count):
        send_message(number)
    os._exit(1)


def test_messages_outlive_their_worker(run, heard):
    async def main():
        async with FixedProcessPool(1, tell_and_die, message_handler=lambda _, message: heard.append(message)) as pool:
            await asyncio.wait([pool.execute(500)])
            assert heard == [*range(500)]

    run(main())


def test_without_a_handler_it_is_dropped(run):
    async def main():
        async with FixedProcessPool(1, tell) as pool:
            assert await pool.execute(10) == "told"

    run(main())


def test_a_handler_that_raises_harms_nobody(run):
    def handle(node, message):
        raise LookupError(message)

    async def main():
        async with FixedProcessPool(1, tell, message_handler=handle) as pool:
            errors = []
            pool.emitter.on("error", errors.append)
            assert await pool.execute(2) == "told"
            assert [type(error) for error in errors] == [LookupError, LookupError]

    run(main())


def test_outside_of_a_worker_it_raises():
    with pytest.raises(RuntimeError, match="in the workers of a pool only"):
        send_message("to nobody")


def fork_and_tell(_):
    pid = os.fork()
    if pid == 0:
        try:
            send_message("from the child")
        except RuntimeError:
            os._exit(42)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_is_no_worker(run, heard):
    async def main():
        async with FixedProcessPool(1, fork_and_tell, message_handler=lambda _, message: heard.append(message)) as pool:
            assert await pool.execute(1) == 42
            assert heard == []

    run(main())
