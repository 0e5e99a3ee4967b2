"""The README's first example works wherever the README says it does, not only as a script."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
CODE = re.search(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]
CELL = CODE.replace("asyncio.run(main())", "await main()")

# What a notebook's kernel does: it runs cells in `__main__`, which has no file, and awaits them in its own loop.
KERNEL = """
import ast, asyncio, sys

async def kernel():
    cell = compile(sys.stdin.read(), "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(cell, globals())

asyncio.run(kernel())
"""


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        pytest.param(["-c", CODE], "", id="python -c"),
        pytest.param(["-"], CODE, id="standard input"),
        pytest.param(["-i"], CODE, id="REPL"),
        pytest.param(["-c", KERNEL], CELL, id="notebook"),
    ],
)
def test_runs(arguments, stdin, tmp_path):
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=tmp_path, input=stdin, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    assert "1229\n[25, 168, 1229]\n" in done.stdout, done.stderr
