"""A test that hangs ends the run, with its name; and those that have failed before are known by then."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# In C, where Python runs no signal handler, with the GIL held: nothing but what is written in C too can end it.
HANGS = """
import itertools

import pytest


def hang():
    any(itertools.repeat(None))


def test_fails_before():
    assert not "right"


@pytest.fixture
def hanging():
    hang()


@pytest.mark.parametrize("what", ["this and that"])
def test_body(what):
    hang()


@pytest.mark.parametrize("what", ["this and that"])
def test_fixture(what, hanging):
    pass
"""


@pytest.mark.parametrize("which", ["body", "fixture"])
def test_one_that_hangs_is_named_and_ends_the_run(tmp_path, which):
    test, output = tmp_path / "test_hangs.py", tmp_path / "output"
    test.write_text(HANGS)
    options = ["-p", "tests.conftest", "--config-file", ROOT / "pyproject.toml", "-o", "faulthandler_timeout=1"]
    with output.open("wb") as file:
        command = [sys.executable, "-m", "pytest", *options, f"{test}::test_fails_before", f"{test}::test_{which}"]
        done = subprocess.run(command, cwd=ROOT, stdout=file, stderr=file, timeout=300, check=False)
    told = output.read_text()
    assert done.returncode == 1, told
    assert "Timeout (0:00:01)!" in told
    assert f"::test_{which}[this and that]\n" in told, told
    assert " in hang\n" in told
    assert "failed (call): ::test_fails_before: AssertionError: assert not 'right'" in told
