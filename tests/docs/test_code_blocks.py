"""Every Python block of the documentation runs as it stands, and prints what the page says it prints.

A page's blocks run in order, each as a script of its own, in one directory that is empty at first. A block that
begins with `# name.py` is that file: the blocks after it find it there. A `text` block right after a Python block is
what it prints.
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def _pages():
    for page in PAGES:
        if blocks := BLOCK.findall(page.read_text()):
            needs_ray = any("RayPool" in code for code, _ in blocks)
            marks = [pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")] if needs_ray else []
            yield pytest.param(blocks, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("blocks", list(_pages()))
def test_blocks_run(blocks, tmp_path):
    for code, printed in blocks:
        if file := FILE.match(code):
            (tmp_path / file[1]).write_text(code)
            continue
        script = tmp_path / "block.py"
        script.write_text(code)
        command = [sys.executable, "-W", "error", script]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        if "InterpreterPool" in code and sys.version_info < (3, 13):
            assert "UnsupportedError: interpreter workers need" in done.stderr
            continue
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        if printed:
            assert done.stdout == printed, code


def _prose(page):
    return CODE.sub("", page.read_text())


def _anchors(page):
    headings = re.findall(r"^#+ (.*)$", CODE.sub(lambda code: code[0].strip("`"), page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for path, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", _prose(page)):
            target = page.parent / path if path else page
            assert target.exists(), f"{page.relative_to(ROOT)} links to {path}"
            assert not anchor or anchor in _anchors(target), f"{page.relative_to(ROOT)} links to {path}#{anchor}"


def test_every_page_is_listed():
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / path).resolve() for path in re.findall(r"\]\(([^)#]+\.md)", _prose(index))}

    for page in PAGES:
        assert page in {index, *listed}, f"{page.relative_to(ROOT)} is to be listed in docs/README.md"
