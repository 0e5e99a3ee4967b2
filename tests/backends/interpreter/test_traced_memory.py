"""Python's tracing of memory (`tracemalloc`) beside interpreters, in programs of their own: it may end the process."""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys, tracemalloc
from poolifier import FixedInterpreterPool, UnsupportedError

def allocate(count):
    return sum(map(len, [bytes(1000) for _ in range(count)]))

async def main():
    for _ in range(5):
        async with FixedInterpreterPool(2, allocate) as pool:
            assert await pool.map_execute([1000] * 20) == [1_000_000] * 20

if sys.argv[1:] == ["later"]:
    tracemalloc.start(5)
assert tracemalloc.is_tracing()
try:
    asyncio.run(main())
    print("works")
except UnsupportedError as error:
    print("refused:", error)
    tracemalloc.stop()
    asyncio.run(main())
"""


@pytest.mark.parametrize(("options", "arguments"), [(["-X", "tracemalloc=5"], []), ([], ["later"])])
def test_a_pool_is_refused_where_it_would_crash(tmp_path, options, arguments):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-W", "error", *options, program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    if sys.version_info >= (3, 15):
        assert done.stdout == "works\n"
    else:
        assert done.stdout.startswith("refused: interpreter workers do not go together with tracemalloc on Python 3.")
        assert "call tracemalloc.stop()" in done.stdout
