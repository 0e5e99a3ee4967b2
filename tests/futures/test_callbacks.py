"""What the callbacks of futures raise ends nobody else's calls."""

import asyncio
import logging

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


def test_an_event_loop_of_the_programs_own_ends_with_it_once_all_is_delivered():
    delivered = []

    async def main():
        # One worker, so that the others have ended by then.
        async with FixedThreadPool(1, abs) as pool:
            executor = PoolExecutor(pool)
            futures = [executor.submit(abs, -number) for number in range(10)]
            for future in futures[:-1]:
                future.add_done_callback(lambda done: delivered.append(done.result()))
            futures[-1].add_done_callback(raiser(SystemExit(3)))
            await asyncio.gather(*map(asyncio.wrap_future, futures))
            await asyncio.sleep(10)

    with pytest.raises(SystemExit):
        asyncio.run(main())
    assert delivered == list(range(9))
