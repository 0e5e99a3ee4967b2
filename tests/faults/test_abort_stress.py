"""Ten thousand aborts at random moments: each hits its own task or none, never the next one."""

import asyncio
import random
import sys
import time
from itertools import chain

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool

POOLS = [FixedProcessPool, FixedThreadPool]
if sys.version_info >= (3, 13):
    POOLS.append(FixedInterpreterPool)

TASKS = 20_000
ABORTS = 10_000


def work(task):
    """Works for a moment, in a mixture of ways; returns its number."""
    number, seconds, way = task
    if way == "nap":
        time.sleep(seconds)
    elif way == "spin":
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
    elif way == "swallow":
        try:
            time.sleep(seconds)
        except BaseException:
            return -1
    return number


async def work_async(task):
    number, seconds, way = task
    if way != "none":
        await asyncio.sleep(seconds)
    return number


@pytest.mark.parametrize("pool_class", POOLS)
@pytest.mark.parametrize(("function", "concurrency"), [(work, 1), (work_async, 1), (work_async, 5)])
@pytest.mark.usefixtures("no_leaks")
def test_an_abort_hits_its_own_task_or_none(run, until, pool_class, function, concurrency):
    chance = random.Random(20)
    tasks = [
        (number, chance.choice([0.0, 0.0, 0.0001, 0.0005]), chance.choice(["none", "nap", "spin", "swallow"]))
        for number in range(TASKS)
    ]
    unwanted = set(chance.sample(range(TASKS), ABORTS))

    async def one(pool, task):
        future = pool.execute(task)
        if task[0] not in unwanted:
            return await future
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            await asyncio.wait([future], timeout=chance.random() / 500)
        if not future.cancel():
            return await future
        with pytest.raises(asyncio.CancelledError):
            await future
        return None

    async def main():
        queue = {"concurrency": concurrency}
        async with pool_class(2, function, tasks_queue_options=queue, abort_grace=60) as pool:
            workers = {(node.id, node.pid) for node in pool.worker_nodes}
            waiting = iter(tasks)

            async def client():
                return [(task[0], await one(pool, task)) for task in waiting]

            answers = dict(chain.from_iterable(await asyncio.gather(*(client() for _ in range(100)))))
            assert set(answers) == set(range(TASKS))
            wrong = {number: answer for number, answer in answers.items() if answer not in (number, None)}
            assert not wrong
            assert all(answers[number] == number for number in range(TASKS) if number not in unwanted)
            await until(lambda: not pool.info.executing_tasks + pool.info.queued_tasks)
            info = pool.info
            assert info.failed_tasks == 0
            assert info.submitted_tasks == TASKS == info.executed_tasks + info.aborted_tasks
            assert info.aborted_tasks == sum(answer is None for answer in answers.values()) > ABORTS / 4
            assert {(node.id, node.pid) for node in pool.worker_nodes} == workers, "an abort ended a worker"

    run(main())
