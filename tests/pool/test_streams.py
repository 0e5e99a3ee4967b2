"""Streams: what generators in workers yield, at the pace of whoever reads it."""

import asyncio
import gc
import os
import time
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from poolifier import (
    DynamicProcessPool,
    FixedProcessPool,
    SerializationError,
    TaskAborted,
    TaskTimeoutError,
    Worker,
    WorkerCrashedError,
    send_message,
)
from poolifier.worker.current_task import current_session


def wait_for_file(path):
    while not Path(path).exists():
        time.sleep(0.001)


def count(stop):
    """Tells each time it goes on, and when it is left."""
    try:
        for number in range(stop):
            send_message("go")
            yield number
    finally:
        send_message("left")


async def count_async(stop):
    try:
        for number in range(stop):
            send_message("go")
            yield number
    finally:
        send_message("left")


def bare():
    yield "no data"


async def nap(seconds):
    await asyncio.sleep(seconds)
    return "rested"


# What runs the stream, and in which loop of the worker: both ways of running must do the same.
KINDS = {
    "generator": {"count": count, "len": len},
    "async generator": {"count": count_async, "nap": nap, "len": len},
    "generator in an event loop": {"count": count, "nap": nap, "len": len},
}


@pytest.fixture(params=list(KINDS))
def functions(request):
    return KINDS[request.param]


class Heard(list):
    """What a pool's workers say."""

    def handle(self, node, message):
        self.append(message)


@pytest.fixture
def heard():
    return Heard()


def test_items_in_order(run, functions, no_leaks):
    async def main():
        async with FixedProcessPool(1, functions) as pool:
            for stop in (0, 1, 5, 300):
                assert [item async for item in pool.stream(stop)] == list(range(stop))
            assert [item async for item in pool.stream(50, "count", buffer=1)] == list(range(50))

    run(main())


def test_without_data(run):
    async def main():
        async with FixedProcessPool(1, bare) as pool:
            assert [item async for item in pool.stream()] == ["no data"]

    run(main())


@pytest.mark.parametrize("buffer", [1, 2, 7])
def test_the_worker_is_never_further_ahead_than_the_buffer(run, functions, buffer, until):
    async def main():
        went_on = taken = ahead = 0

        def handle(node, message):
            nonlocal went_on, ahead
            went_on += message == "go"
            ahead = max(ahead, went_on - taken)

        def caught_up():
            return went_on >= min(60, taken + buffer // 2)

        async with FixedProcessPool(1, functions, message_handler=handle) as pool:
            async for item in pool.stream(60, buffer=buffer):
                assert item == taken
                taken += 1
                if taken % 10 == 0:
                    # It goes as far as it has been told that it may.
                    await until(caught_up)
        assert taken == 60
        assert went_on == 60
        assert 0 < ahead <= buffer

    run(main())


def test_a_worker_that_waits_for_its_reader_uses_no_cpu(run, functions, heard, until):
    async def main():
        async with FixedProcessPool(1, functions, message_handler=heard.handle) as pool:
            stream = pool.stream(10, buffer=2)
            await until(lambda: len(heard) == 2)
            worker = psutil.Process(pool.worker_nodes[0].pid)
            await until(lambda: worker.status() == psutil.STATUS_SLEEPING)
            before = sum(worker.cpu_times()[:2])
            await asyncio.sleep(0.3)
            assert sum(worker.cpu_times()[:2]) - before < 0.1
            assert heard == ["go", "go"]
            assert [item async for item in stream] == list(range(10))

    run(main())


def leave_by_break(pool):
    async def leave():
        async for _ in pool.stream(1_000_000):
            break

    return leave()


def leave_by_error(pool):
    async def leave():
        with pytest.raises(LookupError):
            async for _ in pool.stream(1_000_000):
                raise LookupError

    return leave()


def leave_by_aclose(pool):
    async def leave():
        async with aclosing(pool.stream(1_000_000)) as stream:
            assert await anext(stream) == 0
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    return leave()


def leave_by_cancellation(pool):
    async def leave():
        async def read():
            async for _ in pool.stream(1_000_000):
                reading.set()

        reading = asyncio.Event()
        reader = asyncio.create_task(read())
        await reading.wait()
        reader.cancel()
        await asyncio.wait([reader])

    return leave()


def leave_as_garbage(pool):
    async def leave():
        stream = pool.stream(1_000_000)
        assert await anext(stream) == 0
        circle = [stream]
        circle.append(circle)
        del stream, circle
        gc.collect()

    return leave()


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_by_error, leave_by_aclose, leave_by_cancellation, leave_as_garbage]
)
def test_leaving_stops_the_generator(run, functions, heard, until, leave, no_leaks):
    async def main():
        async with FixedProcessPool(1, functions, message_handler=heard.handle) as pool:
            pid = pool.worker_nodes[0].pid
            await leave(pool)
            await until(lambda: "left" in heard)
            assert await pool.execute("alive", "len") == 5
            assert pool.worker_nodes[0].pid == pid, "the worker did not survive"
            info = pool.info
            assert (info.submitted_tasks, info.aborted_tasks, info.executed_tasks) == (2, 1, 1)

    run(main())


