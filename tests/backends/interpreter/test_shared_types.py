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


def what_ends_well_says(path, script):
    path.write_text(script)
    ended = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_tasks_may_import_datetime_where_the_program_has_not(tmp_path):
    assert what_ends_well_says(tmp_path / "script.py", SCRIPT) == "main ends\n"


# A race cannot be asked for. But it takes two that are the first, which no worker is where all is here before.
FIRST = """
import asyncio
import sys
from poolifier import FixedInterpreterPool

def loaded(_):
    import sys
    from importlib.machinery import BuiltinImporter, ExtensionFileLoader
    found = ["ctypes"] if "ctypes" in sys.modules else []  # it is what prepares _ctypes
    for name, module in list(sys.modules.items()):
        loader = getattr(module.__spec__, "loader", None)
        if loader is BuiltinImporter or isinstance(loader, ExtensionFileLoader):
            found.append(name)
    return found

begun = []

def note(event, _):
    # Every interpreter is created in a thread of its own.
    if event.startswith("_thread.start"):
        begun.append(set(sys.modules))

async def main():
    assert not {"_ctypes", "ctypes", "_datetime"} & set(sys.modules)
    sys.addaudithook(note)
    async with FixedInterpreterPool(2, loaded) as pool:
        found = set(await pool.execute())
    assert len(begun) >= 2, begun
    assert {"_ctypes", "ctypes", "_socket"} <= found, found
    print(sorted(found - begun[0]))

asyncio.run(main())
"""


def test_no_worker_is_the_first_to_import_what_is_written_in_c(tmp_path):
    assert what_ends_well_says(tmp_path / "script.py", FIRST) == "[]\n"
