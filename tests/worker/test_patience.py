"""An abort is never lost for an error of what looks whether it can be raised."""

import asyncio
import sys
import threading
from importlib import import_module

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool

KINDS = [
    FixedProcessPool,
    FixedThreadPool,
    pytest.param(
        FixedInterpreterPool, marks=pytest.mark.skipif(sys.version_info < (3, 13), reason="there are none before 3.13")
    ),
]

LOOKS = ["poolifier.worker.patience.place", "poolifier.worker.imports.importing"]


def break_looks(where):
    """Whatever it is that fails: memory, a kind of instruction that is not known, a stack that is too deep."""
    name = where.rpartition(".")[2]

    def fail(*_, **__):
        raise LookupError(name)

    for each in list(sys.modules.values()):
        if getattr(each, "__name__", "").startswith("poolifier.") and hasattr(each, name):
            setattr(each, name, fail)


def spin(_):
    lock = threading.Lock()
    while True:
        with lock:
            pass


def echo(value):
    return value


@pytest.fixture
def looks(monkeypatch):
    """Threads have the modules of this process."""
    for module in [each for key, each in sys.modules.items() if key.startswith("poolifier.")]:
        for where in LOOKS:
            name = where.rpartition(".")[2]
            if hasattr(module, name):
                monkeypatch.setattr(module, name, getattr(module, name))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", LOOKS)
@pytest.mark.usefixtures("looks", "no_leaks")
def test_an_error_of_the_look_raises_the_abort(run, until, kind, where):
    async def main():
        functions = {"spin": spin, "echo": echo}
        async with kind(1, functions, abort_grace=60, initializer=break_looks, initargs=(where,)) as pool:
            workers = [node.id for node in pool.worker_nodes]
            for number in range(5):
                future = pool.execute(None, "spin")
                await until(lambda: pool.info.executing_tasks)
                future.cancel()
                await asyncio.wait([future])
                assert await pool.execute(number, "echo") == number
            assert pool.info.aborted_tasks == 5
            assert [node.id for node in pool.worker_nodes] == workers
            assert pool.info.crashed_workers == 0

    run(main())


def without_threads():
    """As where the system, or a limit, gives this process no more of them."""
    from poolifier.worker import imports

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    imports.start_new_thread = refuse


def import_then_spin(directory):
    sys.path.insert(0, directory)
    import_module("much")
    while True:
        pass


def imported(_):
    return "much" in sys.modules


@pytest.mark.usefixtures("no_leaks")
def test_an_abort_in_an_import_is_raised_after_it_also_without_a_thread(run, until, tmp_path):
    begun = tmp_path / "begun"
    # Is over once the worker has been told to stop, and has held that back.
    (tmp_path / "much.py").write_text(
        f"""
from poolifier.worker.current_task import current_session
open({str(begun)!r}, "w").close()
while not current_session().poked:
    pass
"""
    )

    async def main():
        functions = {"import": import_then_spin, "echo": echo, "imported": imported}
        async with FixedProcessPool(1, functions, abort_grace=60, initializer=without_threads) as pool:
            future = pool.execute(str(tmp_path), "import")
            await until(begun.exists)
            future.cancel()
            assert await pool.execute(None, "imported")
            assert pool.info.aborted_tasks == 1
            assert pool.info.crashed_workers == 0

    run(main())
