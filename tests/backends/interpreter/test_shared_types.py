"""What CPython keeps once for all interpreters of a process does not end it."""

import subprocess
import sys

# Nothing here may have imported datetime before the interpreters do.
SCRIPT = """
import asyncio
import sys
from poolifier import FixedInterpreterPool

def load(_):
    import datetime, logging, pickle, socket
    return datetime.date.max.year

async def main():
    assert "datetime" not in sys.modules
    for _ in range(3):
        async with FixedInterpreterPool(2, load) as pool:
            assert await asyncio.gather(*(pool.execute() for _ in range(10))) == [9999] * 10
    print("main ends", flush=True)

asyncio.run(main())
"""


def test_tasks_may_import_datetime_where_the_program_has_not(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    ended = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "main ends\n", "")
