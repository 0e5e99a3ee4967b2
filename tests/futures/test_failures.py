"""What a call, a worker or an initializer can do wrong, and what becomes of the executor."""

import asyncio
import importlib
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError

import psutil
import pytest

from poolifier import PoolFailedError, SerializationError, WorkerCrashedError
from poolifier.futures import (
    BrokenPoolError,
    BrokenWorkerError,
    InterpreterPoolExecutor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    UnpicklableCallError,
    UnreadableCallError,
)
from tests.contract import odd_errors
from tests.futures import calls
from tests.futures.conftest import KINDS, needs_interpreters

WITH_BYTES = [kind for kind in KINDS if kind.id != "thread"]


def test_a_crash_costs_one_call_and_the_executor_lives_on():
    with ProcessPoolExecutor(2) as executor:
        before = [executor.submit(abs, number) for number in range(50)]
        crashed = executor.submit(calls.kill_self)
        after = [executor.submit(abs, number) for number in range(50)]
        error = crashed.exception()
        assert type(error) is BrokenWorkerError
        assert isinstance(error, BrokenExecutor)
        assert isinstance(error, BrokenProcessPool)
        assert isinstance(error, WorkerCrashedError)
        assert error.signal == "SIGKILL"
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.signal, str(again)) == (BrokenWorkerError, "SIGKILL", str(error))
        assert [future.result() for future in before + after] == [*range(50), *range(50)]
        assert executor.submit(pow, 2, 3).result() == 8


def test_any_number_of_crashes_breaks_nothing():
    with ProcessPoolExecutor(2) as executor:
        futures = [executor.submit(os._exit, 3) if number % 2 else executor.submit(abs, number) for number in range(24)]
        for number, future in enumerate(futures):
            if number % 2:
                assert future.exception().exit_code == 3
            else:
                assert future.result() == number


def test_a_worker_killed_from_outside_costs_what_it_ran(tmp_path, eventually):
    with ProcessPoolExecutor(1) as executor:
        pid = executor.submit(os.getpid).result()
        running = executor.submit(calls.sleep_with_mark, str(tmp_path / "begun"))
        eventually((tmp_path / "begun").exists)
        os.kill(pid, signal.SIGTERM)
        assert running.exception().signal == "SIGTERM"
        assert executor.submit(os.getpid).result() != pid


@pytest.mark.parametrize("executor_type", WITH_BYTES)
def test_what_cannot_be_pickled_fails_its_call_alone(executor):
    with pytest.raises(TypeError, match="cannot pickle"):
        executor.submit(id, threading.Lock()).result()
    error = executor.submit(calls.cannot_pickle).exception()
    assert type(error) is UnpicklableCallError
    assert isinstance(error, SerializationError)
    assert isinstance(error, PicklingError)
    assert not isinstance(error, BrokenExecutor)
    for error in (
        executor.submit(id, calls.Unreadable()).exception(),
        executor.submit(calls.unreadable).exception(),
    ):
        assert type(error) is UnreadableCallError
        assert isinstance(error, BrokenProcessPool)
        assert "ValueError: it is not to be read" in str(error)
    assert executor.submit(abs, -1).result() == 1


def test_an_initializer_runs_in_every_worker(executor_type):
    try:
        with executor_type(2, initializer=calls.initialize, initargs=("ready",)) as executor:
            assert [executor.submit(calls.state).result() for _ in range(4)] == ["ready"] * 4
    finally:
        calls.STATE = "untouched"


def test_a_failing_initializer_breaks_the_executor(executor_type, caplog):
    with executor_type(2, initializer=calls.fail, initargs=("not today",)) as executor:
        error = executor.submit(abs, 1).exception()
        assert type(error) is BrokenPoolError
        assert isinstance(error, BrokenExecutor)
        assert isinstance(error, PoolFailedError)
        assert isinstance(error.__cause__, ValueError)
        with pytest.raises(BrokenPoolError, match="not today"):
            executor.submit(abs, 1)
    assert any(record.name == "concurrent.futures" and record.levelno == logging.CRITICAL for record in caplog.records)


def test_an_initializer_that_fails_in_a_later_worker_costs_no_call(executor_type, tmp_path, caplog):
    with executor_type(2, initializer=calls.only_once, initargs=(str(tmp_path / "taken"),)) as executor:
        assert executor.submit(abs, 1).result() == 1
        running = [executor.submit(calls.sleep_with_mark, str(tmp_path / "mark"), 0.2) for _ in range(3)]
        assert [future.result(120) for future in running] == ["slept"] * 3
        assert executor.submit(abs, -2).result() == 2


