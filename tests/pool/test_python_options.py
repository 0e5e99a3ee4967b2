"""Workers run under the options and variables that the program's own Python was started with.

Those that are not said to reach interpreters belong to the process, or CPython does not give them to any interpreter.
"""

import json
import os
import subprocess
import sys

import pytest

BODY = """
import asyncio, json, sys
from poolifier import FixedInterpreterPool, FixedProcessPool

def seen(_=None):
    import sys
    names = [name for name in dir(sys.flags) if not name.startswith(("_", "n_")) and name not in ("count", "index")]
    return {
        **{name: getattr(sys.flags, name) for name in names},
        "options": dict(sys._xoptions),
        "warnings": list(sys.warnoptions),
        "digits": sys.get_int_max_str_digits(),
        "bytecode": [sys.pycache_prefix, sys.dont_write_bytecode],
        "columns": list(seen.__code__.co_positions())[-1][2] is not None,
        "lazy imports": sys.get_lazy_imports() if hasattr(sys, "get_lazy_imports") else None,
        "remote debugging": sys.is_remote_debug_enabled() if hasattr(sys, "is_remote_debug_enabled") else None,
        "of perf": getattr(sys, "is_stack_trampoline_active", bool)(),
        "jit": sys._jit.is_enabled() if hasattr(sys, "_jit") else None,
        "cpus": __import__("os").cpu_count(),
        "frozen": __import__("os").__spec__.origin == "frozen",
        "asyncio": __import__("asyncio").coroutines._is_debug_mode(),
    }

async def main():
    pools = {"fork_server": (FixedProcessPool, {}), "spawn": (FixedProcessPool, {"start_method": "spawn"})}
    if sys.version_info >= (3, 14):
        pools["interpreter"] = (FixedInterpreterPool, {})
    told = {"here": seen()}
    for name, (kind, options) in pools.items():
        async with kind(1, seen, **options) as pool:
            told[name] = await pool.execute()
    print(json.dumps(told))

asyncio.run(main())
"""


