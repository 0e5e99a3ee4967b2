"""What the callbacks of futures raise ends nobody else's calls."""

import asyncio
import logging
import threading
import time

import pytest

from poolifier import FixedThreadPool
from poolifier.futures import PoolExecutor, ThreadPoolExecutor
from tests.futures import calls


def raiser(error):
    def callback(future):
        raise error

    return callback


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_it_is_logged_and_all_other_calls_go_on(executor_type, error, caplog):
    with executor_type(2) as executor:
        first = executor.submit(calls.wait_a_little)
        others = [executor.submit(abs, -number) for number in range(50)]
        seen = []
        first.add_done_callback(raiser(error))
        first.add_done_callback(seen.append)
        assert first.result(120) is None
        assert [other.result(120) for other in others] == list(range(50))
        assert executor.submit(pow, 2, 5).result(120) == 32, "the executor lives"
    assert first in seen, "callbacks that come after it are called"
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert any("exception calling callback" in message for message in errors)


@pytest.mark.parametrize("where", ["on its way", "waiting for a worker"])
def test_whoever_cancels_gets_it(where, eventually):
    with ThreadPoolExecutor(1) as executor:
        blocked = executor.submit(calls.wait_a_little)
        future = executor.submit(abs, 1)
        future.add_done_callback(raiser(SystemExit(3)))
        if where == "waiting for a worker":
            eventually(lambda: future._task is not None)
        with pytest.raises(SystemExit):
            future.cancel()
        assert future.cancelled()
        assert blocked.result(120) is None
        assert executor.submit(abs, -3).result(120) == 3


class Gates:
    """Lets task functions go one by one, and tells when the event loop has been asked to fetch what they returned."""

    def __init__(self, loop, count):
        self.gates = [threading.Event() for _ in range(count)]
        self.ran = {}
        self.asked = set()
        ask = loop.call_soon_threadsafe

        def noted(*args, **options):
            handle = ask(*args, **options)
            self.asked.add(threading.get_ident())
            return handle

        loop.call_soon_threadsafe = noted

    def work(self, number):
        self.gates[number].wait()
        # What a worker says from here on is what this returns.
        self.asked.discard(threading.get_ident())
        self.ran[number] = threading.get_ident()
        return number

    def let_go(self, number):
        """Waits, and keeps the event loop waiting, until the result is there to be fetched."""
        self.gates[number].set()
        end = time.monotonic() + 30
        while self.ran.get(number) not in self.asked:
            assert time.monotonic() < end
            time.sleep(0.001)


def test_an_event_loop_of_the_programs_own_ends_with_it_once_all_is_delivered(until):
    """What has arrived when a callback raises, and comes after it, is delivered before the loop ends."""
    delivered = []

    async def main():
        async with FixedThreadPool(5, abs) as pool:
            executor = PoolExecutor(pool)
            gates = Gates(asyncio.get_running_loop(), 5)
            futures = [executor.submit(gates.work, number) for number in range(5)]
            futures[0].add_done_callback(raiser(SystemExit(3)))
            for future in futures[1:]:
                future.add_done_callback(lambda done: delivered.append(done.result()))
            await until(lambda: pool.info.executing_tasks == 5, 30)
            for number in range(5):
                gates.let_go(number)
            await asyncio.sleep(30)

    with asyncio.Runner() as runner:
        with pytest.raises(SystemExit):
            runner.run(main())
        # Before the runner ends what is left, for which the loop turns once more.
        assert sorted(delivered) == [1, 2, 3, 4]
