"""Cells of a notebook, in a real kernel: what a cell defines again is what the workers have from then on."""

import json
import re
import time
from queue import Empty

import pytest
from jupyter_client.manager import start_new_kernel

from tests.scripts.runners import KINDS

BEGIN = """
import dataclasses, enum, inspect, json, traceback, warnings
from poolifier import FixedProcessPool
from tests.scripts.comparison import pool_of

limit = 10
"""

CLASSES = """
@dataclasses.dataclass(slots=True)
class Point:
    x: int

    def moved(self):
        return Point(self.x + 1)

class Sensor(enum.Enum):
    DOOR = (12, 0.5)

    def __init__(self, pin, gain):
        self.pin = pin
"""

FUNCTIONS = """
def helper(x):
    return min(x, limit)

def work(x):
    return helper(x)

def move(given):
    point, sensor = given
    return type(point) is Point, point.moved(), sensor.pin, sensor is Sensor.DOOR

def fails(x):
    return 1 / x  # the line that fails

def sources(x):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("here")
    return inspect.getsource(helper), inspect.getsource(Point.moved), seen[0].filename, seen[0].lineno
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        from tests.scripts import scripts

        for name, value in scripts.environment().items():
            patch.setenv(name, value)
        patch.setenv("IPYTHONDIR", str(directory / "ipython"))
        manager, client = start_new_kernel(startup_timeout=300, cwd=str(directory))
    run_in(client, BEGIN)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run_in(client, code):
    """What a cell printed; where it ends with an error, the test does, with the traceback."""
    cell = client.execute(code.strip("\n"))
    printed, deadline = "", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            message = client.get_iopub_msg(timeout=1)
        except Empty:
            continue
        if message["parent_header"].get("msg_id") != cell:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            printed += content["text"]
        elif message["msg_type"] == "error":
            text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(content["traceback"]))
            raise AssertionError(f"{printed}\n{text}")
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return printed
    raise AssertionError(f"the cell does not end: {code}")


POOLS = [kind for kind in KINDS if not kind.startswith("futures")]


@pytest.fixture(params=POOLS)
def pool(kernel, request):
    """The name of a pool in the notebook, with what the cells have defined."""
    run_in(kernel, "limit = 10")
    run_in(kernel, CLASSES)
    run_in(kernel, FUNCTIONS)
    functions = '{"work": work, "move": move, "fails": fails, "sources": sources}'
    run_in(kernel, f"pool = pool_of({request.param!r}, {functions}, None, ())\nawait pool.start()")
    yield kernel
    run_in(kernel, "await pool.destroy()")


def test_cells_that_are_run_again(pool):
    assert run_in(pool, "print(await pool.execute(50))") == "10\n"
    run_in(pool, "limit = 20")
    assert run_in(pool, "print(await pool.execute(50))") == "20\n"
    run_in(pool, "def helper(x):\n    return 'again', x, limit")
    assert run_in(pool, "print(await pool.execute(50))") == "('again', 50, 20)\n"
    run_in(pool, "def work(x):\n    return 'work', helper(x)")
    assert run_in(pool, "print(await pool.execute(1))") == "('again', 1, 20)\n"
    run_in(pool, "await pool.add_task_function('work', work)")
    assert run_in(pool, "print(await pool.execute(1, 'work'))") == "('work', ('again', 1, 20))\n"


def test_classes(pool):
    send = "print(await pool.execute((Point(1), Sensor.DOOR), 'move'))"
    assert run_in(pool, send) == "(True, Point(x=2), 12, True)\n"
    # The same cell again makes other classes of the same names.
    run_in(pool, CLASSES)
    assert run_in(pool, send) == "(True, Point(x=2), 12, True)\n"
    run_in(pool, CLASSES.replace("self.x + 1", "self.x + 100").replace("(12, 0.5)", "(13, 0.5)"))
    assert run_in(pool, send) == "(True, Point(x=101), 13, True)\n"
    assert (
        run_in(pool, "moved = (await pool.execute((Point(1), Sensor.DOOR), 'move'))[1]\nprint(type(moved) is Point)")
        == "True\n"
    )


def test_lines(pool):
    """The cell is named as it is in the notebook, and its lines are shown."""
    show = (
        "try:\n    await pool.execute(0, 'fails')\nexcept ZeroDivisionError as error:\n"
        "    print(''.join(traceback.format_exception(error)))"
    )
    shown = run_in(pool, show)
    remote = shown[: shown.index("direct cause")]
    name = json.loads(run_in(pool, "print(json.dumps(work.__code__.co_filename))"))
    line = FUNCTIONS.strip("\n").splitlines().index("    return 1 / x  # the line that fails") + 1
    assert f'File "{name}", line {line}, in fails\n    return 1 / x  # the line that fails' in remote
    source, method, file, number = json.loads(run_in(pool, "print(json.dumps(await pool.execute(1, 'sources')))"))
    assert source == "def helper(x):\n    return min(x, limit)\n"
    assert method == "    def moved(self):\n        return Point(self.x + 1)\n"
    assert (file, number) == (name, FUNCTIONS.strip("\n").splitlines().index('        warnings.warn("here")') + 1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("futures")])
def test_executors(kernel, kind):
    """A call sends the function as it is at that moment."""
    run_in(kernel, "limit = 10")
    run_in(kernel, CLASSES)
    run_in(kernel, FUNCTIONS)
    run_in(kernel, f"from tests.scripts.comparison import executor\nworkers = executor({kind!r}, None, ())")
    submit = "print(workers.submit(work, 50).result())"
    assert run_in(kernel, submit) == "10\n"
    run_in(kernel, "limit = 20")
    assert run_in(kernel, submit) == "20\n"
    run_in(kernel, "def helper(x):\n    return 'again', x, limit")
    assert run_in(kernel, submit) == "('again', 50, 20)\n"
    run_in(kernel, "def work(x):\n    return 'work', helper(x)")
    assert run_in(kernel, submit) == "('work', ('again', 50, 20))\n"
    send = "print(workers.submit(move, (Point(1), Sensor.DOOR)).result())"
    assert run_in(kernel, send) == "(True, Point(x=2), 12, True)\n"
    run_in(kernel, CLASSES.replace("self.x + 1", "self.x + 100"))
    assert run_in(kernel, send) == "(True, Point(x=101), 12, True)\n"
    run_in(kernel, "workers.shutdown()")
