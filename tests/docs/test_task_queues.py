"""The jobs of the page on task queues, run by arq's own worker on a Redis that is in memory."""

import asyncio
import importlib
import re
import sys
from contextlib import suppress
from pathlib import Path

import arq.worker
import pytest
from arq.connections import ArqRedis
from fakeredis import FakeAsyncRedisConnection, FakeServer
from redis.asyncio import ConnectionPool

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "task-queues.md"
JOBS = re.search(r"^```python\n(# jobs\.py\n.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    (tmp_path / "jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("jobs")
    del sys.modules["jobs"]


async def nothing(*_):
    """In the place of what logs the server's version and memory, which there is none of."""


@pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")
def test_jobs_in_arq(jobs, run, until, monkeypatch, no_leaks):
    monkeypatch.setattr(arq.worker, "log_redis_info", nothing)

    async def main():
        redis = ArqRedis(connection_pool=ConnectionPool(connection_class=FakeAsyncRedisConnection, server=FakeServer()))
        worker = arq.worker.create_worker(
            jobs.WorkerSettings, redis_pool=redis, handle_signals=False, poll_delay=0.01, allow_abort_jobs=True
        )
        running = asyncio.create_task(worker.async_run())
        enqueued = [await redis.enqueue_job("primes", limit) for limit in (100, 1_000)]
        assert [await job.result(timeout=120, poll_delay=0.01) for job in enqueued] == [25, 168]

        pool = worker.ctx["pool"]
        endless = await redis.enqueue_job("primes", 10**12)
        await until(lambda: pool.info.executing_tasks)
        assert await endless.abort(timeout=120, poll_delay=0.01)
        await until(lambda: pool.info.aborted_tasks)

        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await worker.close()
        assert (pool.info.started, pool.info.executed_tasks, pool.info.aborted_tasks) == (False, 2, 1)

    run(main())
