"""Calls through every executor: what goes in, what comes out, and what is dropped."""

import asyncio
import contextvars
import functools
import gc
import inspect
import operator
import sys
import threading
import time
import traceback
from concurrent import futures as futures_of_python
from concurrent.futures import CancelledError, Future, as_completed, wait

import pytest

from poolifier.futures import ProcessPoolExecutor, ThreadPoolExecutor
from tests.futures import calls


def test_arguments_and_keywords_reach_the_function(executor):
    assert executor.submit(pow, 2, 8).result() == 256
    assert executor.submit(calls.with_keywords, 1, 2, self=3, fn=4).result() == (1, (2,), {"self": 3, "fn": 4})
    assert executor.submit(calls.with_keywords, [1], {"a": [2]}).result() == ([1], ({"a": [2]},), {})
    assert executor.submit(calls.with_keywords, *range(20)).result() == (0, tuple(range(1, 20)), {})
    assert executor.submit(len, b"x" * 200_000).result() == 200_000
    assert executor.submit(dict, a=1).result() == {"a": 1}


def test_functions_of_every_sort_are_called(executor):
    number = 5
    assert executor.submit(lambda value: value + number, 1).result() == 6
    assert executor.submit(functools.partial(pow, 2), 5).result() == 32
    assert executor.submit("a-b".split, "-").result() == ["a", "b"]
    assert executor.submit(operator.attrgetter("real"), 3).result() == 3
    assert executor.submit(calls.Counter().add).result() == 1
    assert executor.submit(str, 3).result() == "3"


def test_an_object_travels_anew_with_each_call():
    counter = calls.Counter()
    with ProcessPoolExecutor(1) as executor:
        assert [executor.submit(counter.add).result() for _ in range(3)] == [1, 1, 1]
        counter.count = 10
        assert executor.submit(counter.add).result() == 11


def test_a_function_that_nobody_has_any_more_is_forgotten(executor):
    futures = [executor.submit(functools.partial(eval(f"lambda: {number}"))) for number in range(400)]
    futures += [executor.submit(eval(f"lambda: {number}")) for number in range(400)]
    assert [future.result() for future in futures] == [*range(400), *range(400)]
    # Without the global interpreter lock nothing else frees functions.
    gc.collect()
    assert not executor._engine._packer._heads


def test_calls_that_wait_have_their_classes_when_their_turn_comes(tmp_path, eventually):
    """More of them than anybody would keep, and nobody else has the classes."""
    go = tmp_path / "go"
    with ProcessPoolExecutor(1) as executor:
        first = executor.submit(calls.sleep_until, go)
        futures = [executor.submit(calls.method_of, calls.local_object(number)) for number in range(1500)]
        futures += [executor.submit(calls.local_function(number), 1) for number in range(1500)]
        gc.collect()
        go.touch()
        assert first.result() == "slept"
        assert [future.result() for future in futures] == [*range(1500), *range(1, 1501)]


def test_classes_that_nobody_has_any_more_are_forgotten_by_workers():
    with ProcessPoolExecutor(1) as executor:
        for number in range(50):
            assert executor.submit(calls.method_of, calls.local_object(number)).result() == number
        gc.collect()
        assert executor.submit(abs, -1).result() == 1
        assert executor.submit(calls.local_classes).result() <= 4


def test_an_error_arrives_as_itself(executor):
    future = executor.submit(calls.fail, "broken")
    with pytest.raises(ValueError, match=r"^broken$") as caught:
        future.result()
    assert "raise ValueError(message)" in "".join(traceback.format_exception(caught.value))
    assert future.exception() is caught.value


def test_stop_iteration_arrives_as_the_cause_of_an_error(executor):
    error = executor.submit(next, iter([])).exception()
    assert type(error) is RuntimeError
    assert type(error.__cause__) is StopIteration


def test_exits_are_errors_of_the_call(executor):
    with pytest.raises(SystemExit):
        executor.submit(exit_with, 3).result()
    assert executor.submit(abs, -1).result() == 1


def exit_with(code):
    raise SystemExit(code)


