"""Actors that die: what may have started fails or runs again as asked, all else moves, and nothing runs twice."""

import asyncio
import logging
import os
from collections import Counter

import pytest

from poolifier import FixedRayPool, PoisonTaskError, WorkerCrashedError
from poolifier.backends.ray import backend
from tests.backends.ray import ray_tasks

pytestmark = pytest.mark.usefixtures("ray")


def ran(path):
    return Counter(int(line) for line in path.read_text().split())


def test_what_was_not_sent_moves(run, tmp_path):
    log = tmp_path / "log"

    async def main():
        errors = []
        async with FixedRayPool(1, ray_tasks.ALL, error_handler=lambda _, error: errors.append(error)) as pool:
            await pool.execute(0.01, "nap")  # so that it is known to take long, and nothing is sent ahead
            first = pool.worker_nodes[0].id
            naps = [pool.execute(0.01, "nap") for _ in range(3)]
            deadly = pool.execute((str(log), 1, True), "note")
            after = [pool.execute(0.01, "nap") for _ in range(5)]
            with pytest.raises(WorkerCrashedError, match="was lost: its worker process has died") as caught:
                await deadly
            assert (caught.value.worker_id, caught.value.task_id) == (first, deadly.task_id)
            assert await asyncio.gather(*naps, *after) == [0.01] * 8
            assert pool.worker_nodes[0].id != first
            assert pool.info.failed_tasks == 1
            assert len(errors) == 1

    run(main())
    assert ran(log) == {1: 1}


def test_retries(run, tmp_path):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            assert await pool.execute(str(tmp_path / "died"), "die_once", retries=1) != os.getpid()
            with pytest.raises(PoisonTaskError):
                await pool.execute((str(tmp_path / "log"), 1, True), "note", retries=1)

    run(main())
    assert ran(tmp_path / "log") == {1: 2}


@pytest.mark.parametrize("retries", [0, 1])
def test_a_map_of_tiny_items(run, tmp_path, retries):
    """Nobody can tell which items of what was sent had run, so none of them is run again unasked."""
    log = tmp_path / "log"
    count, deadly = 6000, 3000

    async def main():
        async with FixedRayPool(2, ray_tasks.ALL) as pool:
            jobs = [(str(log), number, number == deadly) for number in range(count)]
            values = await pool.map_execute(jobs, "note", return_exceptions=True, retries=retries)
            lost = [number for number, value in enumerate(values) if isinstance(value, WorkerCrashedError)]
            assert [value for value in values if not isinstance(value, Exception)] == [
                number for number in range(count) if number not in lost
            ]
            assert deadly in lost
            info = pool.info
            assert (info.executed_tasks, info.failed_tasks) == (count - len(lost), len(lost))
            return lost

    lost = run(main())
    times = ran(log)
    assert set(times) >= set(range(count)) - set(lost), "all that has a result has run"
    if retries:
        assert lost == [deadly]
        assert max(times.values()) == 2
    else:
        assert max(times.values()) == 1, "nothing runs twice"
        assert len(lost) < 1500


def test_an_option_that_ray_refuses_is_the_error_of_start(run):
    async def main():
        with pytest.raises(TypeError, match=r"runtime_env\['env_vars'\]"):
            await FixedRayPool(1, len, ray_options={"runtime_env": {"env_vars": {"A": 1}}}).start()

    run(main())


def test_an_actor_that_there_is_no_room_for_is_told_of(run, until, monkeypatch, caplog):
    monkeypatch.setattr(backend, "_PENDING", 0.1)

    async def main():
        pool = FixedRayPool(1, len, ray_options={"resources": {"no such thing": 1}})
        starting = asyncio.ensure_future(pool.start())
        with caplog.at_level(logging.WARNING, "poolifier"):
            await until(lambda: "Ray may have no room for an actor with {'resources'" in caplog.text)
        await pool.destroy()
        with pytest.raises(Exception, match="destroyed"):
            await starting

    run(main())


def test_a_worker_that_takes_too_much_memory_is_replaced(run):
    async def main():
        async with FixedRayPool(1, ray_tasks.ALL) as pool:
            await pool.execute(0, "leak")
            usual = pool.worker_nodes[0].memory
        async with FixedRayPool(1, ray_tasks.ALL, max_memory_per_worker=usual + (60 << 20)) as pool:
            processes = {await pool.execute(10 << 20, "leak")}
            while len(processes) < 2:
                # The one that takes too much goes on until the other is ready.
                processes.add(await pool.execute(1, "leak"))
            assert pool.info.failed_tasks == 0

    run(main())
