"""Task functions that mypyc has compiled: plain, async and generators, of a module and of a script's own."""

import subprocess
import sys

import pytest

from tests.scripts import scripts

COMPILED = """
from typing import Any, AsyncIterator, Iterator


def plain(x: int) -> int:
    return x * 2


async def later(x: int) -> int:
    import asyncio

    await asyncio.sleep(0)
    return x * 3


def numbers(x: int) -> Iterator[int]:
    for i in range(x):
        yield i


def with_default(x: int = 4) -> int:
    return x


def fails(x: int) -> int:
    raise ValueError(x)


class Native:
    def __init__(self, x: int) -> None:
        self.x = x

    def method(self, y: int) -> int:
        return self.x + y

    async def amethod(self, y: int) -> int:
        return self.x * y

    def __call__(self, y: int) -> int:
        return self.x - y

    def some(self, y: int) -> Iterator[int]:
        yield self.x
        yield y

    def __reduce__(self) -> Any:
        return Native, (self.x,)


def closure(x: int) -> Any:
    def inner(y: int) -> int:
        return x + y

    return inner
"""

PROGRAM = """
import asyncio, sys
import compiled_tasks
from compiled_tasks import Native, fails, later, numbers, plain, with_default
from tests.scripts.comparison import EXECUTORS, executor, pool_of

assert compiled_tasks.__file__.endswith(".so")


def uses_compiled(x):
    return plain(x), Native(x).method(1), list(numbers(x)), with_default()


async def main(kinds):
    native = Native(10)
    functions = {
        "plain": plain, "later": later, "numbers": numbers, "method": native.method, "amethod": native.amethod,
        "callable": native, "some": native.some, "uses": uses_compiled, "fails": fails, "with_default": with_default,
    }
    for kind in kinds:
        if kind in EXECUTORS:
            with executor(kind, None, ()) as workers:
                seen = [workers.submit(function, 3).result() for function in (plain, native.method, native, uses_compiled)]
                assert seen == [6, 13, 7, (6, 4, [0, 1, 2], 4)], (kind, seen)
            continue
        async with pool_of(kind, functions, None, ()) as pool:
            seen = {}
            for name in ("plain", "later", "method", "amethod", "callable", "uses", "with_default"):
                try:
                    seen[name] = await pool.execute(3, name)
                except Exception as error:
                    seen[name] = repr(error)
            seen["none"] = await pool.execute(name="with_default")
            try:
                seen["numbers"] = [number async for number in pool.stream(3, "numbers")]
            except Exception as error:
                seen["numbers"] = repr(error)
            seen["some"] = [number async for number in pool.stream(3, "some")]
            try:
                await pool.execute(3, "fails")
            except ValueError as error:
                assert "compiled_tasks.py" in str(error.__cause__) or kind == "thread", (kind, error.__cause__)
            wanted = {
                "plain": 6, "later": 9, "method": 13, "amethod": 30, "callable": 7, "uses": (6, 4, [0, 1, 2], 4),
                "with_default": 3, "none": 4, "numbers": [0, 1, 2], "some": [10, 3],
            }
            assert seen == wanted, (kind, {name: seen[name] for name in seen if seen[name] != wanted[name]})
    print("done")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
"""

SETUP = """
from mypyc.build import mypycify
from setuptools import setup

setup(name="compiled_tasks", ext_modules=mypycify(["compiled_tasks.py"], opt_level="0"))
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("compiled")
    (directory / "compiled_tasks.py").write_text(COMPILED)
    (directory / "setup.py").write_text(SETUP)
    (directory / "script.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(directory.glob("compiled_tasks*.so")), done.stdout + done.stderr
    return directory


@pytest.mark.parametrize("kind", ["fork_server", "process-spawn", "thread", "futures"])
def test_compiled_functions(directory, kind):
    assert scripts.run("script.py", kind, cwd=directory).stdout == "done\n"