def spin_after_one(_):
    try:
        yield 1
        while True:
            pass
    except TaskAborted:
        send_message("aborted")
        raise
    finally:
        send_message("left")


def test_leaving_interrupts_a_generator_at_work(run, heard, until):
    async def main():
        async with FixedProcessPool(1, {"spin": spin_after_one, "len": len}, message_handler=heard.handle) as pool:
            async for _ in pool.stream(0):
                break
            assert await pool.execute("alive", "len") == 5
            assert heard[-1] == "left"

    run(main())


def will_not_leave(_):
    while True:
        try:
            yield 1
        except GeneratorExit:
            send_message("refused")


def test_a_generator_that_will_not_be_closed_harms_nobody(run, heard):
    async def main():
        async with FixedProcessPool(1, {"stay": will_not_leave, "len": len}, message_handler=heard.handle) as pool:
            pid = pool.worker_nodes[0].pid
            async for _ in pool.stream(0):
                break
            assert await pool.execute("alive", "len") == 5
            assert pool.worker_nodes[0].pid == pid
            assert heard == ["refused", "refused"] or heard == ["refused"]

    run(main())


def fail_after(error):
    yield 1
    yield 2
    raise error


async def fail_after_async(error):
    yield 1
    yield 2
    raise error


@pytest.mark.parametrize("function", [fail_after, fail_after_async])
@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError("bad", 3), ValueError),
        (SystemExit(3), SystemExit),
        (StopIteration(5), RuntimeError),
        (StopAsyncIteration(5), RuntimeError),
    ],
)
def test_errors_come_after_the_items_before_them(run, function, raised, expected):
    async def main():
        async with FixedProcessPool(1, {"fail": function, "len": len}) as pool:
            items = []
            stream = pool.stream(raised)

            # Not in an asyncio task of its own, which would pass on SystemExit to the loop.
            with pytest.raises(expected) as caught:
                async for item in stream:
                    items.append(item)
            error = caught.value
            assert items == [1, 2]
            assert type(error) is expected
            if expected is ValueError:
                assert error.args == ("bad", 3)
                assert "in fail_after" in str(error.__cause__)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            assert await pool.execute("alive", "len") == 5
            assert pool.info.failed_tasks == 1

    run(main())


class Trap:
    """Cannot be unpickled."""

    def __reduce__(self):
        return (int, ("not a number",))


def yield_bad(item):
    try:
        yield 1
        yield (lambda: item) if item == "trap" else (n for n in ())
        yield 3
    finally:
        send_message("left")


def yield_trap(_):
    try:
        yield 1
        yield Trap()
        yield 3
    finally:
        send_message("left")


