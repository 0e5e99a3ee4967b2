"""Aborts at random moments of tasks that do little but import: each module is whole afterwards, or has not begun."""

import asyncio
import random
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool

POOLS = [FixedProcessPool, FixedThreadPool]
if sys.version_info >= (3, 13):
    POOLS.append(FixedInterpreterPool)

PACKAGES = 600
WORKERS = 2


def load(task):
    """Imports a package of three modules, once a gate is open, and works for a moment before and after."""
    number, gate = task
    if gate is not None:
        # No file, which an abort could keep it from closing.
        Path(f"{gate}.reached").mkdir()
        while not Path(gate).exists():
            time.sleep(0.0001)
    _work(number % 40)
    import_module(f"shipped_{number}")
    _work(number % 60)
    return number


def _work(steps):
    for step in range(steps):
        if step % 20 == 19:
            time.sleep(0.0001)


def broken(_):
    """The modules that are there and not whole, or whose package is gone."""
    # All that are sent to a worker look at the same modules; the nap spreads them over the workers.
    time.sleep(0.01)
    names = [name for name in sys.modules if name.startswith("shipped_")]
    return [
        name
        for name in names
        if not hasattr(sys.modules[name], "done") or not hasattr(sys.modules.get(name.partition(".")[0]), "done")
    ]


@pytest.fixture
def packages(tmp_path, monkeypatch):
    for number in range(PACKAGES):
        package = tmp_path / f"shipped_{number}"
        package.mkdir()
        (package / "__init__.py").write_text("from . import first, second\ntotal = sum(range(2000))\ndone = True\n")
        (package / "first.py").write_text("total = sum(i for i in range(1000))\ndone = True\n")
        (package / "second.py").write_text("from .first import total\ntotal += len(sorted(range(1000)))\ndone = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("shipped_")]:
        del sys.modules[name]


@pytest.mark.parametrize("pool_class", POOLS)
@pytest.mark.usefixtures("packages", "no_leaks")
def test_no_module_is_broken(run, until, tmp_path, pool_class):
    chance = random.Random(31)

    async def main():
        async with pool_class(WORKERS, {"load": load, "broken": broken}, abort_grace=120) as pool:
            workers = {node.id for node in pool.worker_nodes}
            waiting = iter(range(PACKAGES))
            took = 0.005

            async def client():
                nonlocal took
                for number in waiting:
                    if number % 4 == 0:
                        # However slow it is here, the abort is on its way when the import begins.
                        gate = tmp_path / f"gate {number}"
                        future = pool.execute((number, str(gate)), "load")
                        await until(Path(f"{gate}.reached").exists)
                        gate.touch()
                        assert future.cancel()
                        continue
                    began = time.perf_counter()
                    future = pool.execute((number, None), "load")
                    # By what such a task takes here and now: about half of them are to be aborted before their end.
                    await asyncio.wait([future], timeout=chance.random() * 2 * took)
                    if not future.cancel():
                        assert await future == number
                        took += (time.perf_counter() - began - took) / 10
                    elif took < 1:
                        # It takes longer than that, by all that is known.
                        took *= 1.02

            await asyncio.gather(*(client() for _ in range(WORKERS)))
            await until(lambda: not pool.info.executing_tasks)
            assert pool.info.failed_tasks == 0
            assert pool.info.aborted_tasks >= PACKAGES / 4
            assert await asyncio.gather(*(pool.execute(None, "broken") for _ in range(20))) == [[]] * 20
            # What was not begun can be, and what was broken could not.
            assert await pool.map_execute([(number, None) for number in range(PACKAGES)], "load") == list(
                range(PACKAGES)
            )
            assert {node.id for node in pool.worker_nodes} == workers, "an abort ended a worker"

    run(main())
