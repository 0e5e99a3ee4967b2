"""Handlers of signals raise in the middle of `submit`, as Ctrl-C does: no lock is left held, and every call ends."""

import signal
from concurrent.futures import wait

import pytest

from poolifier.futures import ProcessPoolExecutor, ThreadPoolExecutor

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
