"""A strategy of the user's own that raises: what is refused leaves nothing, and what has its place runs."""

import asyncio

import pytest

from poolifier import FixedThreadPool, Strategy
from poolifier.futures import PoolExecutor
from tests.pool.test_callers_leave import FUNCTIONS, check_all_left, ended, instantly, same


class Moody(Strategy):
    """Raises where it is told to."""

    where = None

    def __init__(self, options):
        self.workers = []

    def worker_added(self, worker):
        self.workers.append(worker)

    def worker_removed(self, worker):
        self.workers.remove(worker)

    def choose(self, now):
        if Moody.where == "choose":
            raise LookupError("cannot decide")
        return self.workers[0]

    def load_changed(self, worker):
        if Moody.where == worker.slot:
            raise LookupError("cannot count")


@pytest.fixture
def moody():
    yield Moody
    Moody.where = None


@pytest.mark.parametrize("where", ["choose", 0])
def test_callers_whose_strategy_raises_leave(run, until, moody, where):
    async def main():
        async with FixedThreadPool(2, FUNCTIONS, worker_choice_strategy=Moody) as pool:
            moody.where = where
            with pytest.raises(LookupError):
                pool.execute(1, "same")
            with pytest.raises(LookupError):
                pool.stream(1, "numbers")
            with pytest.raises(LookupError):
                await pool.map_execute(range(10), "same")
            with pytest.raises(LookupError):
                await pool.map_execute(instantly(10), "same")
            moody.where = None
            assert await pool.map_execute(range(10), "same") == list(range(10))
            await check_all_left(pool, until)

    run(main())


def test_a_caller_whose_task_has_its_place_when_a_strategy_raises_is_kept_until_it_ends(run, until, tmp_path, moody):
    """It runs, and then the pool looks for whoever waits for it."""
    path = tmp_path / "go"
    queue = {"size": 3, "task_stealing": False}

    async def main():
        errors = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        async with FixedThreadPool(2, FUNCTIONS, worker_choice_strategy=Moody, tasks_queue_options=queue) as pool:
            running = pool.execute(str(path), "wait_for_file")
            pool.execute(1, "same")
            queued = pool.execute(2, "same")
            # With the next one its queue is full, and the first in it is given to the other worker.
            moody.where = 1
            with pytest.raises(LookupError):
                pool.execute(3, "same")
            moody.where = None
            assert len(pool._driver.callers) == 4
            path.touch()
            await ended(running, queued)
            await until(lambda: pool._scheduler.unfinished == 0)
            assert len(pool._driver.callers) == 1  # that of the task which was being moved
            assert pool.info.executed_tasks == 3
            assert await pool.execute(4, "same") == 4
        assert errors == []

    run(main())


def test_callers_of_executors_whose_strategy_raises_leave(moody):
    pool = FixedThreadPool(1, same, worker_choice_strategy=Moody)
    with PoolExecutor(pool) as executor:
        assert executor.submit(abs, -1).result(20) == 1
        moody.where = "choose"
        assert isinstance(executor.submit(abs, -1).exception(20), LookupError)
        moody.where = None
        assert executor.submit(abs, -1).result(20) == 1
        assert len(pool._driver.callers) == 0
