"""What a script can define, and in which ways it can be used: on every kind of pool as where the script is imported.

The oracle is `concurrent.futures` with spawn, whose workers import the script. Each fragment in `corpus` becomes a real
program (see `scripts`), which runs all that it defines in a dozen roles (as argument, as result, in a global, in a
closure, ...) on each kind in turn, and tells what came.
"""

import re
import sys
from importlib.util import find_spec

import pytest

from tests.scripts import scripts

KINDS = ["fork_server", "process-spawn", "futures", "thread"]
if sys.version_info >= (3, 13):
    KINDS += ["interpreter"]


def needed(path):
    """The Python that a fragment is for, by its name."""
    version = re.match(r"since_3_(\d+)$", path.stem)
    return (3, int(version[1])) if version else (3, 11)


FRAGMENTS = sorted(path for path in scripts.CORPUS.glob("*.py") if needed(path) <= sys.version_info[:2])


@pytest.fixture(scope="module", params=FRAGMENTS, ids=lambda path: path.stem)
def found(request, tmp_path_factory):
    """What came of all cases of one fragment: one program for all kinds, threads and what it finds itself at the end."""
    path = tmp_path_factory.mktemp("scripts") / request.param.name
    kinds = ["spawn", *sorted(KINDS, key=lambda kind: "thread" in kind), "here"]
    return scripts.compared(path, request.param.read_text(), kinds)


def check(found, kind):
    assert len(found["spawn"]) > 10
    # With every way of a pool there are more: as many again where it was made with the functions, and in maps.
    assert len(found[kind]) >= len(found["spawn"])
    assert set(found["spawn"]) <= set(found[kind])
    different = scripts.differences(found, kind)
    assert different == [], f"{len(different)} of {len(found[kind])} differ\n" + "\n".join(different[:40])


@pytest.mark.parametrize("kind", KINDS)
def test_as_if_imported(found, kind):
    check(found, kind)


def test_the_oracle_runs_nearly_all(found):
    """Otherwise little would be compared: what it cannot do is closures, lambdas and what pickles refuse."""
    done = [seen for seen in found["spawn"].values() if not seen.startswith("cannot travel")]
    assert len(done) > len(found["spawn"]) * 0.6


OF_RAY = ("caches", "cycles", "enums", "errors", "modules", "slots")

RAY = """
import logging, runpy, sys
import ray

ray.init(sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)
for path in sys.argv[2:]:
    runpy.run_path(path, run_name="__main__")
"""


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray has no wheels for this Python")
def test_as_if_imported_by_ray(tmp_path, ray_cluster):
    """A connection for all scripts, which one program runs one after the other, each as its `__main__`.

    An actor takes seconds to start, and all values go through the same code as those of processes: these will do.
    The oracle has a program for each script: its workers' results name the script `__mp_main__`, and what that is in the
    program is decided when `multiprocessing` is imported, once.
    """
    paths, oracles = [], []
    fragments = [fragment for fragment in FRAGMENTS if fragment.stem in OF_RAY]
    for fragment in fragments:
        source = fragment.read_text()
        paths.append(tmp_path / fragment.name)
        oracles.append(scripts.compared(paths[-1], source, ["spawn", "here"]))
        paths[-1].write_text(scripts.program(source, ["ray"]))
    (tmp_path / "program_of_ray.py").write_text(RAY)
    address = ray_cluster.get_runtime_context().gcs_address
    found = scripts.outcomes(scripts.run(tmp_path / "program_of_ray.py", address, *map(str, paths)).stdout)
    assert len(found) == len(fragments) == len(OF_RAY)
    for oracle, one in zip(oracles, found, strict=True):
        check(oracle | one, "ray")
