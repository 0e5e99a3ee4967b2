"""Results that come together wake their callers in one handle: as the event loop would have, one by one."""

import asyncio
import contextvars
import gc
import logging
import subprocess
import sys
import weakref

import pytest

from poolifier import FixedProcessPool, FixedThreadPool
from poolifier.pool.delivery import Delivery

variable = contextvars.ContextVar("variable", default="nobody's")


def echo(data):
    return data


def fail(_):
    raise ValueError("on purpose")


class Settling:
    """Futures that are settled together, as those of tasks are."""

    def __init__(self, loop, count):
        self.delivery = Delivery(loop, None)
        self.futures = [asyncio.Future(loop=self.delivery) for _ in range(count)]

    def settle(self):
        self.delivery.open()
        for number, future in enumerate(self.futures):
            future.set_result(number)
        self.delivery.close()


def test_the_future_of_a_task_is_one_of_the_pools_event_loop(run):
    async def main():
        async with FixedThreadPool(1, echo) as pool:
            future = pool.execute(1)
            assert future.get_loop() is asyncio.get_running_loop()
            assert await asyncio.wait_for(asyncio.shield(future), 120) == 1
            done, _ = await asyncio.wait([pool.execute(2), pool.execute(3)])
            assert {future.result() for future in done} == {2, 3}
            assert await asyncio.gather(pool.execute(4), asyncio.sleep(0, 5)) == [4, 5]
            assert [await each for each in asyncio.as_completed([pool.execute(6)])] == [6]

    run(main())


def test_the_event_loop_can_be_run_until_a_task_is_done():
    loop = asyncio.new_event_loop()
    try:
        pool = FixedThreadPool(1, echo)
        loop.run_until_complete(pool.start())

        async def submit():
            return [pool.execute(number) for number in range(100)]

        futures = loop.run_until_complete(submit())
        assert loop.run_until_complete(futures[99]) == 99
        loop.run_until_complete(pool.destroy())
    finally:
        loop.close()


def test_nobody_calls_where_the_event_loop_is_closed():
    def forget_it():
        loop = asyncio.new_event_loop()
        pool = FixedProcessPool(1, echo)
        loop.run_until_complete(pool.start())
        loop.close()
        with pytest.raises(RuntimeError, match="belongs to the event loop that it was started on"):
            pool.execute(1)

    def forget():
        forget_it()
        gc.collect()

    with pytest.warns(ResourceWarning) as warned:  # its sockets are named, too
        forget()
    assert any("was never destroyed" in str(warning.message) for warning in warned)


def test_callbacks_are_called_in_order_and_before_what_is_scheduled_later(run):
    async def main():
        loop = asyncio.get_running_loop()
        called = []
        settling = Settling(loop, 3)
        for future in settling.futures:
            future.add_done_callback(lambda future: called.append(future.result()))
        loop.call_soon(called.append, "before")
        settling.delivery.open()
        for number, future in enumerate(settling.futures):
            future.set_result(number)
        loop.call_soon(called.append, "after")
        settling.delivery.close()
        assert called == []
        await asyncio.sleep(0)
        assert called == ["before", 0, 1, 2, "after"]

    run(main())


def test_each_callback_is_called_in_its_own_context(run):
    async def main():
        seen = []
        settling = Settling(asyncio.get_running_loop(), 3)
        for number, future in enumerate(settling.futures):
            context = contextvars.copy_context()
            context.run(variable.set, number)
            future.add_done_callback(lambda _: seen.append(variable.get()), context=context)
        settling.settle()
        await asyncio.sleep(0)
        assert seen == [0, 1, 2]

    run(main())


def test_a_callback_that_raises_is_reported_and_harms_no_other(run):
    async def main():
        loop = asyncio.get_running_loop()
        reported, called = [], []
        loop.set_exception_handler(lambda _, context: reported.append(context))
        settling = Settling(loop, 3)

        def spoil(_):
            raise ValueError("on purpose")

        settling.futures[0].add_done_callback(spoil)
        for future in settling.futures:
            future.add_done_callback(lambda future: called.append(future.result()))
        settling.settle()
        await asyncio.sleep(0)
        assert called == [0, 1, 2]
        (context,) = reported
        assert str(context["exception"]) == "on purpose"
        assert context["future"] is settling.futures[0]
        assert "spoil" in context["message"]

    run(main())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_callback_that_ends_the_event_loop_takes_no_result_with_it(error):
    loop = asyncio.new_event_loop()
    try:
        settling = Settling(loop, 3)
        called = []

        def end(_):
            raise error

        settling.futures[0].add_done_callback(end)
        for future in settling.futures:
            future.add_done_callback(lambda future: called.append(future.result()))
        settling.settle()
        with pytest.raises(error):
            loop.run_forever()
        loop.run_until_complete(asyncio.sleep(0))
        assert called == [0, 1, 2]
    finally:
        loop.close()