def test_an_executor_whose_workers_cannot_start_refuses_calls_and_works_again_once_they_can(
    executor_type, tmp_path, caplog, eventually
):
    path = tmp_path / "refuse"
    path.touch()
    with executor_type(2, initializer=calls.refuse, initargs=(str(path),)) as executor:
        error = executor.submit(abs, 1).exception(120)
        assert type(error) is BrokenPoolError
        assert isinstance(error.__cause__, ValueError)
        for _ in range(2):
            with pytest.raises(BrokenPoolError, match="not now"):
                executor.submit(abs, 1)
        path.unlink()
        eventually(lambda: executor._broken is None)
        assert executor.submit(abs, -3).result(120) == 3


def test_an_executor_whose_workers_are_gone_and_cannot_be_replaced_works_again_once_they_can(
    tmp_path, caplog, eventually
):
    path = tmp_path / "refuse"
    with ProcessPoolExecutor(2, initializer=calls.refuse, initargs=(str(path),)) as executor:
        assert executor.submit(abs, -1).result() == 1
        path.touch()
        crashed = executor.submit(calls.kill_self)
        waiting = [executor.submit(abs, number) for number in range(20)]
        assert type(crashed.exception(120)) is BrokenWorkerError
        assert {type(future.exception(120)) for future in waiting} <= {BrokenPoolError, type(None)}
        eventually(lambda: executor._broken is not None)
        with pytest.raises(BrokenPoolError, match="not now"):
            executor.submit(abs, 1)
        path.unlink()
        eventually(lambda: executor._broken is None)
        assert list(executor.map(abs, range(-9, 0))) == list(range(9, 0, -1))


@pytest.mark.parametrize("kind", [ProcessPoolExecutor, ThreadPoolExecutor])
def test_an_executor_that_is_broken_can_be_shut_down_at_once(kind, tmp_path, caplog, eventually):
    path = tmp_path / "refuse"
    path.touch()
    executor = kind(2, initializer=calls.refuse_or_hang, initargs=(str(path),))
    assert isinstance(executor.submit(abs, 1).exception(120), BrokenPoolError)
    path.write_text("hang")
    eventually((tmp_path / "refuse.hangs").exists)  # the next start is under way, and takes as long as it likes
    before = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - before < 240
    path.write_text("end")
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)


def test_an_initializer_that_ends_every_worker_breaks_it(caplog):
    with ProcessPoolExecutor(2, initializer=os._exit, initargs=(7,)) as executor:
        assert isinstance(executor.submit(abs, 1).exception(), BrokenPoolError)


def test_proxies_of_a_manager_reach_the_workers():
    with multiprocessing.get_context("spawn").Manager() as manager:
        queue = manager.Queue()
        with ProcessPoolExecutor(2, initializer=queue.put, initargs=("ready",)) as executor:
            executor.submit(queue.put, "called").result()
            executor.submit(put, queue, bytearray(100_000)).result()
        assert {queue.get_nowait() for _ in range(queue.qsize())} >= {"ready", "called", 100_000}


def put(queue, data):
    queue.put(len(data))


@pytest.mark.parametrize("end", ["terminate_workers", "kill_workers"])
def test_workers_can_be_ended_with_all_they_do(end, tmp_path, eventually):
    others = {child.pid for child in psutil.Process().children(recursive=True)}
    executor = ProcessPoolExecutor(2)
    futures = [executor.submit(calls.sleep_with_mark, str(tmp_path / str(number))) for number in range(6)]
    eventually(lambda: (tmp_path / "0").exists() and (tmp_path / "1").exists())
    pids = {child.pid for child in psutil.Process().children(recursive=True)} - others
    assert len(pids) >= 2
    getattr(executor, end)()
    assert not wait(futures, timeout=120).not_done
    for future in futures[:2]:
        assert isinstance(future.exception(), BrokenProcessPool)
    assert all(future.cancelled() for future in futures[2:]), "no worker had begun them"
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    executor.shutdown()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_workers_are_replaced_after_so_many_calls(eventually):
    with ProcessPoolExecutor(1, max_tasks_per_child=3) as executor:
        pids = [executor.submit(os.getpid).result() for _ in range(2)]
        assert len(set(pids)) == 1
        pids += [executor.submit(os.getpid).result() for _ in range(7)]
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]


@pytest.mark.parametrize("max_workers", [1, 4])
def test_workers_are_made_as_they_are_needed(executor_type, max_workers):
    with executor_type(max_workers) as executor:
        assert len({executor.submit(calls.worker).result() for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_workers": 0}, ValueError, "max_workers must be greater than 0, not 0"),
        ({"max_workers": "2"}, TypeError, "max_workers must be an integer above 0 or None, not '2'"),
        ({"max_workers": True}, TypeError, "max_workers must be an integer above 0 or None, not True"),
        ({"initializer": 3}, TypeError, "initializer must be a callable or None, not 3"),
        ({"initializer": abs, "initargs": 3}, TypeError, "initargs must be a tuple of arguments, not 3"),
    ],
)
def test_wrong_arguments_are_told(executor_type, options, error, message):
    with pytest.raises(error, match=message):
        executor_type(**options)


