"""Handlers of signals raise in the middle of `submit`, `cancel` or `wait`, as Ctrl-C does: every call ends.

The standard library's `with future._condition` may then be left without giving the condition back. Tests leave one held
on purpose, for a handler comes upon that place too seldom.
"""

import signal
from concurrent.futures import wait

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