def test_what_settles_at_other_times_is_delivered_as_ever(run):
    async def main():
        called = []
        settling = Settling(asyncio.get_running_loop(), 2)
        for future in settling.futures:
            future.add_done_callback(called.append)
        settling.futures[0].cancel()
        settling.futures[1].set_exception(ValueError("on purpose"))
        await asyncio.sleep(0)
        assert called == settling.futures
        assert settling.futures[0].cancelled()
        assert str(settling.futures[1].exception()) == "on purpose"

    run(main())


def test_an_error_that_nobody_looks_at_is_reported_to_the_event_loop(run):
    async def main():
        loop = asyncio.get_running_loop()
        reported = []
        loop.set_exception_handler(lambda _, context: reported.append(context))
        async with FixedThreadPool(1, fail) as pool:
            await asyncio.wait([pool.execute()])
            gc.collect()
        (context,) = reported
        assert "never retrieved" in context["message"]
        assert str(context["exception"]) == "on purpose"

    run(main())


def test_a_loop_that_debugs_names_the_callback_that_is_slow(run, caplog):
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0.0
        settling = Settling(loop, 2)

        def linger(_):
            pass

        for future in settling.futures:
            future.add_done_callback(linger)
        with caplog.at_level(logging.WARNING, "asyncio"):
            settling.settle()
            await asyncio.sleep(0)
        assert sum("linger" in message for message in caplog.messages) == 2

    run(main())


def test_debugging_is_switched_on_and_off_while_the_pool_runs(run):
    """From the next results on."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_debug(False)
        async with FixedThreadPool(1, echo) as pool:
            for debug in (True, False):
                loop.set_debug(debug)
                await pool.execute(1)
                future = pool.execute(2)
                assert bool(future._source_traceback) is debug  # which asyncio shows of what is never retrieved
                await future

    run(main())


def test_a_result_that_is_let_go_does_not_wait_for_those_that_came_with_it(run):
    class Result:
        pass

    async def main():
        let_go, most = [], 0

        async def client(pool):
            nonlocal most
            let_go.append(weakref.ref(await pool.execute()))
            most = max(most, sum(result() is not None for result in let_go))

        async with FixedThreadPool(1, lambda _: Result()) as pool:
            await asyncio.gather(*(client(pool) for _ in range(500)))
        assert most <= 1

    run(main())


def test_the_handler_of_exceptions_runs_in_the_context_of_the_callback(run):
    async def main():
        loop = asyncio.get_running_loop()
        seen = []
        loop.set_exception_handler(lambda _, context: seen.append((variable.get(), type(context["exception"]))))
        settling = Settling(loop, 2)
        for number, future in enumerate(settling.futures):
            context = contextvars.copy_context()
            context.run(variable.set, number)
            future.add_done_callback(fail, context=context)
        settling.settle()
        await asyncio.sleep(0)
        assert seen == [(0, ValueError), (1, ValueError)]

    run(main())


NESTED = """
import asyncio
import nest_asyncio2
from poolifier import FixedThreadPool

nest_asyncio2.apply()

def task(data):
    if data == 1:
        raise ValueError(data)
    return data

found = []

async def wait_in_a_callback(pool):
    loop = asyncio.get_running_loop()
    futures = [pool.execute(number) for number in range(10, 100)]
    waiting = [loop.create_task(asyncio.wait_for(future, 120)) for future in futures]
    for number in range(0, 90, 10):
        futures[number].add_done_callback(
            lambda _, other=waiting[number + 9]: found.append(loop.run_until_complete(other))
        )
    assert await asyncio.gather(*waiting) == list(range(10, 100))

async def wait_in_a_listener(pool):
    loop = asyncio.get_running_loop()
    pool.emitter.on("task_error", lambda _: loop.run_until_complete(asyncio.sleep(0.01)))
    results = await asyncio.wait_for(asyncio.gather(*map(pool.execute, range(100)), return_exceptions=True), 120)
    assert isinstance(results.pop(1), ValueError)
    assert results == [0, *range(2, 100)]

async def main():
    async with FixedThreadPool(1, task) as pool:
        await wait_in_a_callback(pool)
        await wait_in_a_listener(pool)

asyncio.run(main())
assert sorted(found) == list(range(19, 100, 10))
print("main ends")
"""


def test_the_event_loop_can_be_run_within_a_callback_or_a_listener(tmp_path):
    path = tmp_path / "nested.py"
    path.write_text(NESTED)
    try:
        ended = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as hang:
        pytest.fail(f"it hangs: {hang.stderr!r}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "main ends\n", "")
