"""What tests of executors share."""

import sys
import time

import pytest

from poolifier.futures import InterpreterPoolExecutor, ProcessPoolExecutor, ThreadPoolExecutor

needs_interpreters = pytest.mark.skipif(sys.version_info < (3, 13), reason="needs sub-interpreters")

KINDS = [
    pytest.param(ProcessPoolExecutor, id="process"),
    pytest.param(ThreadPoolExecutor, id="thread"),
    pytest.param(InterpreterPoolExecutor, id="interpreter", marks=needs_interpreters),
]


@pytest.fixture(params=KINDS)
def executor_type(request):
    return request.param


@pytest.fixture
def executor(executor_type):
    with executor_type(2) as made:
        yield made


@pytest.fixture
def eventually():
    """Waits in a thread without an event loop for what fires no event."""

    def wait_until(condition, seconds=20.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come true"
            time.sleep(0.001)

    return wait_until