def test_map_keeps_the_order(executor):
    numbers = range(100)
    expected = [number * number for number in numbers]
    assert list(executor.map(operator.mul, numbers, numbers)) == expected
    assert list(executor.map(operator.mul, numbers, numbers, chunksize=7)) == expected
    assert list(executor.map(operator.mul, numbers, numbers, buffersize=3)) == expected
    assert list(executor.map(operator.mul, numbers, numbers, chunksize=7, buffersize=2)) == expected
    assert list(executor.map(abs, [])) == []


def test_map_submits_before_it_is_iterated(executor, tmp_path):
    paths = [tmp_path / str(number) for number in range(5)]
    executor.map(calls.leave_mark, map(str, paths))
    executor.shutdown()
    assert all(path.exists() for path in paths)


def test_a_buffer_lets_an_endless_input_through(executor):
    taken = []

    def numbers():
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    results = executor.map(abs, numbers(), buffersize=4)
    assert len(taken) == 4
    assert [next(results) for _ in range(20)] == list(range(20))
    assert len(taken) <= 25
    results.close()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chunksize": 0}, ValueError, "chunksize must be >= 1, not 0"),
        ({"chunksize": "many"}, TypeError, "chunksize must be an integer, not 'many'"),
        ({"buffersize": 0}, ValueError, "buffersize must be None or > 0, not 0"),
        ({"buffersize": 1.5}, TypeError, "buffersize must be an integer or None, not 1.5"),
    ],
)
def test_map_refuses_wrong_sizes(executor, options, error, message):
    with pytest.raises(error, match=message):
        executor.map(abs, [1], **options)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="CPython's executors have it since Python 3.14")
def test_executors_have_what_those_of_cpython_have(executor_type):
    standard = getattr(futures_of_python, executor_type.__name__)
    public = {name for name in dir(standard) if not name.startswith("_") and callable(getattr(standard, name))}
    assert {"map", "shutdown", "submit"} <= public
    assert ("kill_workers" in public) == (executor_type is ProcessPoolExecutor) == ("terminate_workers" in public)
    for name in public - {"BROKEN", "prepare_context"}:
        # Not inherited from there, where it would work on what is not in use.
        assert getattr(executor_type, name) is not getattr(standard, name)
        ours, theirs = (inspect.signature(getattr(each, name)).parameters for each in (executor_type, standard))
        assert [(each.name, each.kind, each.default) for each in ours.values()] == [
            (each.name, each.kind, each.default) for each in theirs.values()
        ]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="CPython's executors have it since Python 3.14")
@pytest.mark.parametrize("buffersize", [1, 3, None])
def test_a_buffer_takes_as_much_as_that_of_cpython(executor_type, buffersize):
    def taken_by(executor, length=10):
        taken, counts = [], []
        results = executor.map(abs, (taken.append(number) or number for number in range(length)), buffersize=buffersize)
        counts.append(len(taken))
        for _ in range(length):
            next(results)
            counts.append(len(taken))
        return counts

    with executor_type(1) as ours, futures_of_python.ThreadPoolExecutor(1) as theirs:
        assert taken_by(ours) == taken_by(theirs)


def test_map_raises_when_time_is_over_and_stops_what_runs(executor, tmp_path, eventually):
    results = executor.map(calls.sleep_with_mark, [str(tmp_path / "begun")], timeout=0.2)
    with pytest.raises(TimeoutError):
        next(results)
    begun = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - begun < 240


def test_cancel_stops_a_call_that_runs(executor_type, tmp_path, eventually):
    with executor_type(1) as executor:
        future = executor.submit(calls.sleep_with_mark, str(tmp_path / "begun"))
        behind = executor.submit(abs, -2)
        eventually((tmp_path / "begun").exists)
        eventually(future.running)
        assert not behind.running()
        assert future.cancel()
        assert future.cancelled()
        assert future.done()
        assert not future.running()
        with pytest.raises(CancelledError):
            future.result()
        assert wait([future], timeout=120).not_done == set()
        assert behind.result(120) == 2
        assert not behind.cancel()
        assert behind.result() == 2


