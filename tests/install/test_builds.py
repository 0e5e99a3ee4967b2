"""An installation compiles where that can be done, is pure Python where not, and says which it is."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hatch_build import HOT_PATH, ITEMS, SCHEDULER
from tests.install.conftest import tag_of

ROOT = Path(__file__).parents[2]
NO_COMPILER = "the C compiler '/bin/false' does not work: exit code 1"

POOL = """
import asyncio
from poolifier import FixedProcessPool, compiled

async def main():
    async with FixedProcessPool(2, lambda number: number * 2, worker_choice_strategy="fair_share") as pool:
        print(compiled, sum(await asyncio.gather(*map(pool.execute, range(1000)))))

asyncio.run(main())
"""

COMPILED = sorted({*(ROOT / "src" / SCHEDULER).rglob("*.py"), *(ROOT / "src" / each for each in (*HOT_PATH, *ITEMS))})

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.name)
def test_what_is_compiled_has_no_coroutines(path):
    """An error at an `await` of a compiled one gives way to a warning that mypyc causes, where warnings are errors."""
    assert not [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.AsyncFunctionDef)]


def names_in(wheel):
    return zipfile.ZipFile(wheel).namelist()


def machine_code_in(wheel):
    return [name for name in names_in(wheel) if name.endswith((".so", ".pyd"))]


def test_without_a_compiler_the_wheel_is_pure_python(without_compiler, machine):
    assert without_compiler.tag == "py3-none-any"
    assert (
        f"The wheel is pure Python and slower, for it could not be compiled: {NO_COMPILER}" in without_compiler.output
    )
    assert not machine_code_in(without_compiler.wheel)
    assert machine.facts()["build"] == f"pure Python, for it could not be compiled: {NO_COMPILER}"
    assert machine.run("-c", POOL).stdout == "False 999000\n"


def test_a_compiler_that_is_not_there(build):
    built = build(CC="/nowhere/cc")

    assert built.tag == "py3-none-any"
    assert "there is no C compiler: [Errno 2] No such file or directory: '/nowhere/cc'" in built.output


@pytest.mark.once
@needs_compiler
def test_a_compilation_that_fails_halfway(build, install, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text(
        '#!/bin/sh\ncase "$*" in *affinity*) echo "affinity.c: error: too tired" >&2; exit 1;; esac\nexec cc "$@"\n'
    )
    compiler.chmod(0o755)
    built = build(CC=str(compiler))

    assert built.tag == "py3-none-any"
    assert not machine_code_in(built.wheel)
    told = "for it could not be compiled: affinity.c: error: too tired"
    assert told in built.output
    assert install(built.wheel).facts()["build"] == f"pure Python, {told}"


def test_pure_python_if_it_is_wanted(build, install):
    built = build(POOLIFIER_BUILD="pure")

    assert built.tag == "py3-none-any"
    assert install(built.wheel).facts()["build"] == "pure Python, as POOLIFIER_BUILD=pure wanted it"


def test_compiled_or_nothing(build):
    built = build(POOLIFIER_BUILD="compiled", CC="/bin/false")

    assert built.wheel is None
    assert f"POOLIFIER_BUILD=compiled, but it cannot be compiled: {NO_COMPILER}" in built.output


def test_a_wrong_wish(build):
    built = build(POOLIFIER_BUILD="fast")

    assert built.wheel is None
    assert "ValueError: POOLIFIER_BUILD must be one of auto, compiled, pure, not 'fast'" in built.output


def hatchling(code, directory):
    """What the backend says to a question of an installer."""
    script = f"import hatchling.build as backend; print(backend.{code})"
    done = subprocess.run([sys.executable, "-c", script], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_machine_without_a_compiler_fetches_none(monkeypatch):
    monkeypatch.setenv("CC", "/bin/false")
    assert hatchling("get_requires_for_build_wheel()", ROOT) == "[]"
    monkeypatch.setenv("POOLIFIER_BUILD", "compiled")
    assert "mypy" in hatchling("get_requires_for_build_wheel()", ROOT)


def test_an_editable_installation_is_the_source(tmp_path):
    wheel = tmp_path / hatchling(f"build_editable({str(tmp_path)!r})", ROOT)

    assert wheel.name.endswith("-py3-none-any.whl")
    assert not machine_code_in(wheel)
    assert [name for name in names_in(wheel) if name.endswith(".pth")]


def test_the_source_distribution_builds_the_same(build, without_compiler, tmp_path):
    archive = tmp_path / hatchling(f"build_sdist({str(tmp_path)!r})", ROOT)
    built = build(archive, CC="/bin/false")

    assert names_in(built.wheel) == names_in(without_compiler.wheel)


@pytest.mark.long
@needs_compiler
def test_with_a_compiler_the_wheel_is_compiled(wheel, install, without_compiler):
    machine = install(wheel)

    assert tag_of(wheel).startswith(f"cp{sys.version_info[0]}{sys.version_info[1]}-")
    assert machine_code_in(wheel)
    # The source is there as well: tracebacks show it.
    assert set(names_in(without_compiler.wheel)) - set(names_in(wheel)) == set()
    assert machine.facts()["build"] == "compiled, with mypyc"
    assert machine.run("-c", POOL).stdout == "True 999000\n"
