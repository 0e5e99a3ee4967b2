"""Where code of a script stands is told as it is: the real file and line, wherever code runs and whoever asks."""

import json
import sys

import pytest

from tests.scripts import scripts
from tests.scripts.runners import KINDS

SCRIPT = '''
"""Says where its code stands."""
import asyncio, inspect, io, json, linecache, logging, sys, traceback, warnings


def fails(x):
    return inner(x)  # line of fails


def inner(x):
    return 1 / (x - x)  # line of inner


class Holder:
    """Has methods."""

    def method(self, x):
        return [self.deeper(y) for y in [x]]  # line of method

    @staticmethod
    def deeper(x):
        raise LookupError(x)  # line of deeper


def fails_in_a_method(x):
    return Holder().method(x)  # line of fails_in_a_method


def caught(x):
    try:
        fails_in_a_method(x)
    except LookupError as error:
        return [[frame.filename, frame.lineno, frame.name, frame.line] for frame in traceback.extract_tb(error.__traceback__)[1:]]


def warns(x):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("here")  # line of warns
        helper_that_warns()  # line of the caller
    return [[one.filename, one.lineno] for one in seen]


def helper_that_warns():
    warnings.warn("there", stacklevel=2)


def logs(x):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(pathname)s|%(filename)s|%(module)s|%(lineno)d|%(funcName)s"))
    logger = logging.getLogger("lines")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        logger.warning("message")  # line of logs
    finally:
        logger.removeHandler(handler)
    return stream.getvalue().strip().split("|")


def sources(x):
    return [
        inspect.getsource(inner),
        inspect.getsource(Holder),
        inspect.getsource(Holder.method),
        inspect.getsourcelines(inner)[1],
        inspect.getsourcefile(Holder),
        inspect.getfile(fails),
        linecache.getline(inner.__code__.co_filename, inner.__code__.co_firstlineno),
    ]


def stands(x):
    return [[code.co_filename, code.co_firstlineno] for code in (
        inner.__code__,
        Holder.deeper.__code__,
        (lambda: 1).__code__,
        sys._getframe().f_code,
        next(const for const in caught.__code__.co_consts if hasattr(const, "co_code")) if sys.version_info < (3, 12) else inner.__code__,
    )] + [sys._getframe().f_lineno]  # line of stands


def traced(x):
    lines = []

    def tracer(frame, event, arg):
        if frame.f_code.co_name in ("inner", "fails"):
            lines.append([frame.f_code.co_filename, frame.f_lineno, event])
            return tracer
        return None

    sys.settrace(tracer)
    try:
        fails(x)
    except ZeroDivisionError:
        pass
    finally:
        sys.settrace(None)
    return lines


def monitored(x):
    """As coverage does, from Python 3.12 on."""
    if sys.version_info < (3, 12):
        return "not there"
    lines = []
    monitoring, tool = sys.monitoring, 4
    monitoring.use_tool_id(tool, "lines")
    monitoring.register_callback(tool, monitoring.events.LINE, lambda code, line: lines.append([code.co_filename, line]))
    monitoring.set_events(tool, monitoring.events.LINE)
    try:
        fails(x)
    except ZeroDivisionError:
        pass
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
    return [line for line in lines if line[0] == inner.__code__.co_filename and line[1] <= fails_in_a_method.__code__.co_firstlineno]


def dynamic(x):
    # What a script compiles itself has the name that it gave.
    namespace = {}
    exec(compile("def made():\\n    raise KeyError(1)\\n", "<made by hand>", "exec"), namespace)
    try:
        namespace["made"]()
    except KeyError as error:
        return [[frame.filename, frame.lineno] for frame in traceback.extract_tb(error.__traceback__)[1:]]


NAMESPACE = {}
exec(compile("def compiled(x):\\n    raise KeyError(x)\\n", "<compiled by the script>", "exec"), NAMESPACE)
compiled = NAMESPACE["compiled"]


def uses_compiled(x):
    try:
        compiled(x)
    except KeyError as error:
        return [[frame.filename, frame.lineno] for frame in traceback.extract_tb(error.__traceback__)[1:]]


# That is what Python calls the program of `python -c`, too.
exec(compile("def nameless(x):\\n    raise KeyError(x)\\n", "<string>", "exec"), NAMESPACE)
nameless = NAMESPACE["nameless"]


def uses_nameless(x):
    try:
        nameless(x)
    except KeyError as error:
        return [[frame.filename, frame.lineno, frame.line] for frame in traceback.extract_tb(error.__traceback__)[1:]]


def file_of_the_script(x):
    return __file__


TASKS = [caught, warns, logs, sources, stands, traced, monitored, dynamic, uses_compiled, uses_nameless, file_of_the_script]


def told(function):
    try:
        return function(1)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def whole(error):
    return "".join(traceback.format_exception(error))


async def main(kinds):
    from tests.scripts.runners import runner

    print(json.dumps(["here", {task.__name__: told(task) for task in TASKS}]))
    for kind in kinds:
        found = {}
        async with runner(kind, [*TASKS, fails, fails_in_a_method]) as run:
            for task in TASKS:
                try:
                    found[task.__name__] = await run(task, 1)
                except Exception as error:
                    found[task.__name__] = f"{type(error).__name__}: {error}"
            for task in (fails, fails_in_a_method):
                try:
                    await run(task, 1)
                except Exception as error:
                    found[task.__name__] = whole(error)
        print(json.dumps([kind, found]))


if __name__ == "__main__":
    asyncio.run(main(KINDS))
'''


