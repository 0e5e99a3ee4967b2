"""Errors of task functions arrive as themselves; the worker lives."""

import asyncio
import subprocess
import sys

import pytest

from poolifier import FixedProcessPool, FixedThreadPool, RemoteError, SerializationError, WorkerStartError
from tests.contract import odd_errors


class Custom(Exception):
    def __init__(self, code, *, hint):
        super().__init__(f"code {code}")
        self.code = code
        self.hint = hint


def raise_plain(text):
    raise ValueError(text, 3)


def raise_custom(code):
    raise Custom(code, hint="look left")


def raise_noted(text):
    error = KeyError(text)
    error.add_note("seen at dawn")
    raise error


def raise_from(text):
    try:
        raise OSError(2, "no such thing", text)
    except OSError as error:
        raise RuntimeError("could not") from error


def raise_while_handling(text):
    try:
        raise LookupError(text)
    except LookupError:
        raise TypeError("worse")  # noqa: B904 - the implicit context is what is tested


def raise_group(text):
    raise ExceptionGroup(text, [ValueError(1), ExceptionGroup("inner", [Custom(2, hint="up")])])


def raise_unpicklable(_):
    class Local(Exception):
        def __reduce__(self):
            raise TypeError("not me")

    raise Local("only here")


def raise_base(name):
    raise {
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt("now"),
        "stop": StopIteration(5),
        "close": GeneratorExit(5),
    }[name]


async def raise_async(name):
    await asyncio.sleep(0)
    raise_base(name)


def unpicklable_result(_):
    return (n for n in ())


FUNCTIONS = [
    raise_plain,
    raise_custom,
    raise_noted,
    raise_from,
    raise_while_handling,
    raise_group,
    raise_unpicklable,
    raise_base,
    unpicklable_result,
    len,
]