@pytest.mark.parametrize("name", ["unpicklable", "trap"])
def test_a_bad_item_ends_its_stream_alone(run, heard, until, name):
    async def main():
        functions = {"unpicklable": yield_bad, "trap": yield_trap, "len": len}
        async with FixedProcessPool(1, functions, message_handler=heard.handle) as pool:
            items = []
            with pytest.raises(SerializationError, match="an item of "):
                async for item in pool.stream("generator", name):
                    items.append(item)
            assert items == [1]
            await until(lambda: "left" in heard)
            assert await pool.execute("alive", "len") == 5

    run(main())


def test_the_wrong_call_is_a_clear_error(run):
    async def main():
        async with FixedProcessPool(1, {"count": count, "count_async": count_async, "len": len}) as pool:
            with pytest.raises(TypeError, match=r"'len' is not a generator; use pool\.execute"):
                pool.stream("data", "len")
            for name in ("count", "count_async", None):
                with pytest.raises(TypeError, match=r"is a generator; use pool\.stream"):
                    pool.execute(1, name)
            for buffer, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)):
                with pytest.raises(error, match="buffer"):
                    pool.stream(1, buffer=buffer)
            assert pool.info.submitted_tasks == 0

    run(main())


@pytest.mark.parametrize("extra", ["", "\nasync def turn(): ...\n"])
def test_the_wrong_call_before_the_functions_are_known(run, tmp_path, extra):
    module = tmp_path / f"stream_worker_{len(extra)}.py"
    module.write_text(
        f"def count(stop):\n    yield from range(stop)\n{extra}\n"
        f"worker = {{'count': count, 'len': len{', chr(116): turn' if extra else ''}}}\n"
    )

    async def main():
        async with DynamicProcessPool(0, 1, module) as pool:
            stream, future, good = pool.stream("data", "len"), pool.execute(1, "count"), pool.stream(2, "count")
            with pytest.raises(TypeError, match=r"'len' is not a generator; use pool\.execute"):
                await anext(stream)
            with pytest.raises(TypeError, match=r"'count' is a generator; use pool\.stream"):
                await future
            assert [item async for item in good] == [0, 1]

    run(main())


def die_after(path):
    with Path(path).open("a") as log:
        log.write("started\n")
    yield from range(5)
    os._exit(7)


def test_a_crash_comes_after_the_items_before_it_and_nothing_is_run_again(run, tmp_path):
    async def main():
        log = tmp_path / "log"
        async with FixedProcessPool(1, {"die": die_after, "len": len}) as pool:
            items = []
            stream = pool.stream(str(log))
            with pytest.raises(WorkerCrashedError, match="exited with code 7") as caught:
                async for item in stream:
                    items.append(item)
            assert items == list(range(5))
            assert caught.value.task_id == stream.task_id
            assert await pool.execute("alive", "len") == 5
            assert log.read_text() == "started\n"

    run(main())


def test_a_stream_is_one_task(run, functions, until):
    async def main():
        async with FixedProcessPool(1, functions) as pool:
            first = pool.stream(40, buffer=4)
            second = pool.stream(3)
            third = pool.stream(3)
            assert await anext(first) == 0
            info = pool.info
            assert (info.submitted_tasks, info.executing_tasks, info.queued_tasks) == (3, 1, 2)
            await third.aclose()  # it waits in the queue, and never starts
            assert pool.info.aborted_tasks == 1
            assert [item async for item in first] == list(range(1, 40))
            assert [item async for item in second] == [0, 1, 2]
            info = pool.info
            assert (info.executed_tasks, info.aborted_tasks, info.failed_tasks) == (2, 1, 0)
            assert (info.executing_tasks, info.queued_tasks) == (0, 0)
            assert info.run_time.count == 2

    run(main())


def gate(path):
    wait_for_file(path)


def test_a_queued_stream_is_stolen_like_any_task(run, tmp_path):
    async def main():
        gates = [tmp_path / "a", tmp_path / "b"]
        async with FixedProcessPool(2, {"gate": gate, "count": count}) as pool:
            blocked = [pool.execute(str(path)) for path in gates]
            streams = [pool.stream(3, "count") for _ in range(4)]
            gates[0].touch()
            await blocked[0]
            # The other worker is still busy, so its share of the streams runs here, too.
            for stream in streams:
                assert [item async for item in stream] == [0, 1, 2]
            assert not blocked[1].done()
            assert pool.info.stolen_tasks > 0
            gates[1].touch()
            await blocked[1]

    run(main())


