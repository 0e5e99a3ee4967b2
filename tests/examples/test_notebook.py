"""The notebook runs in a real kernel from its first cell to its last, and is kept without what it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
EXECUTE = "from nbclient.cli import main; main()"


def test_runs(tmp_path):
    copy = tmp_path / "notebook.ipynb"
    copy.write_text(NOTEBOOK.read_text())
    # What IPython writes of its own goes elsewhere than to the home of whoever runs this.
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    command = [sys.executable, "-c", EXECUTE, copy, "--inplace"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    cells = [cell["outputs"] for cell in json.loads(copy.read_text())["cells"] if cell["cell_type"] == "code"]
    assert "".join(cells[0][0]["data"]["text/plain"]) == "111"
    printed = ["".join(out["text"]) for outs in cells for out in outs if out.get("name") == "stdout"]
    assert printed == [
        "77031 takes the most steps: 350\n",
        "1467 numbers take 71 steps\n1424 numbers take 63 steps\n1417 numbers take 76 steps\n",
        "9663 gets as high as 27,114,424\n",
        "110,000 tasks done, 0 failed\n",
    ]
    progress = "".join("".join(out["text"]) for outs in cells for out in outs if out.get("name") == "stderr")
    assert "100000/100000" in progress


def test_is_kept_without_output():
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
