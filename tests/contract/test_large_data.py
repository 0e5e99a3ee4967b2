"""Large data comes back as it went, whichever way it goes; a `SharedBuffer` goes, or is refused in so many words."""

import re

import pytest

from poolifier import SerializationError, SharedBuffer, UnsupportedError
from tests.contract import tasks

LARGE = b"0123456789abcdef" * (1 << 14)
VALUES = [
    LARGE,
    LARGE.decode(),
    bytearray(LARGE),
    memoryview(LARGE),
    [LARGE, LARGE.decode()],
    {"k": memoryview(LARGE).cast("I", [256, 256])},
]
NAMES = ["bytes", "str", "bytearray", "memoryview", "list", "view in a dict"]

given_buffers = {"interpreter", "process", "thread"}


@pytest.mark.parametrize("functions", [tasks.PLAIN, tasks.ALL], ids=["plain", "all"])
def test_it_comes_back_as_it_went(run, kind, functions):
    async def main():
        async with kind.fixed(1, functions) as pool:
            for name, value in zip(NAMES, VALUES, strict=True):
                back = await pool.execute(value, "echo")
                assert type(back) is type(value), name
                assert back == value, name
                assert (back is value) == kind.by_reference, name
            assert await pool.map_execute(VALUES, "echo") == VALUES

    run(main())


def test_a_buffer_is_given_away_or_that_is_refused(run, kind):
    async def main():
        async with kind.fixed(1, tasks.PLAIN) as pool:
            shared = SharedBuffer.copy_of(b"abc")
            if kind.name in given_buffers:
                back = await pool.execute([shared], "echo", transfer=[shared])
                assert shared.released
                assert bytes(back[0].buffer) == b"abc"
                return
            why = re.escape(f"transfer must be empty for {kind.name} workers: they can be given no buffers")
            with pytest.raises(UnsupportedError, match=why):
                pool.execute([shared], "echo", transfer=[shared])
            with pytest.raises(UnsupportedError, match=why):
                await pool.submit([shared], "echo", transfer=[shared])
            # Nothing was given, and the pool goes on.
            assert bytes(shared.buffer) == b"abc"
            assert await pool.execute(1, "echo") == 1

    run(main())


def test_a_shared_buffer_goes_or_fails_its_task_alone(run, kind):
    async def main():
        async with kind.fixed(1, tasks.PLAIN) as pool:
            shared = SharedBuffer.copy_of(b"abc")
            if kind.name in given_buffers:
                assert bytes((await pool.execute(shared, "echo")).buffer) == b"abc"
                return
            for value in (shared, [shared, LARGE]):
                with pytest.raises(SerializationError, match="SharedBuffer can be pickled only on its way through"):
                    await pool.execute(value, "echo")
            assert await pool.execute(1, "echo") == 1

    run(main())