def program():
    return SCRIPT.replace("main(KINDS)", f"main({KINDS!r})")


def read(printed):
    return dict(map(json.loads, printed.splitlines()))


def line_of(what):
    return (
        SCRIPT.splitlines().index(next(line for line in SCRIPT.splitlines() if line.endswith(f"# line of {what}"))) + 1
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "a script.py"
    path.write_text(program())
    return path, read(scripts.run(path).stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_what_code_says_of_itself(found, kind):
    """Frames, warnings, log records, sources, traces: all as where the script itself runs that."""
    path, told = found
    here, there = told["here"], {task: seen for task, seen in told[kind].items() if task in told["here"]}
    assert here["logs"] == [str(path), path.name, path.stem, str(line_of("logs")), "logs"]
    assert here["warns"] == [[str(path), line_of("warns")], [str(path), line_of("the caller")]]
    assert here["caught"][-1] == [str(path), line_of("deeper"), "deeper", "raise LookupError(x)  # line of deeper"]
    assert len(here["traced"]) > 5
    assert sys.version_info < (3, 12) or len(here["monitored"]) > 1
    assert there == here


@pytest.mark.parametrize("kind", KINDS)
def test_tracebacks(found, kind):
    path, told = found
    remote = told[kind]["fails"]
    for name, text in (("fails", "return inner(x)"), ("inner", "return 1 / (x - x)")):
        assert f'  File "{path}", line {line_of(name)}, in {name}\n    {text}  # line of {name}\n' in remote
    remote = told[kind]["fails_in_a_method"]
    for name in ("fails_in_a_method", "method", "deeper"):
        assert f'  File "{path}", line {line_of(name)}, in {name}\n' in remote


@pytest.mark.parametrize("how", ["command", "input"])
def test_without_a_file(tmp_path, how):
    """Where there is no file the name is Python's own for it, and the lines are right."""
    if how == "command":
        told = read(scripts.run("-c", program(), cwd=tmp_path).stdout)
        name = "<string>"
    else:
        told = read(scripts.run("-", stdin=program(), cwd=tmp_path).stdout)
        name = "<stdin>"
    here = told.pop("here")
    for kind, seen in told.items():
        for task in ("warns", "stands", "traced", "monitored", "uses_compiled", "uses_nameless", "caught"):
            assert (kind, task, seen[task]) == (kind, task, here[task])
        assert f'File "{name}", line {line_of("inner")}, in inner' in seen["fails"]


COMMAND = """
import asyncio, poolifier.pool.time_outs
from poolifier import FixedProcessPool, TaskTimeoutError
poolifier.pool.time_outs._PATIENCE = 60  # a busy machine may take longer than the error waits
class Holder:
    def stay(self):
        while True: pass  # line of the command

def work(x):
    Holder().stay()

async def main():
    async with FixedProcessPool(1, work, timeout=1) as pool:
        try:
            await pool.execute(1)
        except TaskTimeoutError as error:
            print(error.stack)

asyncio.run(main())
"""


def test_the_stack_of_a_time_limit_without_a_file(tmp_path):
    """From Python 3.13 on tracebacks show the lines of a command."""
    told = scripts.run("-c", COMMAND, cwd=tmp_path).stdout
    assert 'File "<string>", line 7, in stay' in told
    assert ("while True: pass  # line of the command" in told) == (sys.version_info >= (3, 13))
