"""Starts that fail: the first, which `start` raises, and later ones of a pool that goes on."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from poolifier import DynamicProcessPool, FixedProcessPool, PoolFailedError, PoolNotStartedError, WorkerCrashedError


def refuse(path):
    if Path(path).exists():
        raise ValueError("not now")


def refuse_late(path):
    """The first worker is ready at once; another one that comes waits until that one has gone, and then fails."""
    own = Path(path) / "first"
    try:
        own.touch(exist_ok=False)
    except FileExistsError:
        while own.exists():
            time.sleep(0.001)
        raise ValueError("not now") from None


@pytest.mark.usefixtures("no_leaks")
def test_all_who_start_a_pool_hear_of_its_failed_start_and_can_try_again(run, tmp_path):
    path = tmp_path / "refuse"
    path.touch()

    async def main():
        pool = FixedProcessPool(2, len, initializer=refuse, initargs=(str(path),))
        assert pool.info.state == "created"
        starts = [asyncio.ensure_future(pool.start()) for _ in range(3)]
        await asyncio.sleep(0)
        assert pool.info.state == "starting"
        outcomes = await asyncio.gather(*starts, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["not now"] * 3
        assert pool.info.state == "created"
        assert repr(pool).endswith("not started>")
        path.unlink()
        async with pool:
            assert await pool.execute("four") == 4

    run(main())


@pytest.mark.once
@pytest.mark.usefixtures("no_leaks")
def test_destroy_while_a_failed_start_is_cleaned_up(run, tmp_path):
    path = tmp_path / "refuse"
    path.touch()

    async def main():
        for turns in range(12):
            pool = FixedProcessPool(1, len, initializer=refuse, initargs=(str(path),))
            failed = asyncio.Event()
            close = pool._life.create_backend

            def create(close=close, failed=failed):
                backend = close()
                end = backend.close

                async def tell_and_end():
                    failed.set()
                    await end()

                backend.close = tell_and_end
                return backend

            pool._life.create_backend = create
            starting = asyncio.ensure_future(pool.start())
            await failed.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            await pool.destroy()
            with pytest.raises((ValueError, PoolNotStartedError)):
                await starting
            assert pool.info.state == "closed"
            with pytest.raises(PoolNotStartedError, match="destroyed"):
                await pool.start()

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_a_worker_that_is_ready_and_dies_while_others_start_is_a_failed_start(run, until, tmp_path):
    async def main():
        options = {"initializer": refuse_late, "initargs": (str(tmp_path),), "error_handler": lambda *_: None}
        pool = FixedProcessPool(2, len, **options)
        starting = asyncio.ensure_future(pool.start())
        await until(lambda: any(node.ready for node in pool.worker_nodes))
        [worker] = [node for node in pool.worker_nodes if node.ready]
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerCrashedError, match="SIGKILL"):
            await starting
        assert pool.info.state == "created"
        (tmp_path / "first").unlink()

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_a_module_that_was_mended_after_a_failed_start_is_read_anew(run, tmp_path):
    module = tmp_path / "mended.py"
    module.write_text("worker = {'old': len}\nraise ValueError('half written')\n")

    async def main():
        pool = FixedProcessPool(1, module)
        with pytest.raises(ValueError, match="half written"):
            await pool.start()
        module.write_text("worker = {'new': len}\n")
        async with pool:
            assert await pool.execute("four", "new") == 4
            assert not pool.has_task_function("old")

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_a_module_that_does_not_fit_a_pool_of_none_is_a_failed_start(run, until, tmp_path):
    module = tmp_path / "wide.py"
    text = "from poolifier import TaskFunction, Worker\nworker = Worker({'f': TaskFunction(len, worker_nodes=(%d,))})\n"
    # Of another length than the mended one, or Python may take what it has compiled of this for that.
    module.write_text(text % 17)

    async def main():
        options = {"restart_limit": (1, 10.0), "error_handler": lambda *_: None}
        async with DynamicProcessPool(0, 2, module, **options) as pool:
            with pytest.raises(PoolFailedError, match="must be slots from 0 to 1") as caught:
                await pool.execute("four", "f")
            assert isinstance(caught.value.__cause__, ValueError)
            module.write_text(text % 1)
            await until(lambda: pool.info.state == "ready")
            assert await pool.execute("four", "f") == 4

    run(main())
