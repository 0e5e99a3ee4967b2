"""Calls that give the task function itself, or what declares it, in place of its name."""

import asyncio
import importlib.util
import sys
from textwrap import dedent

import pytest

from poolifier import TaskFunction, UnknownTaskFunctionError
from tests.contract import tasks

DECLARED = TaskFunction(tasks.speak, priority=-3)
FUNCTIONS = tasks.ALL | {"speak": DECLARED}

MODULE = """
    from poolifier import TaskFunction, Worker

    worker = Worker()

    @worker.task
    def double(number):
        return number * 2

    @worker.task(name="squared")
    def square(number):
        return number * number

    @worker.task
    def count(stop):
        yield from range(stop)

    def half(number):
        return number / 2

    def decoy(number):
        return "another"

    class Scale:
        def __call__(self, number):
            return number * 10

        def by(self, number):
            return number * 100

        @classmethod
        def named(cls, number):
            return cls.__name__

    scale = Scale()
    # Its name is that of a function which is registered under another one.
    worker.add_task_function("half", decoy)
    worker.add_task_function("halved", half)
    worker.add_task_function("length", TaskFunction(len, priority=4))
    worker.add_task_function("Scale", scale)
    worker.add_task_function("by", scale.by)
    worker.add_task_function("named", Scale.named)
"""


def double(number):
    return "not that of the module"


@pytest.fixture
def module(tmp_path, kind, monkeypatch):
    """The file of a worker module, imported here by a name that no worker has for it, as a script is."""
    path = tmp_path / f"functions_in_calls_{kind.name}.py"
    path.write_text(dedent(MODULE))
    name = f"here_{kind.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("nothing_left")
def test_a_function_means_its_name(run, kind):
    async def main():
        async with kind.fixed(2, FUNCTIONS) as pool:
            assert await pool.execute({"a": 1}, tasks.echo) == {"a": 1}
            assert await pool.execute(name=tasks.bare) == "bare"
            assert await pool.execute(0.001, tasks.wait) == 0.001
            assert await pool.execute([], DECLARED) == await pool.execute([], tasks.speak) == 0
            assert await (await pool.submit("submitted", tasks.echo)) == "submitted"
            assert [number async for number in pool.stream(3, tasks.count)] == [0, 1, 2]
            assert [number async for number in pool.stream(3, name=tasks.count_async)] == [0, 1, 2]
            assert await pool.map_execute(range(100), tasks.echo) == list(range(100))
            assert [number async for number in pool.map_ordered(range(100), tasks.echo)] == list(range(100))
            assert {number async for number in pool.map_unordered(range(100), name=tasks.echo)} == set(range(100))
            # What the worker is told is the name.
            assert (await pool.execute(None, tasks.tell))[1] == "tell"

    run(main())


def test_wrong_functions_are_told(run, kind):
    async def main():
        async with kind.fixed(1, FUNCTIONS) as pool:
            for call in (pool.execute, pool.stream, pool.map_ordered):
                with pytest.raises(UnknownTaskFunctionError, match=r"<function double at .*; known: 'echo', 'bare'"):
                    call([1], double)
            with pytest.raises(UnknownTaskFunctionError):
                await pool.submit(1, double)
            with pytest.raises(UnknownTaskFunctionError):
                await pool.map_execute([1], double)
            with pytest.raises(TypeError, match=r"'count' is a generator; use pool\.stream"):
                pool.execute(1, tasks.count)
            with pytest.raises(TypeError, match="'echo' is not a generator"):
                pool.stream(1, tasks.echo)
            assert pool.info.submitted_tasks == 0

    run(main())


def test_functions_that_change(run, kind):
    async def main():
        async with kind.fixed(2, {"echo": tasks.echo}) as pool:
            await pool.add_task_function("where", tasks.where)
            assert await pool.execute(1, tasks.where)
            await pool.add_task_function("where", tasks.tell)
            assert (await pool.execute(None, tasks.tell))[1] == "where"
            with pytest.raises(UnknownTaskFunctionError):
                pool.execute(1, tasks.where)
            await pool.remove_task_function("where")
            with pytest.raises(UnknownTaskFunctionError):
                pool.execute(1, tasks.tell)

    run(main())


def test_functions_that_workers_load(run, kind, module):
    async def main():
        async with kind.fixed(1, module.__file__) as pool:
            assert await pool.execute(4, module.double) == 8
            # Also under another name, and where another function has its own.
            assert await pool.execute(4, module.square) == 16
            assert await pool.execute(4, module.half) == 2
            assert await pool.execute(4, "half") == await pool.execute(4, module.decoy) == "another"
            assert await pool.execute("text", len) == 4
            assert await pool.execute(1, module.Scale.named) == "Scale"
            assert [number async for number in pool.stream(3, module.count)] == [0, 1, 2]
            assert await pool.map_execute(range(100), module.square) == [number**2 for number in range(100)]
            # One of the same name is another function; of an object nobody can tell whether it is the same.
            for other in (double, module.scale, module.scale.by, module.Scale.by, module.Scale, lambda number: number):
                with pytest.raises(UnknownTaskFunctionError, match="known: 'double', 'squared'"):
                    pool.execute(4, other)
            await pool.add_task_function("double", double)
            assert await pool.execute(4, double) == "not that of the module"
            with pytest.raises(UnknownTaskFunctionError):
                pool.execute(4, module.double)

    run(main())


def test_functions_before_the_first_worker_has_loaded_them(run, kind, module):
    async def main():
        async with kind.dynamic(0, 2, module.__file__) as pool:
            calls = [
                pool.execute(4, module.square),
                pool.execute(4, module.half),
                pool.execute(4, "half"),
                pool.execute(4, double),
                *(pool.execute(4, module.double) for _ in range(10)),
            ]
            items = pool.map_ordered(range(1000), module.square, chunksize=7)
            assert [number async for number in items] == [number**2 for number in range(1000)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(results.pop(3), UnknownTaskFunctionError)
            assert results == [16, 2, "another", *[8] * 10]
            # None of it takes anything away from the functions when others come and go.
            await pool.add_task_function("more", tasks.echo)
            await pool.remove_task_function("squared")
            assert await pool.execute(4, module.double) == await pool.execute(4, "double") == 8

    run(main())
