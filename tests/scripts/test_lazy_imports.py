"""Lazy imports (PEP 810): sending a function imports nothing, and a worker imports a module once a task uses it."""

import sys
import textwrap

import pytest

from tests.scripts import scripts
from tests.scripts.runners import KINDS

pytestmark = pytest.mark.skipif(sys.version_info < (3, 15), reason="new in Python 3.15")

# A program whose threads have used a lazy import has imported it.
ALL = [*KINDS, "thread"]

USES = """
import asyncio, sys

{imports}

def at_first(x):
    return "colorsys" in sys.modules

def uses(x):
    return colorsys.rgb_to_hls(0, 0, x), "colorsys" in sys.modules

def fails(x):
    return nowhere_at_all.name

def alike(x):
    return x

async def main(kinds):
    from tests.scripts.runners import runner

    for kind in kinds:
        shared = kind == "thread"
        async with runner(kind, [at_first, uses, fails, alike]) as run:
            assert await run(alike, 1) == 1, kind
            assert await run(at_first, 1) is False, kind
            try:
                await run(fails, 1)
            except ModuleNotFoundError as error:
                assert error.name == "nowhere_at_all", (kind, error)
            else:
                raise AssertionError(kind)
            # To send what uses them has imported nothing here.
            assert "colorsys" not in sys.modules, kind
            assert await run(uses, 3) == ((2 / 3, 1.5, -3.0), True), kind
            assert ("colorsys" in sys.modules) is shared, kind
    print("done")

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
"""

WAYS = {
    "lazy import": ("lazy import colorsys\nlazy import nowhere_at_all", []),
    "a list of names": (
        '__lazy_modules__ = ["colorsys", "nowhere_at_all"]\nimport colorsys\nimport nowhere_at_all',
        [],
    ),
    "an option": ("import colorsys\nimport nowhere_at_all", ["-X", "lazy_imports=all"]),
    "at run time": (
        'sys.set_lazy_imports("all")\nimport colorsys\nimport nowhere_at_all\nsys.set_lazy_imports("normal")',
        [],
    ),
}


def check(done):
    assert done.stdout == "done\n"
    assert done.stderr == ""


@pytest.mark.parametrize("way", WAYS)
def test_of_a_script(tmp_path, way):
    imports, options = WAYS[way]
    (tmp_path / "script.py").write_text(USES.format(imports=imports))
    check(scripts.run(tmp_path / "script.py", *ALL, options=options))


@pytest.mark.parametrize("way", ["lazy import", "a list of names", "an option"])
def test_of_a_module_of_task_functions(tmp_path, way):
    """Workers import it by its name, and with that nothing else."""
    imports, options = WAYS[way]
    module, _, program = USES.format(imports=imports).partition("async def main")
    (tmp_path / "functions.py").write_text(module)
    names = "import asyncio, sys\nfrom functions import alike, at_first, fails, uses\n"
    (tmp_path / "program.py").write_text(f"{names}\nasync def main{program}")
    check(scripts.run(tmp_path / "program.py", *ALL, options=options))


WORKER = """
lazy import colorsys
lazy from decimal import Decimal
import sys

from poolifier import Worker

MISSING = sentinel("MISSING")

def first(x=None):
    return "colorsys" in sys.modules, x is MISSING

def second(x):
    return colorsys.rgb_to_hls(0, 0, x), Decimal(x)

def given(x):
    return MISSING

worker = Worker({"first": first, "second": second, "given": given})
"""

OF_A_FILE = """
import asyncio
from decimal import Decimal
from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool
import functions

async def main():
    for kind in (FixedProcessPool, FixedInterpreterPool, FixedThreadPool):
        for worker in ("functions.py", "functions"):
            async with kind(1, worker) as pool:
                if kind is not FixedThreadPool:
                    assert await pool.execute(name="first") == (False, False), (kind, worker)
                assert (await pool.execute(functions.MISSING, "first"))[1], (kind, worker)
                assert await pool.execute(3, "second") == ((2 / 3, 1.5, -3.0), Decimal(3)), (kind, worker)
                assert await pool.execute(3, "given") is functions.MISSING, (kind, worker)
    print("done")

asyncio.run(main())
"""


def test_of_a_worker_file(tmp_path):
    (tmp_path / "functions.py").write_text(WORKER)
    (tmp_path / "program.py").write_text(OF_A_FILE)
    check(scripts.run("program.py", cwd=tmp_path))


def test_all_that_the_package_does_itself(tmp_path):
    """Where every import is lazy that can be, the package's own are, of which none may come too late."""
    (tmp_path / "program.py").write_text(
        textwrap.dedent(
            """
            import asyncio, sys

            import poolifier
            import poolifier.futures
            from poolifier import FixedInterpreterPool, FixedProcessPool, FixedThreadPool, TaskTimeoutError, WorkerCrashedError

            def work(x):
                if x == "crash":
                    import os
                    os.kill(os.getpid(), 9)
                while x == "spin":
                    pass
                return x

            async def sleeps(x):
                await asyncio.sleep(0)
                return x

            def counts(n):
                yield from range(n)

            async def main():
                for kind in (FixedProcessPool, FixedInterpreterPool, FixedThreadPool):
                    functions = {"work": work, "sleeps": sleeps, "counts": counts}
                    async with kind(2, functions) as pool:
                        assert await pool.map_execute(range(100), "work") == list(range(100))
                        assert await pool.execute(3, "sleeps") == 3
                        assert [x async for x in pool.stream(5, "counts")] == [0, 1, 2, 3, 4]
                        large = bytes(1 << 20)
                        assert await pool.execute(large, "work") == large
                        try:
                            await pool.execute("spin", "work", timeout=0.2)
                        except TaskTimeoutError:
                            pass
                        else:
                            raise AssertionError(kind)
                        if kind is FixedProcessPool:
                            try:
                                await pool.execute("crash", "work")
                            except WorkerCrashedError:
                                pass
                            else:
                                raise AssertionError(kind)
                        assert await pool.execute(4, "work") == 4
                for executor in ("ProcessPoolExecutor", "ThreadPoolExecutor", "InterpreterPoolExecutor"):
                    with getattr(poolifier.futures, executor)(2) as pool:
                        assert list(pool.map(work, range(20))) == list(range(20))
                print("done")

            if __name__ == "__main__":
                assert sys.get_lazy_imports() == "all"
                asyncio.run(main())
            """
        )
    )
    done = scripts.run("program.py", cwd=tmp_path, options=["-X", "lazy_imports=all", "-W", "error"])
    assert done.stdout == "done\n"


def test_the_scripts_corpus_where_all_imports_are_lazy(tmp_path):
    """Modules, enumerations, dataclasses and what else scripts define comes as without the option."""
    for fragment in ("modules", "since_3_14", "since_3_15"):
        path = scripts.CORPUS / f"{fragment}.py"
        found = scripts.compared(
            tmp_path / path.name,
            path.read_text(),
            ["spawn", "fork_server", "interpreter", "here"],
            options=["-X", "lazy_imports=all"],
        )
        for kind in ("fork_server", "interpreter"):
            assert scripts.differences(found, kind) == [], fragment
