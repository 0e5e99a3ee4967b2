"""What an interpreter leaves behind when it ends: what CPython keeps of any, and nothing of ours."""

import asyncio
import gc
import sys
import threading

from poolifier import FixedInterpreterPool
from poolifier.backends.interpreter.support import interpreters_module

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
