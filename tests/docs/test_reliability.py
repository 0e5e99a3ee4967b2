"""Each test that the documentation names is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "reliability.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions_of(path):
    return {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_named_tests_exist(page):
    for path, name in NAMED.findall(page.read_text()):
        assert name in functions_of(path), f"{page.name} names {path}::{name}"


def test_each_fault_has_a_test():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "shown by" not in line]
    assert len(rows) > 40
    for row in rows:
        fault, what_happens, shown_by = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert fault
        assert what_happens
        assert NAMED.search(shown_by), row


def test_each_test_of_faults_is_named():
    """A fault that is tested is worth a line."""
    named = set(NAMED.findall(PAGE.read_text()))
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        relative = str(path.relative_to(ROOT))
        assert {name for named_path, name in named if named_path == relative}, f"no line names {relative}"
