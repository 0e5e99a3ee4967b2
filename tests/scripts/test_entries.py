"""Ways in which a program gets to be `__main__`, and modules that workers cannot import by name."""

import sys
import zipfile

import pytest

from tests.scripts import scripts
from tests.scripts.runners import KINDS

PROGRAM = """
import asyncio, dataclasses, enum, functools, sys, traceback

limit = 10

class Sensor(enum.Enum):
    DOOR = (12, 0.5)

    def __init__(self, pin, gain):
        self.pin = pin

@dataclasses.dataclass(slots=True)
class Point:
    x: int

@functools.cache
def cached(x):
    return min(x, limit)

def work(given):
    point, sensor = given
    return Point(cached(point.x)), sensor, sensor.pin, type(point) is Point, sensor is Sensor.DOOR

def connect(value):
    global connection
    connection = value

def read():
    return connection

def fails(x):
    raise ValueError(x)

def name_of_file():
    name = fails.__code__.co_filename
    # Each block has a name of its own from 3.13 on, of which tracebacks tell the beginning.
    return "<stdin>" if name.startswith(("<stdin>-", "<stdin-")) else name

def line_here():
    try:
        fails(1)
    except ValueError as error:
        return traceback.extract_tb(error.__traceback__)[-1].line or ""

async def main(kinds):
    from tests.scripts.runners import runner

    for kind in kinds:
        async with runner(kind, [work, read, fails], connect, ("c",)) as run:
            point, sensor, *rest = await run(work, (Point(50), Sensor.DOOR))
            assert type(point) is Point and point.x == 10 and sensor is Sensor.DOOR and rest == [12, True, True], (kind, point, sensor, rest)
            assert await run(read) == "c", kind
            try:
                await run(fails, 1)
            except ValueError as error:
                assert error.args == (1,)
                assert f'File "{name_of_file()}", line {fails.__code__.co_firstlineno + 1}, in fails' in str(error.__cause__), (kind, error.__cause__)
                assert line_here() in str(error.__cause__), (kind, error.__cause__)
    print("done")
"""
# How the script begins is the same to those that start their workers otherwise.
FEW = [kind for kind in KINDS if kind in ("fork_server", "futures", "interpreter")]
GUARD = '\nif __name__ == "__main__":\n    asyncio.run(main(sys.argv[1:]))\n'


def check(done):
    assert done.stdout == "done\n"
    assert done.stderr == ""


def test_a_script(tmp_path):
    (tmp_path / "script.py").write_text(PROGRAM + GUARD)
    check(scripts.run(tmp_path / "script.py", *KINDS))


def test_a_script_without_a_guard(tmp_path):
    """Workers do not run it again."""
    (tmp_path / "script.py").write_text(PROGRAM + "\nasyncio.run(main(sys.argv[1:]))\n")
    check(scripts.run(tmp_path / "script.py", *FEW))


def test_dash_c(tmp_path):
    check(scripts.run("-c", PROGRAM + GUARD, *FEW, cwd=tmp_path))


def test_standard_input(tmp_path):
    check(scripts.run("-", *FEW, stdin=PROGRAM + GUARD, cwd=tmp_path))


def test_a_module_in_a_package(tmp_path):
    """Its imports are relative, and what it defines is `__main__`'s here and could be imported there."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "beside.py").write_text("def twice(x):\n    return x * 2\n")
    (package / "module.py").write_text(
        "from .beside import twice\n" + PROGRAM.replace("min(x, limit)", "min(twice(x), limit)") + GUARD
    )
    check(scripts.run("-m", "package.module", *FEW, cwd=tmp_path))


def test_a_package_that_is_run(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "beside.py").write_text("def twice(x):\n    return x * 2\n")
    (package / "__main__.py").write_text(
        "from .beside import twice\n" + PROGRAM.replace("min(x, limit)", "min(twice(x), limit)") + GUARD
    )
    check(scripts.run("-m", "package", *FEW, cwd=tmp_path))


def test_an_archive(tmp_path):
    """A program in a zip file, with a module of its own beside it."""
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("beside.py", "def twice(x):\n    return x * 2\n")
        archive.writestr(
            "__main__.py",
            "from beside import twice\n" + PROGRAM.replace("min(x, limit)", "min(twice(x), limit)") + GUARD,
        )
    check(scripts.run(tmp_path / "app.pyz", *FEW))


def test_the_lines_of_an_archive(tmp_path):
    """Workers have no file of that name, and tracebacks show the lines all the same."""
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr(
            "__main__.py",
            PROGRAM.replace("(kind, error.__cause__)\n", "(kind, error.__cause__)\n", 1).replace(
                "in fails' in str(error.__cause__)",
                "in fails\\n    raise ValueError(x)' in str(error.__cause__)",
            )
            + GUARD,
        )
    check(scripts.run(tmp_path / "app.pyz", *FEW))


def test_a_script_that_another_program_runs(tmp_path):
    """As profilers, debuggers and coverage do: by runpy, or as a module named `__main__` of their own."""
    (tmp_path / "script.py").write_text(PROGRAM + GUARD)
    (tmp_path / "starter.py").write_text(
        'import runpy\n\nlimit = "the starter\'s"\n\nif __name__ == "__main__":\n    runpy.run_path("script.py", run_name="__main__")\n'
    )
    check(scripts.run("starter.py", *FEW, cwd=tmp_path))
    (tmp_path / "exec.py").write_text(
        "import sys, types\n\n"
        'main = types.ModuleType("__main__")\nmain.__file__ = "script.py"\nsys.modules["__main__"] = main\n'
        'exec(compile(open("script.py").read(), "script.py", "exec"), main.__dict__)\n'
    )
    check(scripts.run("exec.py", *FEW, cwd=tmp_path))


def test_a_script_under_the_name_that_runpy_gives_it(tmp_path):
    """Without a `run_name` it is a module that is there for as long as it runs, and that nobody can import."""
    text = PROGRAM.replace("sys\n", "sys\n", 1) + "\nasyncio.run(main(sys.argv[1:]))\n"
    (tmp_path / "script.py").write_text(text)
    (tmp_path / "starter.py").write_text("import runpy\n\nrunpy.run_path('script.py')\n")
    check(scripts.run("starter.py", *FEW, cwd=tmp_path))


@pytest.mark.parametrize("name", ["with spaces.py", "with-dashes.and.dots.py", "noextension", "json.py"])
def test_any_name(tmp_path, name):
    """It may be no name of a module, or that of another one."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / name).write_text(PROGRAM + GUARD)
    check(scripts.run(tmp_path / "scripts" / name, *FEW, options=["-P"]))
    (tmp_path / "link.py").symlink_to(tmp_path / "scripts" / name)
    check(scripts.run("link.py", *FEW, cwd=tmp_path, options=["-P"]))


