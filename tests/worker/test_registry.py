import functools
import time

import pytest

from poolifier.errors import UnknownTaskFunctionError
from poolifier.task_functions import Worker
from poolifier.worker.registry import NEVER_RUN, Entry, Registry


@pytest.mark.parametrize(
    ("function", "bare"),
    [
        (lambda: 1, True),
        (lambda x: x, False),
        (lambda x=1: x, True),
        (lambda *args: args, True),
        (lambda *, key: key, False),
        (functools.partial(lambda x: x, 1), True),
        (len, False),
        (time.perf_counter, True),
        (dict, True),
    ],
)
def test_whether_a_function_can_be_called_without_data(function, bare):
    assert Entry("name", function).bare is bare


def test_the_default_is_one_of_the_names():
    registry = Registry(Worker({"a": len, "b": max}))
    assert registry.entries["default"] is registry.entries["a"]
    assert registry.entries["a"].mean == NEVER_RUN
    assert [p.name for p in registry.properties()] == ["a", "b"]
    assert not registry.has_async


def test_an_unknown_name_lists_the_known():
    error = Registry(Worker({"a": len})).unknown("x")
    assert isinstance(error, UnknownTaskFunctionError)
    assert (error.name, error.known) == ("x", ("a",))


def test_kinds():
    async def one():
        pass

    async def many():
        yield

    assert Registry(Worker({"a": len, "b": one})).has_async
    assert Registry(Worker({"a": many})).has_async
    assert not Registry(Worker({"a": lambda: (yield)})).has_async