def test_what_is_cancelled_in_time_never_runs(executor_type, tmp_path, eventually):
    with executor_type(1) as executor:
        first = executor.submit(calls.sleep_with_mark, str(tmp_path / "begun"))
        eventually((tmp_path / "begun").exists)
        waiting = [executor.submit(calls.leave_mark, str(tmp_path / str(number))) for number in range(10)]
        called_back = []
        for future in waiting:
            future.add_done_callback(called_back.append)
            assert future.cancel()
        assert called_back == waiting
        assert set(as_completed(waiting, timeout=120)) == set(waiting)
        first.cancel()
    assert [path.name for path in tmp_path.iterdir()] == ["begun"]


def test_a_call_can_be_cancelled_before_the_workers_are_there(executor_type):
    with executor_type(1) as executor:
        future = executor.submit(abs, 1)
        assert future.cancel() or future.result() == 1
        assert not wait([future], timeout=120).not_done


def test_cancelling_and_ending_at_once_settles_every_future(executor):
    for _ in range(20):
        futures = [executor.submit(abs, number) for number in range(100)]
        for future in futures:
            future.cancel()
        assert not wait(futures, timeout=120).not_done
        assert all(future.cancelled() or future.result() == number for number, future in enumerate(futures))
    assert executor.submit(abs, -1).result() == 1


def test_any_thread_can_submit(executor):
    results = {}

    def submit(thread):
        futures = [executor.submit(operator.add, thread, number) for number in range(300)]
        results[thread] = [future.result() for future in futures]

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {thread: [thread + number for number in range(300)] for thread in range(6)}


def test_callbacks_may_submit_and_raise(executor):
    chained = Future()

    def submit_another(future):
        executor.submit(abs, future.result() - 10).add_done_callback(lambda other: chained.set_result(other.result()))
        raise RuntimeError("logged, and of no account")

    executor.submit(abs, -3).add_done_callback(submit_another)
    assert chained.result(120) == 7


def test_callbacks_of_what_ran_come_in_the_executors_own_thread(executor_type, tmp_path, eventually):
    with executor_type(1) as executor:
        running = executor.submit(calls.sleep_with_mark, str(tmp_path / "begun"), 0.2)
        eventually((tmp_path / "begun").exists)
        threads = []
        running.add_done_callback(lambda _: threads.append(threading.current_thread().name))
        assert running.result() == "slept"
    assert threads == ["poolifier-executor"]


def test_an_event_loop_uses_it_and_cancels_what_runs(executor, run, tmp_path, until):
    async def main():
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(executor, pow, 2, 5) == 32
        assert await asyncio.wrap_future(executor.submit(pow, 2, 6)) == 64
        running = loop.run_in_executor(executor, calls.sleep_with_mark, str(tmp_path / "begun"))
        await until((tmp_path / "begun").exists)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        # Two workers, so both are free again.
        assert await asyncio.gather(*(loop.run_in_executor(executor, abs, -n) for n in range(10))) == list(range(10))

    run(main())


def test_it_can_be_the_default_of_an_event_loop():
    async def main():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        variable = contextvars.ContextVar("variable")
        variable.set("mine")
        assert await asyncio.to_thread(variable.get) == "mine"

    asyncio.run(main())


def test_threads_find_the_context_of_the_caller_and_of_the_initializer():
    with ThreadPoolExecutor(1) as executor:
        calls.VARIABLE.set("the caller's")
        assert executor.submit(calls.variable).result() == "the caller's"
    with ThreadPoolExecutor(1, initializer=calls.initialize, initargs=("the initializer's",)) as executor:
        assert [executor.submit(calls.variable).result() for _ in range(2)] == ["the initializer's"] * 2
    calls.STATE = "untouched"


def test_threads_share_objects():
    with ThreadPoolExecutor(2) as executor:
        lock = threading.Lock()
        counter = calls.Counter()
        assert executor.submit(lambda: lock).result() is lock
        assert [executor.submit(counter.add).result() for _ in range(3)] == [1, 2, 3]
