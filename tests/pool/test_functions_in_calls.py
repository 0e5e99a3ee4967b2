"""Which task function a call means that gives a function in place of a name, and what a pool keeps of it."""

import gc
import pickle
import sys
import types
import weakref
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import get_type_hints

import pytest

from poolifier import (
    DynamicThreadPool,
    FixedProcessPool,
    FixedThreadPool,
    Pool,
    TaskFunction,
    UnknownTaskFunctionError,
    Worker,
    current_task,
)
from poolifier.pool.call_keywords import ExecuteKeywords, MapKeywords, StreamKeywords


def name(_=None):
    return current_task().name


def other(_=None):
    return current_task().name


@dataclass
class Scale:
    """Cannot be hashed, for it can be equal to others and can change."""

    factor: int

    def __call__(self, number):
        return number * self.factor

    def by(self, number):
        return number * self.factor


@dataclass(unsafe_hash=True)
class Changing:
    """Its hash changes with it."""

    factor: int

    def __call__(self, number):
        return number * self.factor


class Hostile:
    """Is equal to everything, a string included."""

    def __init__(self, like):
        self.like = like

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash(self.like)


def test_of_several_names_the_default_one_and_then_the_first(run):
    async def main():
        functions = {"first": other, "second": name, "third": TaskFunction(name, priority=5), "fourth": name}
        async with FixedThreadPool(1, functions) as pool:
            assert await pool.execute(name=name) == "second"
            assert await pool.execute(name=functions["third"]) == "third"
            # Equal, too.
            assert await pool.execute(name=TaskFunction(name, priority=5)) == "third"
            assert await pool.execute(name=TaskFunction(name)) == "second"
            with pytest.raises(UnknownTaskFunctionError, match="priority=6"):
                pool.execute(name=TaskFunction(name, priority=6))
            await pool.set_default_task_function("fourth")
            assert await pool.execute(name=name) == "fourth"
            assert await pool.execute(name=other) == "first"
            await pool.set_default_task_function("first")
            await pool.remove_task_function("second")
            assert await pool.execute(name=name) == "third"

    run(main())


def test_the_priority_is_that_of_the_name(run):
    async def main():
        worker = Worker({"name": name})

        @worker.task(name="urgent", priority=-7)
        def other(_):
            return current_task().name

        async with FixedThreadPool(1, worker) as pool:
            future = pool.execute(1, other)
            assert future._task.priority == -7
            assert await future == "urgent"

    run(main())


@pytest.mark.parametrize("make", [Scale, Changing], ids=["no hash", "a hash that changes"])
def test_callables_are_found_by_identity_first(run, make):
    async def main():
        double, triple, again = make(2), make(3), make(3)
        async with FixedThreadPool(1, {"double": double, "triple": triple, "again": again}) as pool:
            for _ in range(3):
                assert [await pool.execute(4, each) for each in (double, triple, again)] == [8, 12, 12]
            # What is equal does the same.
            assert await pool.execute(5, make(2)) == 10
            assert await pool.map_execute([1, 2], make(3)) == [3, 6]
            again.factor = 7
            assert await pool.execute(4, again) == 28
            with pytest.raises(UnknownTaskFunctionError, match=r"\(factor=5\); known: 'double', 'triple', 'again'"):
                pool.execute(4, make(5))

    run(main())


def test_bound_methods_are_equal_where_their_objects_are_the_same(run):
    async def main():
        scale, twin = Scale(3), Scale(3)
        async with FixedThreadPool(1, {"by": scale.by}) as pool:
            for _ in range(3):
                assert await pool.execute(2, scale.by) == 6
            for wrong in (twin.by, Scale.by, scale):
                with pytest.raises(UnknownTaskFunctionError):
                    pool.execute(2, wrong)

    run(main())


def test_what_is_neither_name_nor_function_is_refused(run):
    async def main():
        async with FixedThreadPool(1, {"name": name}) as pool:
            assert await pool.execute(1, "name") == "name"
            for wrong in (3, [1], b"name", Hostile("name"), ("name",)):
                for call in (pool.execute, pool.stream, pool.map_ordered):
                    with pytest.raises(TypeError, match="name must be a string, a task function or None, not "):
                        call([1], wrong)

    run(main())


def test_a_name_that_is_callable_is_a_name(run):
    class Name(str):
        __slots__ = ()

        def __call__(self, _):
            return "not this"

    async def main():
        async with FixedThreadPool(1, {"name": name}) as pool:
            assert await pool.execute(1, Name("name")) == "name"

    run(main())