@pytest.mark.parametrize("kind", KINDS)
def test_odd_errors_are_raised_as_they_are(kind):
    with kind(1) as executor:
        for odd in ("frozen", "falsy", "empty", "bool_raises", "getattribute_raises", "cause_raises"):
            future = executor.submit(odd_errors.raise_odd, odd)
            results = executor.map(odd_errors.raise_odd, [odd])
            expected = type(odd_errors.ODD[odd]())
            assert type(future.exception()) is expected
            for take in (future.result, results.__next__):
                with pytest.raises(expected):
                    take()
            assert repr(future).endswith(f"state=finished raised {expected.__name__}>")
        assert executor.submit(abs, -1).result() == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", ["frozen", "falsy", "bool_raises", "getattribute_raises", "str_raises"])
def test_an_odd_error_of_the_initializer_breaks_the_executor(kind, odd, caplog):
    with caplog.at_level(logging.CRITICAL), kind(1, initializer=odd_errors.raise_odd, initargs=(odd,)) as executor:
        future = executor.submit(abs, 1)
        assert type(future.exception()) is BrokenPoolError
        assert type(future.exception().__cause__) is type(odd_errors.ODD[odd]())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mp_context": "spawn"}, TypeError, "mp_context must be a context of multiprocessing or None, not 'spawn'"),
        ({"max_tasks_per_child": 0}, ValueError, "max_tasks_per_child must be at least 1, not 0"),
        ({"max_tasks_per_child": 1.5}, TypeError, "max_tasks_per_child must be an integer of at least 1, not 1.5"),
        (
            {"max_tasks_per_child": 1, "mp_context": multiprocessing.get_context("fork")},
            ValueError,
            "max_tasks_per_child must be None where mp_context starts processes by 'fork'",
        ),
    ],
)
def test_wrong_arguments_of_processes_are_told(options, error, message):
    with pytest.raises(error, match=message):
        ProcessPoolExecutor(**options)


def test_threads_have_the_names_that_were_asked_for():
    with ThreadPoolExecutor(1, "mine") as executor:
        assert executor.submit(lambda: threading.current_thread().name).result() == "mine_0"
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(lambda: threading.current_thread().name).result().startswith("ThreadPoolExecutor-")


@needs_interpreters
def test_interpreters_have_threads_with_the_names_that_were_asked_for():
    with InterpreterPoolExecutor(1, "mine") as executor:
        executor.submit(abs, 1).result()
        assert "mine_0" in {thread.name for thread in threading.enumerate()}


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the standard library has no such executor")
def test_executors_of_interpreters_are_those_of_the_standard_library(run, caplog):
    from concurrent import futures
    from concurrent.futures.interpreter import BrokenInterpreterPool

    from poolifier.futures import InterpreterPoolExecutor

    with InterpreterPoolExecutor(1) as executor:
        assert isinstance(executor, futures.InterpreterPoolExecutor)
        assert isinstance(executor, futures.ThreadPoolExecutor)

        async def main():
            asyncio.get_running_loop().set_default_executor(executor)
            return await asyncio.get_running_loop().run_in_executor(None, abs, -1)

        assert run(main()) == 1
    with InterpreterPoolExecutor(1, initializer=calls.fail, initargs=("not today",)) as broken:
        assert isinstance(broken.submit(abs, -1).exception(), BrokenInterpreterPool)


IMPORTED = """
from poolifier.futures import ProcessPoolExecutor

class Thing:
    def __init__(self, value):
        self.value = value

def work(x):
    return -x

if __name__ != "__mp_main__" and not hasattr(__import__("sys"), "_in_worker"):
    import sys
    with ProcessPoolExecutor(1, initializer=setattr, initargs=(sys, "_in_worker", True)) as executor:
        results = [executor.submit(work, 1).result(120), executor.submit(vars, Thing(2)).result(120)]
        failure = executor.submit(work, lambda: 0 / 0).exception(120)
"""


def test_a_module_may_use_an_executor_while_it_is_imported(tmp_path, monkeypatch):
    """To pickle what is the module's, the executor's thread would wait for the import, which waits for the result."""
    (tmp_path / "uses_an_executor.py").write_text(IMPORTED)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("uses_an_executor")
    try:
        assert module.results == [-1, {"value": 2}]
        assert isinstance(module.failure, TypeError)
    finally:
        del sys.modules["uses_an_executor"]
