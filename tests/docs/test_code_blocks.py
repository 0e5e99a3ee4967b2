"""Every Python block of the documentation runs as it stands, and prints what the page says it prints.

A page's blocks run in order, each as a script of its own, in one directory that is empty at first. A block that
begins with `# name.py` is that file: the blocks after it find it there. A `text` block right after a Python block is
what it prints.

A page whose blocks await is a notebook: the blocks are its cells, which a real kernel runs.

An `sh` block that begins with `uvicorn` is a server. It runs for the blocks after it, until the next one, on a port
that is free in the place of 8000. What a page tells its reader to install is there: tests need it.

One Python is enough for what a page says, unless there is more to say on another one: the README says what works
where, and interpreters are not on all of them. What the blocks use is tested elsewhere, on every Python.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
AWAITS = re.compile(r"^(?:\w+ = |print\()?await |^async (?:with|for) ", re.MULTILINE)
FILE = re.compile(r"# (\w+\.py)\n")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def _pages():
    for page in PAGES:
        if blocks := BLOCK.findall(page.read_text()):
            needs_ray = any("RayPool" in code for _, code, _ in blocks)
            marks = [pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")] if needs_ray else []
            if page != README and not any("InterpreterPool" in code for _, code, _ in blocks):
                marks.append(pytest.mark.once)
            yield pytest.param(blocks, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("blocks", list(_pages()))
def test_blocks_run(blocks, tmp_path, server):
    if any(AWAITS.search(code) for language, code, _ in blocks if language == "python"):
        run_notebook(blocks, tmp_path)
        return
    for language, code, printed in blocks:
        if language == "sh":
            if code.startswith("uvicorn "):
                server.start(code, tmp_path)
            continue
        if file := FILE.match(code):
            (tmp_path / file[1]).write_text(code)
            continue
        script = tmp_path / "block.py"
        script.write_text(server.at_its_port(code))
        command = [sys.executable, "-W", "error", script]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        if "InterpreterPool" in code and sys.version_info < (3, 13):
            assert "UnsupportedError: interpreter workers need" in done.stderr
            continue
        assert done.returncode == 0, f"{code}\n{done.stderr}\n{server.stop()}"
        if printed:
            assert done.stdout == printed, code


def run_notebook(blocks, tmp_path):
    cells = [
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": code}
        for _, code, _ in blocks
    ]
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", notebook, "--inplace"]
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for (_, code, printed), cell in zip(blocks, json.loads(notebook.read_text())["cells"], strict=True):
        # A kernel sends what is printed in any number of pieces.
        outputs = {output.get("name"): "" for output in cell["outputs"]}
        for output in cell["outputs"]:
            outputs[output.get("name")] += "".join(output.get("text", ""))
        assert outputs == ({"stdout": printed} if printed else {}), code


class Server:
    """The server of a page, which runs until the next one or the end of the page."""

    def __init__(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            self.port = taken.getsockname()[1]
        self.process = None

    def at_its_port(self, code):
        return code.replace("8000", str(self.port)) if self.process else code

    def start(self, command, folder):
        self.stop()
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", *shlex.split(command.replace("8000", str(self.port)))],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.stop()
                assert time.monotonic() < deadline, self.stop()
                time.sleep(0.01)

    def stop(self):
        """Ends the server as Ctrl+C does; returns what it has said."""
        process, self.process = self.process, None
        if process is None:
            return ""
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            said, _ = process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return said


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


def test_what_pages_install_is_there():
    """So that what they show is run, and not skipped."""
    lines = [line for page in PAGES for line in re.findall(r"^pip install (.*)$", page.read_text(), re.MULTILINE)]
    packages = {word for line in lines for word in shlex.split(line, comments=True) if re.fullmatch(r"[\w-]+", word)}

    assert {"fastapi", "pillow"} <= packages
    for package in packages:
        assert distribution(package).version


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