def test_two_scripts_in_one_program(tmp_path):
    """The names are the same, and each has its own."""
    (tmp_path / "one.py").write_text(PROGRAM + GUARD)
    other = PROGRAM.replace("min(x, limit)", "min(x, limit) * 0 + 10").replace("(12, 0.5)", "(12, 0.75)")
    (tmp_path / "other.py").write_text("# Another.\n" + other + GUARD)
    (tmp_path / "starter.py").write_text(
        'import runpy\n\nfor name in ("one.py", "other.py", "one.py"):\n    runpy.run_path(name, run_name="__main__")\n'
    )
    assert scripts.run("starter.py", *FEW, cwd=tmp_path).stdout == "done\n" * 3


UNDER_SPAWN = (
    PROGRAM
    + """
import multiprocessing

def child(kinds):
    assert __name__ == "__mp_main__"
    assert Point.__module__ == "__mp_main__"
    asyncio.run(main(kinds))

if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[1]).Process(target=child, args=(sys.argv[2:],))
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""
)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_in_a_child_of_multiprocessing(tmp_path, method):
    """Where the script has been imported as `__mp_main__`, workers have it too."""
    (tmp_path / "script.py").write_text(UNDER_SPAWN)
    check(scripts.run(tmp_path / "script.py", method, *FEW))


PLUGIN = """
import dataclasses, enum, functools
from pathlib import Path

state = None

class Sensor(enum.Enum):
    DOOR = (12, 0.5)

    def __init__(self, pin, gain):
        self.pin = pin

@dataclasses.dataclass(slots=True)
class Point:
    x: int

@functools.cache
def cached(x):
    return x * 2

def set_state(x):
    global state
    state = x

def work(given):
    point, sensor = given
    return Point(cached(point.x)), sensor.pin, type(point) is Point, sensor is Sensor.DOOR, state, Path(__file__).name, __name__

def fails(x):
    raise ValueError(x)
"""

HOST = """
import asyncio, importlib.util, sys
from pathlib import Path

def load(path, register):
    spec = importlib.util.spec_from_file_location("plugin_of_the_host", path)
    module = importlib.util.module_from_spec(spec)
    if register:
        sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

async def main(register, kinds):
    from tests.scripts.runners import runner

    plugin = load(Path("plugins") / "first.py", register)
    for kind in kinds:
        async with runner(kind, [plugin.work, plugin.fails, plugin.set_state]) as run:
            await run(plugin.set_state, "s")
            point, *rest = await run(plugin.work, (plugin.Point(3), plugin.Sensor.DOOR))
            assert type(point) is plugin.Point and point.x == 6, (kind, point)
            assert rest == [12, True, True, "s", "first.py", "plugin_of_the_host"], (kind, rest)
            try:
                await run(plugin.fails, 1)
            except ValueError as error:
                assert 'first.py", line' in str(error.__cause__) and "raise ValueError(x)" in str(error.__cause__), (kind, error.__cause__)
    print("done")

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] == "registered", sys.argv[2:]))
"""


@pytest.mark.parametrize("how", ["registered"])
def test_a_plugin_loaded_by_its_path(tmp_path, how):
    """Workers cannot import it by its name, so it travels like a script."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "first.py").write_text(PLUGIN)
    (tmp_path / "host.py").write_text(HOST)
    check(scripts.run("host.py", how, *FEW, cwd=tmp_path))


def test_options_of_the_interpreter(tmp_path):
    """With which code objects are other ones."""
    (tmp_path / "script.py").write_text(PROGRAM + GUARD)
    check(scripts.run(tmp_path / "script.py", *FEW, options=["-O"]))
    check(scripts.run(tmp_path / "script.py", *FEW, options=["-OO", "-W", "error"]))
    if sys.version_info >= (3, 15):
        check(scripts.run(tmp_path / "script.py", *FEW, options=["-X", "lazy_imports=all"]))


def test_the_interactive_interpreter(tmp_path):
    """Its blocks end with an empty line and have none inside."""
    blocks = (
        block.strip("\n")
        for block in PROGRAM.replace("\n\n    def", "\n    def").replace("runner\n\n", "runner\n").split("\n\n")
    )
    text = "\n\n".join(blocks) + f"\n\nasyncio.run(main({FEW!r}))\n"
    done = scripts.run("-i", "-q", stdin=text, cwd=tmp_path)
    assert "done" in done.stdout, done.stderr