def burst(path):
    yield from range(3)
    wait_for_file(path)
    yield 3


async def burst_async(path):
    for number in range(3):
        yield number
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.001)
    yield 3


@pytest.mark.parametrize("functions", [{"burst": burst}, {"burst": burst_async}], ids=["generator", "async generator"])
def test_items_do_not_wait_for_the_next(run, functions, tmp_path):
    async def main():
        async with FixedProcessPool(1, functions) as pool:
            stream = pool.stream(str(tmp_path / "gate"))
            assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
            (tmp_path / "gate").touch()
            assert [item async for item in stream] == [3]

    run(main())


def numbers(stop):
    yield from range(stop)


class Counting:
    """A `WorkerListener` that counts the replies of each batch and passes them on."""

    def __init__(self, listener, batches):
        self._listener = listener
        self._batches = batches

    def __getattr__(self, name):
        return getattr(self._listener, name)

    def replies(self, worker_id, replies, active, idle):
        self._batches.append(len(replies))
        self._listener.replies(worker_id, replies, active, idle)


def test_small_items_travel_together(run):
    async def main():
        pool = FixedProcessPool(1, numbers)
        batches = []
        create = pool._life.create_backend

        def create_counted():
            backend = create()
            start = backend.start
            backend.start = lambda listener: start(Counting(listener, batches))
            return backend

        pool._life.create_backend = create_counted
        async with pool:
            assert [item async for item in pool.stream(5000, buffer=500)] == list(range(5000))
            assert sum(batches) == 5001
            assert len(batches) < 1000

    run(main())


def growing(_):
    shared = []
    for number in range(4):
        shared.append(number)
        yield shared
    yield b"x" * 1_000_000
    yield [b"y" * 1_000_000]


def test_items_are_pickled_each_for_itself(run):
    async def main():
        async with FixedProcessPool(1, growing) as pool:
            items = [item async for item in pool.stream(0)]
            assert items[:4] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
            assert items[4] == b"x" * 1_000_000
            assert items[5] == [b"y" * 1_000_000]

    run(main())


def test_one_reader_at_a_time(run, tmp_path):
    async def main():
        async with FixedProcessPool(1, burst) as pool:
            stream = pool.stream(str(tmp_path / "gate"))
            assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
            reading = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another asyncio task"):
                await anext(stream)
            # A read that is given up loses nothing.
            reading.cancel()
            await asyncio.wait([reading])
            (tmp_path / "gate").touch()
            assert await anext(stream) == 3

    run(main())


async def ping(stop):
    for number in range(stop):
        await asyncio.sleep(0)
        yield number


def test_streams_and_coroutines_interleave(run):
    async def main():
        functions = Worker({"ping": ping, "count": count, "nap": nap})
        async with FixedProcessPool(1, functions, tasks_queue_options={"concurrency": 4}) as pool:
            streams = [
                pool.stream(100, "ping", buffer=2),
                pool.stream(100, "count", buffer=2),
                pool.stream(100, "ping"),
            ]
            resting = pool.execute(0, "nap")
            for number in range(100):
                assert [await anext(stream) for stream in streams] == [number] * 3
            assert await resting == "rested"
            for stream in streams:
                with pytest.raises(StopAsyncIteration):
                    await anext(stream)

    run(main())


def test_an_async_generator_that_never_waits_lets_others_run(run):
    async def main():
        functions = {"count": count_async, "nap": nap}
        async with (
            FixedProcessPool(1, functions, tasks_queue_options={"concurrency": 2}) as pool,
            aclosing(pool.stream(10**9, buffer=10**9)) as stream,
        ):
            assert await anext(stream) == 0
            assert await pool.execute(0, "nap") == "rested"

    run(main())


