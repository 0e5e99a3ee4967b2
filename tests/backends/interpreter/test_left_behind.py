"""What an interpreter leaves behind when it ends: what CPython keeps of any, and nothing of ours."""

import asyncio
import gc
import sys
import threading

import psutil
import pytest

from poolifier import FixedInterpreterPool
from poolifier.backends.interpreter.backend import InterpreterBackend
from poolifier.backends.interpreter.support import interpreters_module
from poolifier.exchange import WorkerSettings
from poolifier.worker.source import WorkerSource

ROUNDS = 5

# As a worker does: compiled modules cannot be imported there, so it reads their source.
IMPORT = """
import importlib, sys
sys.path[:] = {path!r}
from poolifier.backends.interpreter.sources import SourceFinder
sys.meta_path.insert(0, SourceFinder())
for name in {names!r}:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
"""


def modules(_):
    return [name for name in sys.modules if name != "__main__"]


def blocks_kept(code):
    """Blocks of memory that each round adds, once caches have filled."""
    for _ in range(3):
        code()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(ROUNDS):
        code()
    gc.collect()
    return (sys.getallocatedblocks() - before) / ROUNDS


def test_a_worker_that_ends_leaves_what_any_interpreter_leaves():
    async def start_and_end():
        async with FixedInterpreterPool(1, modules) as pool:
            return await pool.execute()

    names = asyncio.run(start_and_end())

    def live():
        interpreter = interpreters_module().create()
        interpreter.exec(IMPORT.format(path=sys.path, names=names))
        interpreter.close()

    def live_elsewhere():
        thread = threading.Thread(target=live)
        thread.start()
        thread.join()

    kept = blocks_kept(live_elsewhere)
    ours = blocks_kept(lambda: asyncio.run(start_and_end()))
    assert ours < kept + 500, (ours, kept)


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("poolifier.backends.interpreter.backend.create_ledger", OSError("no room")),
        ("poolifier.backends.interpreter.host.socket_pair", OSError("no room")),
        ("threading.Thread.start", RuntimeError("can't start new thread")),
    ],
)
def test_a_worker_that_cannot_be_made_leaves_nothing(run, monkeypatch, what, error):
    def refuse(*_):
        raise error

    async def main():
        backend = InterpreterBackend(WorkerSource.from_argument(modules))
        await backend.start(None)
        before = psutil.Process().num_fds()
        with monkeypatch.context() as patched:
            patched.setattr(what, refuse)
            with pytest.raises(OSError, match=r"no room|can't start new thread"):
                backend.start_worker(1, 0, WorkerSettings())
        assert psutil.Process().num_fds() == before
        await backend.close()

    run(main())
