"""Handlers of signals raise in the middle of `submit`, `cancel` or `wait`, as Ctrl-C does: every call ends.

The standard library's `with future._condition` may then be left without giving the condition back. Tests leave one held
on purpose, for a handler comes upon that place too seldom.
"""

import signal
import sys
import time
from concurrent.futures import as_completed, wait
from itertools import count

import pytest

from poolifier.futures import ProcessPoolExecutor, ThreadPoolExecutor
from poolifier.futures import future as of_future
from tests.futures import calls

INTERRUPTS = 60


class Interrupted(BaseException):
    pass


@pytest.fixture
def interrupts():
    """Raises in the main thread after so many seconds."""

    def raise_it(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, raise_it)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


# Where the handler is run in a finalizer.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("executor_class", [ProcessPoolExecutor, ThreadPoolExecutor])
def test_every_call_that_was_taken_ends(interrupts, executor_class):
    taken = []
    with executor_class(2) as executor:
        executor.submit(abs, 1).result()
        for number in range(INTERRUPTS):
            try:
                # Sooner or later than the first submissions.
                interrupts(0.0001 + number % 10 * 0.0001)
                for _ in range(2000):
                    taken.append(executor.submit(abs, 1))
            except Interrupted:
                pass
            finally:
                interrupts(0)
            # Waits for ever if an interrupt has left the lock held.
            assert executor.submit(abs, -2).result(timeout=120) == 2
        assert not wait(taken, timeout=120).not_done


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("executor_class", [ProcessPoolExecutor, ThreadPoolExecutor])
def test_every_call_that_was_not_cancelled_ends(interrupts, executor_class):
    kept = []
    with executor_class(2) as executor:
        executor.submit(abs, 1).result()
        for number in range(INTERRUPTS):
            try:
                interrupts(0.0005 + number % 10 * 0.0005)
                for _ in range(500):
                    futures = [executor.submit(abs, 1) for _ in range(3)]
                    kept += futures[1:]
                    futures[0].cancel()
                    wait(futures[1:])
            except Interrupted:
                pass
            finally:
                interrupts(0)
            assert executor.submit(abs, -2).result(timeout=120) == 2
        assert [future.result(timeout=120) for future in kept] == [1] * len(kept)


def test_a_condition_that_was_left_held_is_in_nobody_elses_way(executor_type):
    with executor_type(1) as executor:
        executor.submit(calls.wait_a_little)
        left, cancelled = executor.submit(abs, -1), executor.submit(abs, -1)
        for future in (left, cancelled):
            future._condition.acquire()
        assert cancelled.cancel()
        assert [executor.submit(abs, -number).result(timeout=120) for number in range(20)] == list(range(20))
        # Whoever waits for it gives it back meanwhile.
        assert left.result(timeout=120) == 1


@pytest.mark.parametrize("cancels", [False, True])
def test_nor_does_it_hold_up_the_end(executor_type, monkeypatch, cancels):
    monkeypatch.setattr(of_future, "_PATIENCE", 0.1)
    executor = executor_type(1)
    running = executor.submit(calls.wait_a_little)
    left = [executor.submit(abs, -number) for number in range(5)]
    for future in left:
        future._condition.acquire()
    executor.shutdown(cancel_futures=cancels)
    assert running.result() is None
    assert all(future.done() for future in left)
    assert not wait(left, timeout=120).not_done


class _At:
    """Raises where the n-th function begins or returns, which is where handlers of signals are run."""

    def __init__(self, number):
        self.left = number

    def __call__(self, frame, event, argument):
        frame.f_trace_lines = False
        if event in ("call", "return"):
            self.left -= 1
            if self.left < 0:
                raise Interrupted
        return self


def _interrupted_at(number, function):
    """Whether it was: no function begins or returns after the last one."""
    interrupter = _At(number)
    traced = sys.gettrace()
    try:
        sys.settrace(interrupter)
        function()
    except (Interrupted, RuntimeError):  # the standard library gives back what it has not got, where interrupted there
        pass
    finally:
        sys.settrace(traced)
    # A finalizer that is interrupted keeps that to itself.
    return interrupter.left < 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("waiting", [wait, lambda futures: list(as_completed(futures))])
def test_wherever_it_is_interrupted_others_are_settled(executor_type, monkeypatch, waiting):
    monkeypatch.setattr(of_future, "_PATIENCE", 0.02)
    kept = []

    def interrupted():
        futures = [executor.submit(abs, -1) for _ in range(3)]
        kept.extend(futures)
        futures[0].cancel()
        waiting(futures)

    with executor_type(1) as executor:
        executor.submit(abs, 1).result()
        for number in count():
            # So that there is something to wait for.
            busy = executor.submit(time.sleep, 0.01)
            if not _interrupted_at(number, interrupted):
                break
            assert executor.submit(abs, -2).result(timeout=120) == 2
            assert busy.result(timeout=120) is None
        assert number > 100
        assert not wait(kept, timeout=120).not_done
