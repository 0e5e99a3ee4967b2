"""Imports go one way, and what should be light is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import poolifier

ROOT = Path(poolifier.__file__).parent

BASE = {
    "_version",
    "error_attributes",
    "error_text",
    "errors",
    "records",
    "signatures",
    "suggestions",
    "function_kinds",
    "origins",
    "worker_choice",
    "exchange",
    "option_checks",
    "options",
    "task_functions",
    "protocols",
}
ROOMS = {
    "_version": set(),
    "error_attributes": set(),
    "error_text": {"error_attributes"},
    "errors": {"suggestions"},
    "records": set(),
    "signatures": set(),
    "suggestions": set(),
    "function_kinds": set(),
    "origins": {"records"},
    "worker_choice": {"suggestions"},
    "task_functions": {"errors", "function_kinds", "records", "signatures", "worker_choice"},
    "exchange": {"origins", "records", "task_functions"},
    "option_checks": {"suggestions", "task_functions"},
    "options": {"option_checks", "suggestions", "task_functions", "worker_choice"},
    "parallelism": set(),
    "protocols": {"exchange", "options"},
    "scheduler": BASE,
    "wire": BASE,
    "worker": BASE | {"wire"},
    "backends": BASE | {"wire", "worker"},
    "observe": BASE | {"scheduler"},
    "pool": BASE | {"scheduler", "wire", "worker", "backends", "observe"},
    "futures": BASE | {"parallelism", "scheduler", "wire", "worker", "backends", "observe", "pool"},
    "__main__": BASE | {"backends", "parallelism"},
    "testing": BASE | {"scheduler", "wire", "worker", "backends", "observe", "pool"},
}


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


SOURCES = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    room = room_of(path)
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        if package != "poolifier" or not rest:
            continue
        imported = rest.split(".")[0]
        assert imported == room or imported in ROOMS[room], f"{room} must not import {name}"


@pytest.mark.parametrize("path", [path for path in SOURCES if room_of(path) == "scheduler"], ids=lambda path: path.name)
def test_the_brain_does_no_io(path):
    forbidden = {"asyncio", "os", "socket", "threading", "time", "random", "subprocess", "multiprocessing", "signal"}
    assert not forbidden & {name.split(".")[0] for name in imports_of(path)}


def loaded_by(statement):
    script = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import poolifier",
        "import poolifier; poolifier.Worker, poolifier.TaskFunction",
        "import poolifier.worker.start",
        "import poolifier.worker.calls",
        "import poolifier.backends.process.fork_server",
        "import poolifier.backends.interpreter.far_side",
        "import poolifier.testing.harm",
    ],
)
def test_workers_start_light(statement):
    heavy = {"asyncio", "cloudpickle", "psutil", "pyee", "poolifier.scheduler", "poolifier.pool", "tqdm", "ray"}
    slow = {"dataclasses", "inspect", "logging", "subprocess", "traceback", "typing"}
    assert not (heavy | slow) & loaded_by(statement)


def test_a_pool_imports_nothing_optional():
    assert not {"tqdm", "ray", "rich", "uvloop", "prometheus_client"} & loaded_by(
        "import poolifier; poolifier.FixedProcessPool(1, len)"
    )


def test_every_public_name_is_there():
    for name in poolifier.__all__:
        assert getattr(poolifier, name) is not None
    assert set(poolifier.__all__) <= set(dir(poolifier))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = poolifier.nonsense


def test_public_names_and_rooms_agree():
    rooms = {name for names in poolifier._ROOMS.values() for name in names}
    assert rooms | {"__version__"} == set(poolifier.__all__)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_drawers_are_no_rooms(path):
    assert path.stem not in {"utils", "helpers", "common", "misc", "manager"}
