"""`-X thread_inherit_context` and `-X context_aware_warnings`: whose context, and whose filters, a task finds."""

import subprocess
import sys

import pytest

NEW = pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")

CONTEXTS = """
import asyncio, contextvars, sys
from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool
from poolifier.futures import ThreadPoolExecutor

variable = contextvars.ContextVar("variable", default="unset")
seen = []

def look():
    seen.append(variable.get())

def plain(_=None):
    return variable.get()

async def asynchronous(_=None):
    return variable.get()

def generating(_=None):
    yield variable.get()

def of_the_initializer(_=None):
    return seen

async def everything(pool):
    return [
        await pool.execute(name="plain"),
        await pool.execute(name="asynchronous"),
        [each async for each in pool.stream(name="generating")],
        await pool.map_execute([1, 2], "plain"),
        await pool.execute(name="of_the_initializer"),
    ]

async def main(inherits):
    functions = {each.__name__: each for each in (plain, asynchronous, generating, of_the_initializer)}
    kinds = [FixedThreadPool, FixedProcessPool]
    if sys.version_info >= (3, 14):
        kinds.append(FixedInterpreterPool)
    for kind in kinds:
        seen.clear()
        variable.set("at the start")
        async with kind(1, functions, initializer=look) as pool:
            variable.set("at the call")
            found = await everything(pool)
            if kind is FixedThreadPool:
                call, start = "at the call", "at the start" if inherits else "unset"
            else:
                call = start = "unset"
            assert found == [call, call, [call], [call, call], [start]], (kind, found)
    seen.clear()
    variable.set("at the call")
    with ThreadPoolExecutor(1, initializer=look) as executor:
        assert await asyncio.wrap_future(executor.submit(plain)) == "at the call"
        variable.set("later")
        assert await asyncio.wrap_future(executor.submit(plain)) == "later"
    assert seen == ["at the call" if inherits else "unset"], seen
    print("done")

asyncio.run(main(sys.argv[1:] == ["inherits"]))
"""

WARNINGS = """
import asyncio, sys, threading, warnings
from poolifier import FixedInterpreterPool, FixedThreadPool

entered = threading.Semaphore(0)
both = threading.Event()

def records(name):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        entered.release()
        assert both.wait(60)
        for _ in range(3):
            warnings.warn(f"of {name}")
    return [str(each.message) for each in found]

def warns(_=None):
    warnings.warn("of a task")
    return "no error"

async def strict(pool):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return await pool.execute(name="warns")
        except UserWarning as error:
            return repr(error)

async def main():
    before = list(warnings.filters)
    async with FixedThreadPool(3, {"records": records, "warns": warns}) as pool:
        running = [pool.execute(name, "records") for name in "ab"]
        for _ in running:
            assert await asyncio.to_thread(entered.acquire, timeout=60)
        # Whoever calls meanwhile has filters of his own, and a task of threads runs under them.
        assert await strict(pool) == "UserWarning('of a task')"
        both.set()
        assert await asyncio.gather(*running) == [["of a"] * 3, ["of b"] * 3]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert await pool.execute(name="warns") == "no error"
    assert warnings.filters == before
    async with FixedInterpreterPool(1, {"warns": warns}) as pool:
        # Those of an interpreter are its own.
        assert await strict(pool) == "no error"
    print("done")

asyncio.run(main())
"""


def run(tmp_path, source, *options, arguments=()):
    (tmp_path / "program.py").write_text(source)
    done = subprocess.run(
        [sys.executable, *options, "program.py", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    return done


def test_tasks_of_threads_run_in_their_callers_context(tmp_path):
    """And an initializer of theirs in an empty one."""
    run(tmp_path, CONTEXTS, *(["-X", "thread_inherit_context=0"] if sys.version_info >= (3, 14) else []))


@NEW
def test_so_they_do_where_threads_inherit_contexts(tmp_path):
    """An initializer finds that of whoever starts the worker."""
    run(tmp_path, CONTEXTS, "-X", "thread_inherit_context=1", arguments=["inherits"])


@NEW
@pytest.mark.parametrize("inherits", ["0", "1"])
def test_filters_of_warnings_are_those_of_the_context(tmp_path, inherits):
    """Tasks on threads that catch warnings at the same time do not see each other's."""
    run(tmp_path, WARNINGS, "-X", "context_aware_warnings=1", "-X", f"thread_inherit_context={inherits}")