def told(tmp_path, options=(), variables=None):
    """What a program of these options finds, and what workers of each kind do."""
    (tmp_path / "program.py").write_text(BODY)
    # Those of whoever runs the tests are not what is tested.
    others = {name: text for name, text in os.environ.items() if name == "PYTHONPATH" or not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *options, str(tmp_path / "program.py")],
        env={**others, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == (4 if sys.version_info >= (3, 14) else 3)
    return found.pop("here"), found, done.stderr


def since(*version):
    return pytest.mark.skipif(sys.version_info < version, reason=f"new in Python {version[0]}.{version[1]}")


# Each with what shows that it is in force.
OPTIONS = [
    (["-O"], "optimize", 1),
    (["-I"], "isolated", 1),
    (["-E"], "ignore_environment", 1),
    (["-B"], "bytecode", [None, True]),
    (["-bb"], "bytes_warning", 2),
    (["-W", "error"], "warnings", ["error"]),
    (["-X", "dev"], "dev_mode", True),
    (["-X", "utf8"], "utf8_mode", 1),
    (["-X", "warn_default_encoding", "-W", "error::EncodingWarning"], "warn_default_encoding", 1),
    (["-X", "int_max_str_digits=5000"], "digits", 5000),
    (["-X", "pycache_prefix={}"], "bytecode", ["{}", False]),
    (["-X", "no_debug_ranges"], "columns", False),
    (["-X", "frozen_modules=off"], "frozen", False),
    (["-X", "importtime"], "options", {"importtime": True}),
    (["-X", "of_nobody=1"], "options", {"of_nobody": "1"}),
    pytest.param((["-X", "cpu_count=3"], "cpus", 3), marks=since(3, 13)),
    pytest.param((["-X", "gil=1"], "options", {"gil": "1"}), marks=since(3, 13)),
    pytest.param((["-X", "presite=nowhere"], "options", {"presite": "nowhere"}), marks=since(3, 13)),
    pytest.param((["-X", "thread_inherit_context=1"], "thread_inherit_context", 1), marks=since(3, 14)),
    pytest.param((["-X", "context_aware_warnings=1"], "context_aware_warnings", 1), marks=since(3, 14)),
    pytest.param((["-X", "disable-remote-debug"], "remote debugging", False), marks=since(3, 14)),
    pytest.param((["-X", "importtime=2"], "options", {"importtime": "2"}), marks=since(3, 14)),
    pytest.param((["-X", "lazy_imports=all"], "lazy imports", "all"), marks=since(3, 15)),
    pytest.param((["-X", "pathconfig_warnings=0"], "options", {"pathconfig_warnings": "0"}), marks=since(3, 15)),
]


@pytest.mark.parametrize("given", OPTIONS, ids=lambda given: " ".join(given[0]))
def test_options_are_those_of_the_program(tmp_path, given):
    options, name, value = given
    value = [str(tmp_path) if each == "{}" else each for each in value] if isinstance(value, list) else value
    here, workers, _ = told(tmp_path, [option.format(tmp_path) for option in options])
    assert here[name] == value
    for kind, seen in workers.items():
        assert {key: seen[key] for key in seen if seen[key] != here[key]} == {}, kind


# Also what the machine would set for all of its programs.
VARIABLES = [
    ("PYTHONASYNCIODEBUG", "1", "asyncio", True),
    ("PYTHONDONTWRITEBYTECODE", "1", "bytecode", [None, True]),
    ("PYTHONINSPECT", "1", "inspect", 1),
    ("PYTHONINTMAXSTRDIGITS", "5000", "digits", 5000),
    ("PYTHONMALLOC", "debug", "optimize", 0),
    ("PYTHONNODEBUGRANGES", "1", "columns", False),
    ("PYTHONOPTIMIZE", "2", "optimize", 2),
    ("PYTHONPROFILEIMPORTTIME", "1", "optimize", 0),
    ("PYTHONPYCACHEPREFIX", "{}", "bytecode", ["{}", False]),
    ("PYTHONSAFEPATH", "1", "safe_path", True),
    ("PYTHONUNBUFFERED", "1", "optimize", 0),
    ("PYTHONUTF8", "1", "utf8_mode", 1),
    ("PYTHONWARNINGS", "error", "warnings", ["error"]),
    pytest.param(("PYTHON_CPU_COUNT", "3", "cpus", 3), marks=since(3, 13)),
    pytest.param(("PYTHON_FROZEN_MODULES", "off", "frozen", False), marks=since(3, 13)),
    pytest.param(("PYTHON_THREAD_INHERIT_CONTEXT", "1", "thread_inherit_context", 1), marks=since(3, 14)),
    pytest.param(("PYTHON_CONTEXT_AWARE_WARNINGS", "1", "context_aware_warnings", 1), marks=since(3, 14)),
    pytest.param(("PYTHON_DISABLE_REMOTE_DEBUG", "1", "remote debugging", False), marks=since(3, 14)),
    pytest.param(("PYTHON_LAZY_IMPORTS", "all", "lazy imports", "all"), marks=since(3, 15)),
]


@pytest.mark.parametrize("given", VARIABLES, ids=lambda given: given[0])
def test_variables_are_those_of_the_program(tmp_path, given):
    variable, text, name, value = given
    value = [str(tmp_path) if each == "{}" else each for each in value] if isinstance(value, list) else value
    here, workers, _ = told(tmp_path, variables={variable: text.format(tmp_path)})
    assert here[name] == value
    for kind, seen in workers.items():
        assert {key: seen[key] for key in seen if seen[key] != here[key]} == {}, kind


@since(3, 12)
@pytest.mark.skipif(sys.platform != "linux", reason="perf is Linux's")
@pytest.mark.parametrize("how", ["option", "variable"])
def test_functions_are_shown_to_perf(tmp_path, how):
    """Interpreters share the process, whose main interpreter alone CPython has do this."""
    given = {"options": ["-X", "perf"]} if how == "option" else {"variables": {"PYTHONPERFSUPPORT": "1"}}
    here, workers, _ = told(tmp_path, **given)
    assert here["of perf"]
    assert {kind: seen["of perf"] for kind, seen in workers.items()} == {
        kind: kind != "interpreter" for kind in workers
    }


@since(3, 14)
@pytest.mark.parametrize("wanted", [False, True])
def test_the_jit(tmp_path, wanted):
    """It is on where it was asked for and built; CPython has it in the main interpreter alone."""
    here, workers, _ = told(tmp_path, variables={"PYTHON_JIT": str(int(wanted))})
    assert here["jit"] is (wanted and sys._jit.is_available())
    for kind, seen in workers.items():
        assert seen["jit"] is (here["jit"] and kind != "interpreter"), kind


def test_times_of_imports_go_to_standard_error_and_nowhere_else(tmp_path):
    _, _, stderr = told(tmp_path, ["-X", "importtime"])
    assert "| poolifier" in stderr


@since(3, 15)
@pytest.mark.parametrize("mode", ["all", "normal"])
def test_what_a_program_sets_later_is_its_own(tmp_path, mode):
    """As with `multiprocessing`: a worker may only know what its Python was started with."""
    (tmp_path / "program.py").write_text(f"import sys\nsys.set_lazy_imports({mode!r})\n{BODY}")
    done = subprocess.run(
        [sys.executable, "-X", "lazy_imports=all" if mode == "normal" else "lazy_imports=normal", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("here")["lazy imports"] == mode
    assert {seen["lazy imports"] for seen in found.values()} == {"normal" if mode == "all" else "all"}
