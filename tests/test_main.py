"""`python -m poolifier` says what this installation is and can do."""

import os
import platform
import subprocess
import sys
from importlib.util import find_spec

import poolifier

PYTHON = sys.version_info[:2]


def command(*arguments):
    argv = [sys.executable, "-m", "poolifier", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


def facts(done):
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return {line[:12].strip(): line[14:] for line in done.stdout.splitlines()}


def test_tells_what_is_here():
    told = facts(command())

    assert told["poolifier"] == poolifier.__version__
    assert told["Python"].startswith(platform.python_version())
    assert told["Python"].endswith(sys.executable)
    assert platform.machine() in told["platform"]
    assert told["build"].startswith("compiled" if poolifier.compiled else "pure Python")
    assert told["CPUs"].startswith(f"{poolifier.available_parallelism()} to use: {os.cpu_count()} here")
    assert told["threads"] == "yes"
    assert told["processes"] == "yes; start methods: fork_server, spawn"
    if PYTHON < (3, 13):
        assert told["interpreters"].startswith("no: interpreter workers need Python 3.14")
    elif PYTHON >= (3, 14) or find_spec("interpreters_backport"):
        assert told["interpreters"] == "yes"


def test_version():
    done = command("--version")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"poolifier {poolifier.__version__}\n", "")


def test_a_wrong_argument_is_named():
    done = command("--nonsense")

    assert done.returncode == 2
    assert not done.stdout
    assert "python -m poolifier: error: unrecognized arguments: --nonsense" in done.stderr
