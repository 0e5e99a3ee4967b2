"""The table of the page on Python versions: how many tests of each kind of worker have passed on which Python.

`.ci/run` writes it, from the reports of the runs that it has had (`pytest --junitxml`), by
`python -m tests.docs.tested_pythons PYTHON.xml ...`. A file is named for the Python that ran the tests, `3.14.0.xml`;
what follows a hyphen, as in `3.14.0-ray.xml`, tells several runs on one Python from each other.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "python-versions.md"
MARKED = re.compile(r"(<!-- from the tests -->\n)(.*?)(<!-- end -->)", re.DOTALL)

KINDS = {"thread": "threads", "interpreter": "interpreters", "process": "processes", "ray": "Ray"}
OTHER = "without workers"

_ROW = re.compile(r"^\| (\d+\.\d+)[^| ]*?(t?) \|.*$", re.MULTILINE)
_PARAMETER = re.compile(rf"(?:dynamic_|fixed|dynamic)?({'|'.join(KINDS)})(?:pool(?:executor)?)?", re.IGNORECASE)
_PACKAGE = re.compile(rf"tests\.backends\.({'|'.join(KINDS)})\.")


def kind_of(module: str, test: str) -> str:
    """By the test's parameters, or by the backend whose tests it is among."""
    for parameter in test.partition("[")[2].removesuffix("]").split("-"):
        if found := _PARAMETER.fullmatch(parameter):
            return found[1].lower()
    found = _PACKAGE.match(f"{module}.")
    return found[1] if found else OTHER


def passed(report: Path) -> Counter[str]:
    """How many have, of each kind."""
    cases = ET.parse(report).iter("testcase")
    return Counter(kind_of(case.get("classname", ""), case.get("name", "")) for case in cases if not _unproven(case))


def _unproven(case: ET.Element) -> bool:
    return any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))


def row(version: str, counts: Counter[str]) -> str:
    cells = (version, *(str(counts[kind]) for kind in KINDS), str(counts[OTHER]))
    return f"| {' | '.join(cells)} |"


def rows_of(page: str) -> dict[str, str]:
    """The table's, by the Python's minor version: `3.14`, or `3.14t` for a free-threaded build."""
    return {found[1] + found[2]: found[0] for found in _ROW.finditer(MARKED.search(page)[2])}


def table(rows: dict[str, str]) -> str:
    """A row for each Python, in order."""
    head = f"| {' | '.join(['Python', *KINDS.values(), OTHER])} |"
    order = sorted(rows, key=lambda minor: (int(minor.removesuffix("t").partition(".")[2]), minor))
    return "\n".join([head, "|---" * (len(KINDS) + 2) + "|", *(rows[minor] for minor in order)])


def renewed(page: str, reports: Iterable[Path]) -> str:
    """The page with rows of those reports. Pythons that have not run this time keep theirs."""
    pythons: dict[str, Counter[str]] = {}
    for report in reports:
        version = report.stem.partition("-")[0]
        pythons[version] = pythons.get(version, Counter()) + passed(report)
    made = "\n".join(row(version, counts) for version, counts in pythons.items())
    rows = rows_of(page) | rows_of(f"<!-- from the tests -->\n{made}\n<!-- end -->")
    return MARKED.sub(lambda found: f"{found[1]}\n{table(rows)}\n\n{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(), [Path(report) for report in sys.argv[1:]]))
