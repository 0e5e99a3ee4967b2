"""Every Python block of the documentation runs as it stands, and prints what the page says it prints.

A page's blocks run in order, each as a script of its own, in one directory that is empty at first. A block that
begins with `# name.py` is that file: the blocks after it find it there. A `text` block right after a Python block is
what it prints.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")


def _pages():
    for page in PAGES:
        if blocks := BLOCK.findall(page.read_text()):
            yield pytest.param(blocks, id=str(page.relative_to(ROOT)))


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
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        if printed:
            assert done.stdout == printed, code


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