def yield_once_two_wait(_):
    session = current_session()
    yield "begun"
    while len(session.inbox) < 2:
        time.sleep(0.001)
    while True:
        yield "more"


def test_what_arrives_in_the_middle_of_a_step_does_not_wait_for_the_reader(run):
    """The worker is poked while the generator works, so its event loop does not see what has come."""

    async def main():
        functions = {"wait": yield_once_two_wait, "nap": nap}
        async with (
            FixedProcessPool(1, functions, tasks_queue_options={"concurrency": 2}) as pool,
            aclosing(pool.stream(None, "wait")) as items,
        ):
            assert await anext(items) == "begun"
            future = pool.execute(0.0, "nap")
            await asyncio.sleep(0)  # it is sent at the end of the loop's turn
            await asyncio.wait_for(pool.add_task_function("len", len), 120)
            assert await asyncio.wait_for(future, 120) == "rested"

    run(main())


def test_a_reader_that_rests_holds_up_nobody_behind_it(run, functions):
    async def main():
        async with FixedProcessPool(2, functions) as pool:
            # Short ones first, so that tasks are sent ahead behind the long one.
            for _ in range(20):
                assert [item async for item in pool.stream(1)] == [0]
            stream = pool.stream(100, buffer=1)
            futures = [pool.execute("alive", "len") for _ in range(50)]
            assert await asyncio.gather(*futures) == [5] * 50
            assert pool.info.executing_tasks == 1
            assert [item async for item in stream] == list(range(100))

    run(main())


def test_a_stream_without_end_holds_up_nobody_behind_it(run):
    async def main():
        async with FixedProcessPool(2, {"numbers": numbers, "len": len}) as pool:
            # Short ones first, so that tasks are sent ahead behind the long one, whose items then are
            # no sign of life from what comes after it.
            for _ in range(20):
                assert [item async for item in pool.stream(1)] == [0]
            stream = pool.stream(10**9)
            futures = [pool.execute("alive", "len") for _ in range(50)]
            async with aclosing(stream):
                async for _ in stream:
                    await asyncio.sleep(0)
                    if all(future.done() for future in futures):
                        break
            assert await asyncio.gather(*futures) == [5] * 50

    run(main())


def test_time_limit(run, functions, heard, until):
    async def main():
        async with FixedProcessPool(1, functions, message_handler=heard.handle) as pool:
            items = []
            with pytest.raises(TaskTimeoutError):
                async for item in pool.stream(10, timeout=2.0, buffer=2):
                    items.append(item)
                    if item == 3:
                        await until(lambda: pool.info.failed_tasks)
            assert items[:4] == [0, 1, 2, 3]
            await until(lambda: "left" in heard)

    run(main())


def test_destroying_the_pool_ends_streams(run, functions, heard, no_leaks):
    async def main():
        options = {"tasks_finished_timeout": 0.01}
        pool = FixedProcessPool(1, functions, message_handler=heard.handle, tasks_queue_options=options)
        async with pool:
            stream = pool.stream(100, buffer=2)
            assert await anext(stream) == 0
        items = []
        with pytest.raises(asyncio.CancelledError):
            async for item in stream:
                items.append(item)
        assert items == list(range(1, len(items) + 1))
        assert heard[-1] == "left"

    run(main())


def test_a_stream_outlives_its_loop_unread(functions, no_leaks):
    async def main():
        async with FixedProcessPool(1, functions, tasks_queue_options={"tasks_finished_timeout": 0.01}) as pool:
            return pool.stream(100)

    stream = asyncio.run(main())
    del stream


def fork_and_yield(_):
    yield os.getpid()
    pid = os.fork()
    if pid == 0:
        yield "child"
    yield os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_that_a_generator_forks_does_not_act_as_the_worker(run):
    async def main():
        async with FixedProcessPool(1, {"fork": fork_and_yield, "len": len}) as pool:
            assert [item async for item in pool.stream(0)] == [pool.worker_nodes[0].pid, 0]
            assert await pool.execute("alive", "len") == 5

    run(main())
