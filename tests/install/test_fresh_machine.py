"""What an installation brings, and what it needs: no more than it says."""

import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONAL = ("tqdm", "ray", "uvloop", "interpreters_backport", "numpy")

KINDS = """
import asyncio, sys
from poolifier import DynamicProcessPool, FixedThreadPool

async def main():
    for pool in FixedThreadPool(1, str.upper), DynamicProcessPool(0, 1, str.upper):
        async with pool:
            print(await pool.execute("done"))

asyncio.run(main())
print([name for name in {optional} if name in sys.modules])
"""

FOREIGN = """
import sys
before = set(sys.modules)
import poolifier
for name in poolifier.__all__:
    getattr(poolifier, name)
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(root for root in roots - set(sys.stdlib_module_names) if not root.startswith("_")))
"""


def test_the_wheel_has_the_package_and_its_types_and_no_tests(without_compiler):
    names = zipfile.ZipFile(without_compiler.wheel).namelist()

    assert "poolifier/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {
        "poolifier",
        without_compiler.wheel.name.split("-py3")[0] + ".dist-info",
    }
    assert not [name for name in names if re.search(r"(^|/)(tests?|conftest)[/.]|test_", name)]


def test_a_pool_runs_on_what_is_required(machine):
    assert {"cloudpickle", "psutil", "pyee"} <= machine.distributions
    done = machine.run("-c", KINDS.format(optional=OPTIONAL))

    assert done.returncode == 0, done.stderr
    assert done.stdout == "DONE\nDONE\n[]\n"


def test_all_names_import_nothing_optional(machine):
    done = machine.run("-c", FOREIGN)

    assert done.returncode == 0, done.stderr
    assert set(eval(done.stdout)) <= {"poolifier"} | machine.distributions


def test_the_import_alone_brings_nothing(machine):
    done = machine.run("-c", "import poolifier, sys; print(*sys.modules)")

    assert done.returncode == 0, done.stderr
    assert not {"asyncio", "typing", "logging", *OPTIONAL, *machine.distributions} & set(done.stdout.split())
    ours = {name for name in done.stdout.split() if name.startswith("poolifier")}
    assert ours == {"poolifier", "poolifier._version"}


def test_what_to_install_is_told(machine):
    told = machine.facts()

    assert told["Ray"] == "no: Ray pools need Ray, which is not installed: pip install 'poolifier[ray]'"
    assert told["event loop"] == "asyncio; uvloop is not installed: pip install 'poolifier[uvloop]'"
    if sys.version_info < (3, 14):
        assert "pip install 'poolifier[interpreters]'" in told["interpreters"]
    else:
        assert told["interpreters"] == "yes"


@pytest.mark.parametrize(
    "extra", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
)
def test_extras_are_there_and_documented(extra, without_compiler):
    with zipfile.ZipFile(without_compiler.wheel) as wheel:
        metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith("/METADATA"))).decode()

    assert f"Provides-Extra: {extra}\n" in metadata
    assert re.search(rf"^Requires-Dist: .*extra == '{extra}'$", metadata, re.MULTILINE)
    assert f"| `{extra}` |" in (ROOT / "docs" / "how-to" / "install.md").read_text()
