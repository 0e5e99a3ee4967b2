"""One way to run functions on every kind of executor and pool, for the programs of these tests.

async with runner("fork_server", [work, other], initializer, initargs) as run:
    assert await run(work, 3) == 6
"""

import asyncio
import contextlib
import sys

from tests.scripts.comparison import EXECUTORS, executor, pool_of

__all__ = ["KINDS", "Runner", "main", "runner"]

# Threads are left out: their functions and globals are the program's own.
KINDS = ["fork_server", "process-spawn", "futures", "futures-spawn"]
if sys.version_info >= (3, 13):
    KINDS.append("interpreter")
if sys.version_info >= (3, 14):
    KINDS.append("futures-interpreter")


class Runner:
    """Calls functions: of a pool those that it was made with, and those that are added.

    Attributes:
        pool: The pool; None for an executor.
    """

    def __init__(self, kind, functions, initializer, initargs):
        self.names = {id(function): f"f{number}" for number, function in enumerate(functions)}
        self.kept = list(functions)
        self.pool = self.executor = None
        if kind in EXECUTORS:
            self.executor = executor(kind, initializer, initargs)
        else:
            named = {f"f{number}": function for number, function in enumerate(functions)}
            self.pool = pool_of(kind, named or len, initializer, initargs)

    async def __call__(self, function, *args):
        if self.pool is None:
            return await asyncio.wrap_future(self.executor.submit(function, *args))
        return await self.pool.execute(*args, name=self.names[id(function)])

    async def add(self, function, instead=None):
        """Adds a function to the pool, or puts it in the place of another."""
        self.kept.append(function)
        name = self.names[id(function)] = f"f{len(self.names)}" if instead is None else self.names[id(instead)]
        if self.pool is not None:
            await self.pool.add_task_function(name, function)


@contextlib.asynccontextmanager
async def runner(kind, functions, initializer=None, initargs=()):
    made = Runner(kind, functions, initializer, initargs)
    if made.pool is None:
        with made.executor:
            yield made
    else:
        async with made.pool:
            yield made


def main(scenarios, kinds):
    """Runs scenarios on each kind, prints which of them did not come to what they say, then `done`."""
    import traceback

    for kind in kinds:
        for scenario in scenarios:
            try:
                asyncio.run(scenario(kind))
            except BaseException as error:
                frames = [
                    frame for frame in traceback.extract_tb(error.__traceback__) if frame.name == scenario.__name__
                ]
                line = frames[-1].line if frames else ""
                print(f"{kind}: {scenario.__name__}: {line}: {type(error).__name__}: {error}", flush=True)
    print("done")
