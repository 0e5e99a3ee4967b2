"""What tests of faults share: a deadline, and three things that hold at the end whatever happened.

Every awaitable was settled exactly once and nothing went wrong behind the pool's back; the pool is healthy;
descriptors, children, threads, shared memory and temporary files are as before.
"""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from poolifier.testing.faults import check_healthy
from tests.contract.conftest import kind, nothing_left

__all__ = ["kind", "nothing_left"]


class Guard:
    """Watches what a test awaits, and the event loop."""

    def __init__(self):
        self.settled = Counter()
        self.watched = []
        self.astray = []

    def watch(self, future):
        """Counts how often it is settled; returns it."""
        self.watched.append(future)
        number = len(self.watched)
        future.add_done_callback(lambda _: self.settled.update([number]))
        return future

    async def outcomes(self, futures):
        """What becomes of futures, errors included."""
        return await asyncio.gather(*[self.watch(future) for future in futures], return_exceptions=True)

    async def healthy(self, pool):
        await check_healthy(pool)

    def check(self):
        unsettled = [future for future in self.watched if not future.done()]
        assert not unsettled, f"{len(unsettled)} futures were never settled: {unsettled[:5]}"
        assert set(self.settled.values()) <= {1}
        assert len(self.settled) == len(self.watched)
        assert not self.astray, f"the event loop was told of errors: {self.astray}"


def temporary_files():
    return sorted(Path(tempfile.gettempdir()).glob("poolifier*"))


@pytest.fixture
def endure(run):
    """Runs a test, a coroutine function that takes the `Guard`, and checks what has to hold at the end."""

    def run_guarded(main, deadline=300.0):
        guard = Guard()

        async def guarded():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: guard.astray.append(context))
            try:
                return await main(guard)
            finally:
                # What the pool has left to the loop comes to light.
                await asyncio.sleep(0)

        before = temporary_files()
        result = run(guarded(), deadline)
        guard.check()
        assert temporary_files() == before
        return result

    return run_guarded
