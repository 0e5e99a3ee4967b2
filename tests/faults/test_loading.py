"""A module that runs a pool when it is imported ends with an error, not in workers without end."""

import asyncio
import os
import sys

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool, UnsupportedError
from tests.faults.programs import run_program

MODULE = """
import asyncio, os
import poolifier

with open({log!r}, "a") as log:
    log.write("imported\\n")

def work(x):
    return -x

class Thing:
    def __init__(self, value):
        self.value = value

{body}
"""

POOL = """
async def main():
    async with poolifier.{kind}(1, {worker}{options}) as pool:
        return await pool.execute(1)

asyncio.run(main())
"""

EXECUTOR = """
from poolifier.futures import {kind}

with {kind}(1) as executor:
    executor.submit({call}).result()
"""

IMPORT = """
import sys
sys.path.insert(0, {directory!r})
try:
    import runs_a_pool
except BaseException as error:
    say(type(error).__name__)
    say(" ".join(str(error).split()))
    cause = error
    while cause is not None:
        say("still importing" in str(cause))
        cause = cause.__cause__
else:
    say("imported")
"""

INTERPRETERS = pytest.mark.skipif(sys.version_info < (3, 13), reason="there are no interpreters before 3.13")


def imports(tmp_path, body):
    """Imports such a module; returns what the program said, and how often the module was imported."""
    log = tmp_path / "log"
    (tmp_path / "runs_a_pool.py").write_text(MODULE.format(log=str(log), body=body))
    program = run_program(tmp_path, IMPORT.format(directory=str(tmp_path)))
    assert program.code == 0, program
    return program, log.read_text().count("imported")


@pytest.mark.parametrize(
    ("kind", "worker", "options"),
    [
        ("FixedProcessPool", "work", ""),
        ("FixedProcessPool", "work", ", start_method='spawn'"),
        ("FixedProcessPool", "work", ", preload=True"),
        ("FixedProcessPool", "'runs_a_pool:work'", ""),
        ("FixedProcessPool", "__file__ + ':work'", ""),
        ("FixedProcessPool", "__file__ + ':work'", ", preload=True"),
        ("FixedProcessPool", "abs", ", initializer=work, initargs=(1,)"),
        pytest.param("FixedInterpreterPool", "work", "", marks=INTERPRETERS),
    ],
)
def test_a_worker_that_imports_it_starts_no_workers(tmp_path, kind, worker, options):
    program, times = imports(tmp_path, POOL.format(kind=kind, worker=worker, options=options))
    assert program.said[0] == "RuntimeError", program
    assert "if __name__ == '__main__':" in program.said[1]
    # In the program, in its worker, and with `preload` in the fork server before.
    assert times == (3 if "preload" in options else 2)


@pytest.mark.parametrize("call", ["work, 1", "id, Thing(1)"])
@pytest.mark.parametrize("kind", ["ProcessPoolExecutor", pytest.param("InterpreterPoolExecutor", marks=INTERPRETERS)])
def test_nor_does_one_that_imports_it_for_a_call(tmp_path, kind, call):
    program, times = imports(tmp_path, EXECUTOR.format(kind=kind, call=call))
    assert "True" in program.said[2:], program
    assert times == 2


def test_nor_for_the_data_of_a_task(tmp_path):
    body = POOL.format(kind="FixedProcessPool", worker="id", options="").replace("execute(1)", "execute(Thing(1))")
    program, times = imports(tmp_path, body)
    assert "still importing" in " ".join(program.said), program
    assert times == 2


def test_threads_import_nothing_anew(tmp_path):
    program, times = imports(tmp_path, POOL.format(kind="FixedThreadPool", worker="work", options=""))
    assert program.said == ["imported"]
    assert times == 1


# ---- what may start pools ---------------------------------------------------------------------------


def use_a_pool(x):
    async def main():
        async with FixedProcessPool(1, abs) as pool:
            return await pool.execute(x)

    return asyncio.run(main())


def use_an_executor(x):
    from poolifier.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as executor:
        return executor.submit(abs, x).result()


kept = []


def keep_a_pool():
    kept.append(use_a_pool(-5))


def tell(_):
    return kept


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("options", [{}, {"start_method": "spawn"}, {"preload": True}])
def test_tasks_and_initializers_may_have_pools_of_their_own(endure, options):
    functions = {"pool": use_a_pool, "executor": use_an_executor, "tell": tell}

    async def main(guard):
        async with FixedProcessPool(1, functions, initializer=keep_a_pool, **options) as pool:
            names = [pool.execute(-1, "pool"), pool.execute(-2, "executor"), pool.execute(0, "tell")]
            assert await guard.outcomes(names) == [1, 2, [5]]

    endure(main)


@pytest.mark.usefixtures("no_leaks")
def test_tasks_of_interpreters_and_threads_may(endure):
    async def main(guard):
        async with FixedThreadPool(1, use_a_pool) as pool:
            assert await guard.outcomes([pool.execute(-1)]) == [1]
        try:
            interpreters = FixedInterpreterPool(1, use_a_pool)
        except UnsupportedError:
            return
        async with interpreters as pool:
            assert await guard.outcomes([pool.execute(-1)]) == [1]

    endure(main)


def import_in_a_task(directory):
    sys.path.insert(0, os.fspath(directory))
    import runs_a_pool_of_others

    return runs_a_pool_of_others.result


@pytest.mark.usefixtures("no_leaks")
def test_a_module_that_a_task_imports_may_use_a_pool_that_does_not_need_it(endure, tmp_path):
    (tmp_path / "runs_a_pool_of_others.py").write_text(
        "from poolifier.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(1) as executor:\n    result = executor.submit(abs, -3).result()\n"
    )

    async def main(guard):
        async with FixedProcessPool(1, import_in_a_task) as pool:
            assert await guard.outcomes([pool.execute(tmp_path)]) == [3]

    endure(main)
