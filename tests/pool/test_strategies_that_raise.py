"""A strategy of the user's own that raises or chooses wrongly: what is refused leaves nothing, and the pool goes on."""

import asyncio
from typing import ClassVar

import pytest

from poolifier import FixedProcessPool, FixedThreadPool, PoolEvent, Strategy
from poolifier.futures import PoolExecutor
from tests.pool.test_callers_leave import FUNCTIONS, check_all_left, instantly, same


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
        if Moody.where == "told":
            raise LookupError("cannot count")

    def task_ended(self, worker, run_time, wait_time, active_time):
        if Moody.where == "told":
            raise LookupError("cannot count")


@pytest.fixture
def moody():
    yield Moody
    Moody.where = None


def test_callers_whose_strategy_cannot_choose_leave(run, until, moody):
    async def main():
        async with FixedThreadPool(2, FUNCTIONS, worker_choice_strategy=Moody) as pool:
            moody.where = "choose"
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


class Stand:
    """Has all that a worker has, and is none."""

    def __init__(self, worker):
        self.__dict__["worker"] = worker

    def __getattr__(self, name):
        return getattr(self.worker, name)

    def __setattr__(self, name, value):
        setattr(self.worker, name, value)


@pytest.mark.parametrize("makes", [Stand, repr, type, lambda worker: worker.id, lambda _: False])
def test_what_is_no_worker_is_refused_and_the_pool_goes_on(run, until, makes):
    class Odd(Moody):
        odd = False

        def choose(self, now):
            worker = self.workers[0]
            return makes(worker) if Odd.odd else worker

    async def main():
        async with FixedThreadPool(2, FUNCTIONS, worker_choice_strategy=Odd) as pool:
            Odd.odd = True
            with pytest.raises(TypeError, match=r"^a strategy's choose must return a worker .*, or None, not "):
                pool.execute(1, "same")
            with pytest.raises(TypeError, match="choose must return"):
                await pool.map_execute(range(10), "same")
            Odd.odd = False
            async with asyncio.timeout(120):
                assert await pool.map_execute(range(10), "same") == list(range(10))
            await check_all_left(pool, until)

    run(main())


def test_nor_does_a_pool_take_the_worker_of_another(run, until):
    class Shared(Moody):
        everybody: ClassVar = []
        wrong = True

        def worker_added(self, worker):
            super().worker_added(worker)
            self.everybody.append(worker)

        def choose(self, now):
            return self.everybody[0] if self.wrong else self.workers[0]

    async def main():
        async with (
            FixedThreadPool(1, FUNCTIONS, worker_choice_strategy=Shared) as first,
            FixedThreadPool(1, FUNCTIONS, worker_choice_strategy=Shared) as second,
        ):
            assert await first.execute(1, "same") == 1
            with pytest.raises(TypeError, match="choose must return a worker that it was told of"):
                second.execute(2, "same")
            Shared.wrong = False
            async with asyncio.timeout(120):
                assert await asyncio.gather(first.execute(3, "same"), second.execute(4, "same")) == [3, 4]
            await check_all_left(second, until)

    run(main())


@pytest.mark.parametrize("kind", [FixedThreadPool, FixedProcessPool])
def test_a_strategy_that_raises_when_told_something_loses_nothing(run, until, moody, kind):
    async def main():
        moody.where = "told"
        queue = {"size": 3}
        async with kind(2, FUNCTIONS, worker_choice_strategy=Moody, tasks_queue_options=queue) as pool:
            errors = []
            pool.emitter.on(PoolEvent.ERROR, errors.append)
            async with asyncio.timeout(120):
                assert await asyncio.gather(*[pool.execute(n, "same") for n in range(50)]) == list(range(50))
                assert await pool.map_execute(range(100), "same") == list(range(100))
            await check_all_left(pool, until)
            assert pool.info.executed_tasks == 150
            assert len(errors) >= 100  # of each task at least that it came and that it ended
            assert {str(error) for error in errors} == {"cannot count"}

    run(main())


def test_callers_of_executors_whose_strategy_raises_leave(moody):
    pool = FixedThreadPool(1, same, worker_choice_strategy=Moody)
    with PoolExecutor(pool) as executor:
        assert executor.submit(abs, -1).result(120) == 1
        moody.where = "choose"
        assert isinstance(executor.submit(abs, -1).exception(120), LookupError)
        moody.where = None
        assert executor.submit(abs, -1).result(120) == 1
        assert len(pool._driver.callers) == 0