def test_functions_that_are_replaced_and_removed_are_no_longer_known(run):
    async def main():
        async with FixedThreadPool(1, {"keep": print, "one": name}) as pool:
            assert await pool.execute(name=name) == "one"
            declared = TaskFunction(other, priority=2)
            await pool.add_task_function("one", declared)
            assert await pool.execute(name=other) == await pool.execute(name=declared) == "one"
            with pytest.raises(UnknownTaskFunctionError):
                pool.execute(name=name)
            await pool.add_task_function("two", name)
            assert await pool.execute(name=name) == "two"
            await pool.remove_task_function("one")
            for gone in (other, declared):
                with pytest.raises(UnknownTaskFunctionError, match="known: 'keep', 'two'"):
                    pool.execute(name=gone)

    run(main())


def test_a_worker_that_gets_functions_before_the_pool_starts(run):
    async def main():
        worker = Worker(name)
        pool = DynamicThreadPool(0, 1, worker)
        worker.add_task_function("late", other)
        async with pool:
            assert await pool.execute(name=other) == "late"

    run(main())


def test_nothing_is_kept_that_the_pool_does_not_know(run):
    async def main():
        known = lambda _: 1  # noqa: E731
        unknown = lambda _: 2  # noqa: E731
        scale, equal = Scale(3), Scale(3)
        references = [weakref.ref(each) for each in (known, unknown, equal)]
        async with FixedThreadPool(1, {"scale": scale}) as pool:
            with pytest.raises(UnknownTaskFunctionError):
                pool.execute(1, unknown)
            assert await pool.execute(1, equal) == 3
            await pool.add_task_function("known", known)
            assert await pool.execute(1, known) == 1
            del unknown, equal
            gc.collect()
            assert [reference() is None for reference in references] == [False, True, True]
            await pool.remove_task_function("known")
            del known
            # The worker is told of it with the next task.
            assert await pool.execute(1, scale) == 3
            gc.collect()
            assert references[0]() is None

    run(main())


def test_of_a_module_that_is_loaded_again_the_last_functions_are_kept(run, tmp_path, monkeypatch):
    path = tmp_path / "reloaded_tasks.py"
    path.write_text("def worker(number):\n    return number * 2\n")

    async def main():
        references = []
        monkeypatch.setitem(sys.modules, "reloaded_here", None)
        async with FixedProcessPool(1, str(path)) as pool:
            for _ in range(5):
                module = sys.modules["reloaded_here"] = types.ModuleType("reloaded_here")
                module.__file__ = str(path)
                exec(path.read_text(), module.__dict__)
                assert await pool.execute(4, module.worker) == await pool.execute(4, module.worker) == 8
                references.append(weakref.ref(module.worker))
            del module
            gc.collect()
            assert [reference() is None for reference in references] == [True] * 4 + [False]

    run(main())


def test_the_error_travels(run):
    error = UnknownTaskFunctionError("name", ["one"], "<function name>")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "unknown task function <function name>; known: 'one'"
    assert pickle.loads(pickle.dumps(error)).__dict__ == error.__dict__


def test_a_function_that_was_defined_again_is_another_one(run):
    """As a cell of a notebook is run again: what is in the pool is what it was given."""

    def function(_):
        return "before"

    before = function

    def function(_):
        return "after"

    async def main():
        async with FixedThreadPool(1, before) as pool:
            message = "known: 'function', which is another function of that name: add_task_function puts this"
            with pytest.raises(UnknownTaskFunctionError, match=message):
                pool.execute(1, function)
            await pool.add_task_function("function", function)
            assert await pool.execute(1, function) == "after"

    run(main())


@pytest.mark.parametrize(
    ("method", "keywords"),
    [
        (Pool.execute, ExecuteKeywords),
        (Pool.submit, ExecuteKeywords),
        (Pool.stream, StreamKeywords),
        (Pool.map_execute, MapKeywords),
        (Pool.map_ordered, MapKeywords),
        (Pool.map_unordered, MapKeywords),
    ],
)
def test_options_are_declared_as_they_are_taken(method, keywords):
    """By name and by type, for type checkers."""
    taken = {key for key, each in signature(method).parameters.items() if each.kind is Parameter.KEYWORD_ONLY}
    hints = get_type_hints(method)

    assert {key: hints[key] for key in taken} == get_type_hints(keywords)
