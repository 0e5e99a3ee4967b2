"""Frozen programs become what they start for their workers, or say why not; never do they start themselves for ever."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults.programs import run_program

ROOT = Path(__file__).parents[2]

# A frozen program as far as pools can tell: `sys.executable` is the program itself, whatever its arguments are.
FROZEN = """
    import multiprocessing, os, sys
    say("begins")
    sys.frozen, sys.executable = True, os.environ["LAUNCHER"]
    {freeze_support}

    import asyncio
    from poolifier import FixedProcessPool, UnsupportedError
    from poolifier.futures import ProcessPoolExecutor

    def negate(x):
        return -x

    async def nested(x):
        async with FixedProcessPool(1, negate) as pool:
            return await pool.execute(x)

    def arguments(_):
        return sys.argv[1:], [name for name in os.environ if name.startswith("POOLIFIER")]

    async def main():
        functions = {{"negate": negate, "nested": nested, "arguments": arguments}}
        for options in ({{}}, {{"start_method": "spawn"}}, {{"preload": True}}):
            async with FixedProcessPool(2, functions, **options) as pool:
                say(await pool.execute(2), await pool.execute(3, "nested"), *await pool.execute(name="arguments"))
        with ProcessPoolExecutor(1) as executor:
            say(*executor.map(negate, range(3)))

    try:
        asyncio.run(main())
    except UnsupportedError as error:
        say(error)
    """


def run_frozen(tmp_path, freeze_support):
    launcher = tmp_path / "application"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path / "program.py"}" "$@"\n')
    launcher.chmod(0o755)
    source = FROZEN.format(freeze_support=freeze_support)
    return run_program(tmp_path, source, "given", env={**os.environ, "LAUNCHER": str(launcher)}), launcher


def test_one_that_calls_freeze_support_has_workers(tmp_path):
    # That of `multiprocessing` does nothing on Linux before Python 3.14: those who freeze programs replace it by this.
    program, _ = run_frozen(tmp_path, "import multiprocessing.spawn; multiprocessing.spawn.freeze_support()")
    assert program.code == 0, program
    worked = [line for line in program.said if line != "begins"]
    assert worked == ["-2 -3 ['given'] []"] * 3 + ["0 -1 -2"], program


def test_one_that_does_not_is_told_to_and_does_not_start_itself_for_ever(tmp_path):
    program, launcher = run_frozen(tmp_path, "")
    assert program.said.count("begins") == 2, program
    assert f"because {launcher} ran as itself again" in program.said[-1], program
    assert "call multiprocessing.freeze_support()" in program.said[-1]


def test_one_that_ends_where_it_was_to_serve(tmp_path):
    program, launcher = run_frozen(tmp_path, "len(sys.argv) > 2 and sys.exit('unknown arguments')")
    assert program.said.count("begins") == 2, program
    assert f"because {launcher} exited with code 1" in program.said[2], program
    assert "unknown arguments" in program.said[-1]


APPLICATION = """
import asyncio
import multiprocessing
import os
import signal
import sys

multiprocessing.freeze_support()

from poolifier import FixedProcessPool, WorkerCrashedError
from poolifier.futures import ProcessPoolExecutor


class Thing:
    def __init__(self, value):
        self.value = value


def more(thing):
    return Thing(thing.value + 1)


def kill(_):
    os.kill(os.getpid(), signal.SIGKILL)


async def main():
    for options in ({}, {"start_method": "spawn"}, {"preload": True}):
        async with FixedProcessPool(2, {"more": more, "kill": kill, "size": len}, **options) as pool:
            assert (await pool.execute(Thing(1), "more")).value == 2
            assert await pool.execute(bytes(300_000), "size") == 300_000
            try:
                await pool.execute(name="kill")
            except WorkerCrashedError as error:
                assert error.signal == "SIGKILL", error
            assert (await pool.execute(Thing(2), "more")).value == 3
        print(*options.values(), "works")


if __name__ == "__main__":
    print("begins")
    asyncio.run(main())
    with ProcessPoolExecutor(2) as executor:
        assert [thing.value for thing in executor.map(more, map(Thing, range(3)))] == [1, 2, 3]
    print("executor works")
"""

WITHOUT = APPLICATION.replace("multiprocessing.freeze_support()\n", "")


@pytest.mark.long
@pytest.mark.skipif(find_spec("PyInstaller") is None, reason="PyInstaller is not installed")
@pytest.mark.parametrize("form", ["--onedir", "--onefile"])
@pytest.mark.parametrize("application", [APPLICATION, WITHOUT], ids=["with freeze_support", "without"])
def test_pyinstaller(tmp_path, form, application):
    script = tmp_path / "application.py"
    script.write_text(application)
    hooks = ROOT / "src" / "poolifier" / "_pyinstaller"
    # By the entry point where the package is installed, as users have it; named here for a source tree as well.
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=ERROR", form, str(script)]
    command += [f"--additional-hooks-dir={hooks}", f"--paths={ROOT / 'src'}"]
    for name in ("ray", "numpy", "pytest", "mypy", "gevent", "eventlet"):
        command.append(f"--exclude-module={name}")
    frozen = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
    assert frozen.returncode == 0, frozen.stderr
    program = tmp_path / "dist" / "application"
    program = program / "application" if form == "--onedir" else program
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=300, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["begins", "works", "spawn works", "True works", "executor works"]
    shutil.rmtree(tmp_path)
