"""The future itself: what it has of the standard library's, and who may look at it when."""

import os
import signal
import sys
import threading
import warnings
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, InvalidStateError, wait

import pytest

from poolifier.futures import ThreadPoolExecutor
from poolifier.futures import future as future_module


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_it_has_all_that_the_class_above_sets(threads):
    future = threads.submit(abs, -1)
    assert set(vars(Future())) <= {*vars(future), "_condition", "_waiters"}
    assert future._condition is future._condition
    assert vars(future)["_condition"] is future._condition
    assert set(vars(Future())) <= set(vars(future))


def test_nobody_who_only_asks_for_the_result_makes_a_condition(threads):
    futures = [threads.submit(abs, -number) for number in range(100)]
    wait(futures[-1:])
    futures[-2].result(120)
    settled = [future for future in futures if future.done()]
    assert [future.result() for future in settled] == [future._result for future in settled]
    assert any("_condition" not in vars(future) for future in settled)


def test_the_class_can_be_looked_at(threads):
    assert type(threads.submit(abs, -1))._condition is not None


def test_a_forked_process_can_use_executors_of_its_own():
    held, release = threading.Event(), threading.Event()

    def hold():
        with future_module._making:
            held.set()
            release.wait(120)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(120)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of forking where there are threads: what this is about
            child = os.fork()
        if not child:
            try:
                signal.alarm(20)
                with ThreadPoolExecutor(1) as executor:
                    future = executor.submit(abs, -1)
                    wait([future])
                    os._exit(0 if future.result() == 1 else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        release.set()
        thread.join()


def test_it_is_settled_once(threads):
    future = threads.submit(abs, -1)
    assert future.result(120) == 1
    with pytest.raises(InvalidStateError):
        Future.set_result(future, 2)
    with pytest.raises(InvalidStateError):
        Future.set_exception(future, ValueError("late"))
    assert (future.result(), future.exception()) == (1, None)


def test_whoever_comes_while_it_is_settled_is_told(threads):
    """Waiters, callbacks and cancellations race with the loop's thread, each of which may find no condition."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(600):
            told = threading.Event()
            future = threads.submit(abs, -number)
            if number % 3 == 0:
                future.add_done_callback(lambda _, told=told: told.set())
                assert told.wait(120)
                assert future.result() == number
            elif number % 3 == 1:
                assert wait([future], 10, FIRST_COMPLETED).done == {future}
                assert future.result(0) == number
            elif future.cancel():
                with pytest.raises(CancelledError):
                    future.result(120)
            else:
                assert future.result(0) == number
    finally:
        sys.setswitchinterval(interval)