def remote_traceback(error):
    """The text at the end of the chain of causes."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


@pytest.fixture(scope="module")
def call():
    """Calls a function on one pool that all tests of this module share, and returns what it raised."""
    with asyncio.Runner() as runner:
        pool = FixedProcessPool(1, {function.__name__: function for function in FUNCTIONS})
        runner.run(pool.start())
        pid = pool.worker_nodes[0].pid

        def call_function(function, data):
            async def wait():
                with pytest.raises(BaseException) as caught:
                    await pool.execute(data, function.__name__)
                assert await pool.execute("alive", "len") == 5
                assert pool.worker_nodes[0].pid == pid, "the worker did not survive"
                return caught.value

            return runner.run(asyncio.wait_for(wait(), 120))

        yield call_function
        runner.run(pool.destroy())


def test_type_and_arguments(call):
    error = call(raise_plain, "bad")
    assert type(error) is ValueError
    assert error.args == ("bad", 3)
    assert "in raise_plain" in str(error.__cause__)


def test_a_signature_of_its_own(call):
    error = call(raise_custom, 7)
    assert type(error) is Custom
    assert (error.code, error.hint, str(error)) == (7, "look left", "code 7")


def test_notes(call):
    error = call(raise_noted, "key")
    assert type(error) is KeyError
    assert error.__notes__ == ["seen at dawn"]


def test_cause(call):
    error = call(raise_from, "path")
    assert type(error) is RuntimeError
    assert type(error.__cause__) is FileNotFoundError
    assert error.__cause__.filename == "path"
    assert "in raise_from" in remote_traceback(error)


def test_context(call):
    error = call(raise_while_handling, "key")
    assert type(error) is TypeError
    assert type(error.__context__) is LookupError


def test_group(call):
    error = call(raise_group, "several")
    assert type(error) is ExceptionGroup
    assert error.message == "several"
    values, inner = error.exceptions
    assert values.args == (1,)
    assert inner.exceptions[0].hint == "up"


def test_what_cannot_be_pickled_arrives_as_remote_error(call):
    error = call(raise_unpicklable, 1)
    assert type(error) is RemoteError
    assert error.type_name.endswith("Local")
    assert error.message == "only here"
    assert "in raise_unpicklable" in error.traceback


@pytest.mark.parametrize("pool_class", [FixedProcessPool, FixedThreadPool])
def test_an_exit_ends_no_worker(run, pool_class):
    async def main():
        async with pool_class(1, {"leave": sys.exit, "len": len}) as pool:
            [before] = pool.worker_nodes
            with pytest.raises(SystemExit) as caught:
                await pool.execute(3, "leave")
            assert caught.value.code == 3
            assert await pool.execute("alive", "len") == 5
            [after] = pool.worker_nodes
            assert after.id == before.id

    run(main())


@pytest.mark.parametrize("pool_class", ["FixedProcessPool", "FixedThreadPool"])
def test_an_exit_that_is_not_caught_ends_the_program(pool_class):
    script = (
        f"import asyncio, sys\nfrom poolifier import {pool_class}\nasync def main():\n"
        f"    async with {pool_class}(1, sys.exit) as pool:\n        await pool.execute(4)\nasyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (4, "", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("exit", SystemExit), ("interrupt", KeyboardInterrupt), ("stop", RuntimeError), ("close", RuntimeError)],
)
def test_base_exceptions_are_task_errors(run, name, expected):
    async def main():
        for function in (raise_base, raise_async):
            async with FixedProcessPool(1, {"raise": function, "len": len}) as pool:
                future = pool.execute(name, "raise")
                await asyncio.wait([future])
                error = future.exception()
                assert isinstance(error, expected)
                if name == "exit":
                    assert error.code == 3
                assert await pool.execute("alive", "len") == 5
                assert pool.info.failed_tasks == 1

    run(main())


def test_data_that_cannot_be_pickled_fails_that_task_alone(run):
    async def main():
        async with FixedProcessPool(1, {"echo": lambda data: data}) as pool:
            before, bad, after = pool.execute(1), pool.execute(n for n in ()), pool.execute(2)
            assert await before == 1
            assert await after == 2
            with pytest.raises(SerializationError, match="generator") as caught:
                await bad
            assert "echo" in str(caught.value)

    run(main())


def test_a_result_that_cannot_be_pickled_fails_that_task_alone(call):
    error = call(unpicklable_result, 1)
    assert type(error) is SerializationError
    assert "unpicklable_result" in str(error)
    assert "generator" in str(error)


class Trap:
    """Raises when it is unpickled."""

    def __reduce__(self):
        return (int, ("not a number",))


def make_trap(_):
    return Trap()


def test_data_that_cannot_be_unpickled_fails_that_task_alone(run):
    async def main():
        async with FixedProcessPool(1, {"str": str, "trap": make_trap}) as pool:
            before, bad, after = pool.execute(1), pool.execute(Trap()), pool.execute(2)
            assert (await before, await after) == ("1", "2")
            with pytest.raises((SerializationError, ValueError)):
                await bad
            with pytest.raises((SerializationError, ValueError)):
                await pool.execute(1, "trap")
            assert await pool.execute(3) == "3"

    run(main())


def test_tasks_that_are_given_one_object_do_not_share_it(run):
    def append(numbers):
        numbers.append(len(numbers))
        return numbers

    async def main():
        shared = []
        async with FixedProcessPool(1, append) as pool:
            assert await asyncio.gather(*(pool.execute(shared) for _ in range(20))) == [[0]] * 20
            assert shared == []

    run(main())


@pytest.mark.parametrize("between", [1, object, bytes(1 << 20)], ids=["inline", "pickled", "in shared memory"])
def test_nor_do_they_where_others_go_with_them(run, between):
    def count(data):
        if isinstance(data, dict):
            data["seen"] += 1
            return data["seen"]
        return None

    async def main():
        shared = {"seen": 0}
        async with FixedProcessPool(1, count) as pool:
            for _ in range(3):
                given = [shared, between] * 10
                assert await asyncio.gather(*map(pool.execute, given)) == [1, None] * 10
            assert shared == {"seen": 0}

    run(main())


def test_start_raises_the_error_of_the_worker_module(run, tmp_path):
    module = tmp_path / "broken_worker.py"
    module.write_text("def build():\n    raise ZeroDivisionError('no wheels')\nworker = build()\n")

    async def main():
        with pytest.raises(ZeroDivisionError, match="no wheels") as caught:
            async with FixedProcessPool(2, module):
                pytest.fail("started")
        assert "broken_worker.py" in remote_traceback(caught.value)
        assert "in build" in remote_traceback(caught.value)

    run(main())


def test_start_raises_for_a_module_without_task_functions(run, tmp_path):
    module = tmp_path / "empty_worker.py"
    module.write_text("x = 1\n")

    async def main():
        with pytest.raises(ValueError, match=r"empty_worker.*worker"):
            async with FixedProcessPool(1, module):
                pytest.fail("started")
        with pytest.raises(ModuleNotFoundError):
            async with FixedProcessPool(1, "no.such.module"):
                pytest.fail("started")

    run(main())


def test_start_raises_for_a_worker_that_ends_at_start(run, tmp_path):
    module = tmp_path / "leaving_worker.py"
    module.write_text("import os\nos.write(2, b'farewell\\n')\nos._exit(4)\n")

    async def main():
        with pytest.raises(WorkerStartError, match="exited with code 4") as caught:
            async with FixedProcessPool(1, module):
                pytest.fail("started")
        assert caught.value.exit_code == 4
        assert caught.value.stderr == "farewell"

    run(main())


def test_start_raises_for_affinities_that_do_not_fit(run, tmp_path):
    module = tmp_path / "bound_worker.py"
    module.write_text("from poolifier import TaskFunction\nworker = TaskFunction(len, worker_nodes=[2])\n")

    async def main():
        with pytest.raises(ValueError, match="worker_nodes of task function 'len' must be slots from 0 to 1, not 2"):
            async with FixedProcessPool(2, module):
                pytest.fail("started")

    run(main())


def test_start_raises_the_error_of_the_initializer(run):
    def initialize(number):
        raise LookupError(number)

    async def main():
        with pytest.raises(LookupError, match="7"):
            async with FixedProcessPool(1, len, initializer=initialize, initargs=(7,)):
                pytest.fail("started")

    run(main())


@pytest.mark.parametrize("pool_class", [FixedProcessPool, FixedThreadPool])
@pytest.mark.parametrize("odd", ["frozen", "falsy", "bool_raises", "getattribute_raises", "str_raises", "cause_raises"])
def test_start_raises_an_odd_error_of_the_initializer(run, pool_class, odd):
    async def main():
        raised = None
        try:
            async with pool_class(1, len, initializer=odd_errors.raise_odd, initargs=(odd,)):
                pass
        except Exception as error:
            raised = type(error)
        assert raised is type(odd_errors.ODD[odd]())

    run(main())
