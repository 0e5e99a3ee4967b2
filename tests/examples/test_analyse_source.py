"""The example a new user reads second: it measures rightly, and nothing that it reads can stop it."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).parents[2] / "examples" / "analyse_source.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("analyse_source", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("pass", 1),
        ("if a: pass", 2),
        ("if a: pass\nelif b: pass\nelse: pass", 3),
        ("for a in b: pass\nelse: pass", 2),
        ("while a: pass", 2),
        ("with a: pass", 1),
        ("assert a", 2),
        ("try: pass\nexcept A: pass\nexcept B: pass\nfinally: pass", 3),
        ("a = b and c and d or e", 4),
        ("a = b if c else d", 2),
        ("a = [b for b in c if d if e]", 4),
        ("match a:\n case 1: pass\n case 2 if b: pass\n case _: pass", 4),
        ("match a:\n case 1: pass\n case b: pass", 2),
        ("def inner():\n if a: pass", 1),
        ("a = lambda b: b or c", 2),
    ],
)
def test_complexity(example, tmp_path, body, complexity):
    file = tmp_path / "code.py"
    file.write_text("def function():\n" + "".join(f" {line}\n" for line in body.splitlines()))

    (measured,) = [found for found in example.measure(str(file))["functions"] if found["name"] == "function"]

    assert measured["complexity"] == complexity


def test_functions_are_told_apart_by_where_they_are(example, tmp_path):
    file = tmp_path / "code.py"
    file.write_text("if True:\n class A:\n  async def f(self):\n   def g(): pass\n   return g\n")

    measured = example.measure(str(file))

    assert (measured["lines"], measured["classes"]) == (5, 1)
    assert [(found["name"], found["lines"]) for found in measured["functions"]] == [("A.f", 3), ("A.f.g", 1)]
    assert measured["functions"][1]["where"] == f"{file}:4"


def test_deep_nesting_is_no_recursion(example):
    tree = ast.parse("1" + "+1" * 900)

    assert example.decisions(tree) == 0


def test_reports_what_it_measured_and_what_it_could_not_read(tmp_path):
    (tmp_path / "good.py").write_text("def simple():\n    pass\n\n\ndef branchy(a):\n    return 1 if a and a else 2\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "longest.py").write_text("class C:\n    def method(self):\n" + "        pass\n" * 20)
    (tmp_path / "syntax.py").write_text("def (:\n")
    (tmp_path / "encoding.py").write_bytes(b"# -*- coding: no-such -*-\n")
    (tmp_path / "bytes.py").write_bytes(b"a = '\xff'\n")
    (tmp_path / "null.py").write_bytes(b"a = 1\0\n")
    (tmp_path / "deep.py").write_text("a = " + "-" * 200_000 + "1\n")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "other.py").write_text("def not_ours(): pass\n")

    done = _run(tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == f"{tmp_path}: 2 files, 28 lines, 3 functions, 1 classes"
    assert lines[3].split() == ["3", "2", "branchy", "(good.py:5)"]
    assert "The longest function has 21 lines: C.method (package/longest.py:2)" in lines
    start = lines.index("5 files could not be read:") + 1
    assert [line.split(":")[0].strip() for line in lines[start : start + 5]] == [
        "bytes.py",
        "deep.py",
        "encoding.py",
        "null.py",
        "syntax.py",
    ]
    assert lines[-1].endswith("for the same results.")


def test_a_single_file(tmp_path):
    file = tmp_path / "one.py"
    file.write_text("def f(): pass\n")

    done = _run(file)

    assert done.returncode == 0, done.stderr
    assert "1 files, 1 lines, 1 functions, 0 classes" in done.stdout


def test_a_folder_without_python(tmp_path):
    done = _run(tmp_path)

    assert done.returncode == 1
    assert done.stderr == f"no Python files in {tmp_path}\n"


def _run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True, timeout=300, check=False)
