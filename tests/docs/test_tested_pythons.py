"""The table of Pythons and kinds is made of what has passed, and holds what the package says it supports."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.tested_pythons import OTHER, PAGE, kind_of, renewed, rows_of

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite>
  <testcase classname="tests.contract.test_map" name="test_order[thread]"/>
  <testcase classname="tests.contract.test_map" name="test_order[ray]"><skipped/></testcase>
  <testcase classname="tests.contract.test_map" name="test_order[process-3]"><failure/></testcase>
  <testcase classname="tests.contract.test_map" name="test_order[process-4]"/>
  <testcase classname="tests.wire.test_frames" name="test_any_cut"/>
</testsuite></testsuites>
"""


@pytest.mark.parametrize(
    ("module", "test", "kind"),
    [
        ("tests.contract.test_map", "test_order[interpreter]", "interpreter"),
        ("tests.faults.test_abort", "test_it[work-1-FixedThreadPool]", "thread"),
        ("tests.faults.test_abort", "test_it[dynamic_process]", "process"),
        ("tests.futures.test_cpython", "test_it[InterpreterPoolExecutor]", "interpreter"),
        ("tests.backends.ray.test_logs", "test_a_line", "ray"),
        ("tests.architecture.test_imports", "test_one_way[backends/thread/worker.py]", OTHER),
        ("tests.pool.test_processes", "test_threads", OTHER),
    ],
)
def test_the_kind_of_a_test(module, test, kind):
    assert kind_of(module, test) == kind


def test_only_what_has_passed_counts(tmp_path):
    reports = [tmp_path / "3.9.1.xml", tmp_path / "3.14.0t.xml", tmp_path / "3.14.0t-ray.xml"]
    for report in reports:
        report.write_text(REPORT)
    page = "before\n<!-- from the tests -->\n| 3.14.0 | 5 |\n| 3.9.0 | 6 |\n<!-- end -->\nafter\n"
    made = renewed(page, reports)
    assert re.findall(r"^\| 3.*", made, re.MULTILINE) == [
        "| 3.9.1 | 1 | 0 | 1 | 0 | 1 |",
        "| 3.14.0 | 5 |",
        "| 3.14.0t | 2 | 0 | 2 | 0 | 2 |",
    ]
    assert made.startswith("before\n")
    assert made.endswith("\nafter\n")
    assert renewed(made, reports) == made


def test_every_python_that_is_said_to_be_supported_is_tested():
    described = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["classifiers"]
    supported = [found[1] for name in described if (found := re.fullmatch(r".* :: (3\.\d+)", name))]
    rows = rows_of(PAGE.read_text())
    assert [minor for minor in rows if not minor.endswith("t")] == supported
    for row in rows.values():
        threads, *_ = (cell.strip() for cell in row.strip("|").split("|")[1:])
        assert int(threads) > 100
