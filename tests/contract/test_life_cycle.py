"""Workers come and go: start, load errors, sizing, functions at run time, recycling, destroy."""

import asyncio
import threading
import time

import pytest

from poolifier import KillBehavior, PoolNotStartedError, UnknownTaskFunctionError, Worker
from tests.contract import tasks

BROKEN = "raise LookupError('broken at import')\n"
FILE = "from poolifier import Worker\n\nasync def twice(n):\n    return 2 * n\n\nworker = Worker({'twice': twice})\n"


def fail():
    raise LookupError("no licence")


def triple(number):
    return 3 * number


async def triple_async(number):
    return 3 * number


def count_triples(number):
    for _ in range(3):
        yield number


def set_prefix(prefix):
    global _prefix
    _prefix = prefix


def prefixed(text):
    return _prefix + text


@pytest.mark.usefixtures("nothing_left")
def test_a_file_is_loaded(run, kind, tmp_path):
    path = tmp_path / f"contract_{kind.name}.py"
    path.write_text(FILE)

    async def main():
        async with kind.fixed(4, path) as pool:
            assert await asyncio.gather(*(pool.execute(n, "twice") for n in range(50))) == [2 * n for n in range(50)]

    run(main())


@pytest.mark.usefixtures("nothing_left")
def test_an_error_at_load_is_the_error_of_start(run, kind, tmp_path):
    path = tmp_path / f"contract_broken_{kind.name}.py"
    path.write_text(BROKEN)

    async def main():
        with pytest.raises(LookupError, match="broken at import"):
            await kind.fixed(3, path).start()
        with pytest.raises(LookupError, match="no licence"):
            await kind.fixed(2, tasks.PLAIN, initializer=fail).start()

    run(main())


def test_an_error_of_a_start_tells_of_which_argument_and_pool(run, kind, tmp_path):
    path = tmp_path / "workers.py"
    path.write_text(BROKEN)
    cases = [
        ({"worker": "poolifier_no_such_module"}, "loaded worker='poolifier_no_such_module'"),
        ({"worker": path}, f"loaded worker={str(path)!r}"),
        ({"worker": "math:nope"}, "loaded worker='math:nope'"),
        ({"worker": len, "initializer": fail}, "ran initializer=fail"),
    ]

    async def main():
        for options, note in cases:
            with pytest.raises((LookupError, ImportError, ValueError)) as caught:
                await kind.fixed(1, name="orders", **options).start()
            assert caught.value.__notes__ == [f"raised while a worker of pool 'orders' {note}"]

    run(main())


def test_the_initializer_runs_first(run, kind):
    async def main():
        async with kind.fixed(2, prefixed, initializer=set_prefix, initargs=("at ",)) as pool:
            assert await pool.execute("work") == "at work"

    run(main())


@pytest.mark.usefixtures("nothing_left")
def test_functions_come_and_go(run, kind):
    async def main():
        async with kind.fixed(2, tasks.PLAIN) as pool:
            running = pool.execute(0.1, "nap")
            await pool.add_task_function("triple", triple)
            await pool.add_task_function("later", triple_async)
            await pool.add_task_function("three", count_triples)
            assert await asyncio.gather(*(pool.execute(n, "triple") for n in range(20))) == [3 * n for n in range(20)]
            assert await asyncio.gather(*(pool.execute(n, "later") for n in range(20))) == [3 * n for n in range(20)]
            assert [item async for item in pool.stream(7, "three")] == [7, 7, 7]
            await pool.add_task_function("triple", tasks.echo)
            assert await pool.execute(5, "triple") == 5
            await pool.set_default_task_function("later")
            assert await pool.execute(2) == 6
            await pool.remove_task_function("triple")
            with pytest.raises(UnknownTaskFunctionError):
                pool.execute(1, "triple")
            await running

    run(main())


@pytest.mark.usefixtures("nothing_left")
def test_a_dynamic_pool_grows_and_shrinks(run, until, kind):
    async def main():
        worker = Worker(tasks.PLAIN, max_inactive_time=0.2)
        online = []
        async with kind.dynamic(0, 3, worker, online_handler=online.append) as pool:
            assert pool.info.worker_nodes == 0
            await asyncio.gather(*(pool.execute(0.1, "nap") for _ in range(9)))
            await until(lambda: len(online) == 3)
            await pool.add_task_function("triple", triple)
            await until(lambda: pool.info.worker_nodes == 0)
            assert await pool.execute(2, "triple") == 6, "a worker that starts later has it, too"

    run(main())


def test_a_hard_retirement_stops_what_runs(run, until, kind):
    async def main():
        worker = Worker(tasks.PLAIN, max_inactive_time=0.3, kill_behavior=KillBehavior.HARD)
        async with kind.dynamic(0, 1, worker) as pool:
            future = pool.execute(600, "spin")
            with pytest.raises(asyncio.CancelledError):
                await future
            await until(lambda: pool.info.worker_nodes == 0)
            assert pool.info.aborted_tasks == 1

    run(main())


@pytest.mark.usefixtures("nothing_left")
def test_workers_are_recycled(run, kind):
    async def main():
        async with kind.fixed(1, tasks.PLAIN, max_tasks_per_worker=20) as pool:
            first = pool.worker_nodes[0].id
            # Three workers for these, as no task is run past the limit: some kinds start slowly, one after the other.
            assert await asyncio.gather(*(pool.execute(n) for n in range(50))) == list(range(50))
            assert pool.worker_nodes[0].id >= first + 2
            assert await asyncio.gather(*(pool.execute(n) for n in range(50))) == list(range(50))
            assert pool.worker_nodes[0].id >= first + 4

    run(main())


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", ["spin", "wait"])
def test_destroy_ends_what_runs_and_what_waits(run, kind, name):
    async def main():
        pool = kind.fixed(2, tasks.ALL, tasks_queue_options={"tasks_finished_timeout": 0.1})
        await pool.start()
        futures = [pool.execute(600, name) for _ in range(10)]
        begun = time.monotonic()
        await asyncio.gather(pool.destroy(), pool.destroy())
        assert time.monotonic() - begun < 240
        assert all(future.cancelled() for future in futures)
        with pytest.raises(PoolNotStartedError):
            pool.execute(1)
        await pool.destroy()

    run(main())


@pytest.mark.usefixtures("nothing_left")
def test_destroy_lets_tasks_finish(run, kind):
    async def main():
        async with kind.fixed(2, tasks.ALL) as pool:
            futures = [pool.execute(0.05, name) for name in ("nap", "wait") * 5]
        assert [future.result() for future in futures] == [0.05] * 10

    run(main())


def test_many_tasks_from_many_tasks(run, kind):
    """Pools of one kind beside each other do not mix up their workers."""

    async def main():
        async with kind.fixed(2, tasks.PLAIN) as one, kind.fixed(2, tasks.PLAIN) as other:
            left, right = await asyncio.gather(
                asyncio.gather(*(one.execute(None, "where") for _ in range(50))),
                asyncio.gather(*(other.execute(None, "where") for _ in range(50))),
            )
            assert not set(left) & set(right)

    run(main())
    assert threading.active_count() < 20
