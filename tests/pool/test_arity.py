"""A task function gets one argument, or none: what needs more is refused where it is declared, and nothing else is."""

import functools
import re
import subprocess
import sys

import pytest

from poolifier import FixedProcessPool, FixedThreadPool, TaskFunction, Worker


def add(left, right):
    return left + right


def scale(number, *, factor):
    return number * factor


async def add_async(left, right):
    return left + right


def count(start, stop):
    yield from range(start, stop)


class Adder:
    def add(self, left, right):
        return left + right

    def double(self, number):
        return 2 * number

    def __call__(self, left, right):
        return left + right


def passes_on(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        return function(*arguments[0], **named)

    return wrapper


REFUSED = [
    (add, "add(left, right)"),
    (scale, "scale(number, factor=)"),
    (lambda *, factor: factor, "<lambda>(factor=)"),
    (add_async, "add_async(left, right)"),
    (count, "count(start, stop)"),
    (Adder().add, "add(left, right)"),
    (Adder.add, "add(self, left, right)"),
    (Adder(), "Adder(left, right)"),
    (functools.partial(Adder.add, Adder()), "partial(left, right)"),
]

ACCEPTED = [
    (lambda: 7, None, 7),
    (lambda number, factor=2: number * factor, 4, 8),
    (lambda number, *more, factor=2, **named: (number * factor, more, named), 4, (8, (), {})),
    (lambda *numbers: numbers, 4, (4,)),
    (passes_on(add), (3, 4), 7),
    (functools.partial(add, 3), 4, 7),
    (functools.partial(add, right=3), 4, 7),
    (functools.partial(scale, factor=3), 4, 12),
    (functools.partial(functools.partial(Adder.add, Adder()), 3), 4, 7),
    (Adder().double, 4, 8),
    (functools.partial(Adder(), 3), 4, 7),
    (len, "four", 4),
    (str, 4, "4"),
    (pow, (), TypeError),
]


@pytest.mark.parametrize(("function", "named"), REFUSED, ids=lambda value: str(value)[:30])
def test_a_function_that_needs_more_is_refused(function, named):
    message = re.escape(
        "function must take one argument, which is all that a task function gets, "
        f"not {named}; put several values into a tuple"
    )
    for declare in (TaskFunction, Worker, Worker().task):
        with pytest.raises(TypeError, match=f"^{message}$"):
            declare(function)
    for worker in (function, {"named": function}):
        with pytest.raises(TypeError, match=f"^worker: {message}$"):
            FixedProcessPool(1, worker)


@pytest.mark.parametrize(("function", "data", "result"), ACCEPTED)
def test_what_may_be_called_with_one_or_none_is_accepted(run, function, data, result):
    async def main():
        async with FixedThreadPool(1, {"first": len, "function": function}) as pool:
            if isinstance(result, type):
                with pytest.raises(result):
                    await pool.execute(data, "function")
            else:
                assert await pool.execute(data, "function") == result

    run(main())


def test_one_that_is_added_later_is_refused(run):
    async def main():
        async with FixedThreadPool(1, len) as pool:
            with pytest.raises(TypeError, match=r"function must take one argument, .*, not add\(left, right\)"):
                await pool.add_task_function("add", add)
            assert not pool.has_task_function("add")

    run(main())


def test_to_find_out_imports_little():
    script = (
        "import sys, poolifier.task_functions as own\nown.Worker(lambda data: data)\nprint('inspect' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="functools.Placeholder needs Python 3.14")
def test_what_partial_keeps_a_place_free_for_is_not_given(run):
    free = functools.Placeholder

    def volume(a, b, c=3, *, d=4):
        return a, b, c, d

    class Box:
        def volume(self, a, b, c):
            return a, b, c

    class Own(functools.partial):
        """Of a class of its own, which is not merged with others."""

    needs = {
        functools.partial(Box().volume, free, 2): "a, c",
        functools.partial(Box().volume, free, free, 3): "a, b",
        functools.partial(volume, free, free, 3): "a, b",
        functools.partial(volume, free, free, 5, d=5): "a, b",
        Own(functools.partial(Box().volume, free, free, 3)): "a, b",
        functools.partial(Own(Box().volume, free, free, 3), 1): None,
    }
    for function, named in needs.items():
        if named is None:
            TaskFunction(function)
            continue
        with pytest.raises(TypeError, match=rf"not \w+\({re.escape(named)}\)"):
            TaskFunction(function)

    async def main():
        functions = {
            "first": functools.partial(volume, free, 2),
            "second": functools.partial(Box().volume, 1, free, 3),
            "twice": functools.partial(functools.partial(volume, free, free, 7), 1),
        }
        async with FixedThreadPool(1, functions) as pool:
            assert await pool.execute(10, "first") == (10, 2, 3, 4)
            assert await pool.execute(10, "second") == (1, 10, 3)
            assert await pool.execute(10, "twice") == (1, 10, 7, 4)

    run(main())
