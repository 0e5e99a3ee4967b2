"""What `multiprocessing` shares reaches Ray workers of the same machine."""

import multiprocessing

import pytest

from poolifier import FixedRayPool
from tests.pool import shared_things as things

pytestmark = pytest.mark.usefixtures("ray_cluster")


def test_proxies_of_a_manager_are_data_and_initargs(run):
    async def main(queue):
        functions = {"put": things.put, "put_kept": things.put_kept}
        async with FixedRayPool(1, functions, initializer=things.keep, initargs=(queue,)) as pool:
            await pool.execute((queue, 1), "put")
            await pool.execute(2, "put_kept")
        assert [queue.get_nowait() for _ in range(2)] == [1, 2]

    with multiprocessing.get_context("spawn").Manager() as manager:
        run(main(manager.Queue()))
