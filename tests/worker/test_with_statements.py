"""What is told from a stack of the `with` statement that is being entered or left."""

import contextlib
import functools
import subprocess
import sys

import pytest

from poolifier import FixedProcessPool
from poolifier.worker.with_statements import place


class Looking:
    """Notes at its beginning and end, and in its body, whether it is seen."""

    def __init__(self):
        self.seen = []

    def look(self):
        self.seen.append(place(sys._getframe()) is not None)

    def __enter__(self):
        self.look()
        return self

    def __exit__(self, *_):
        self.look()
        return True

    async def __aenter__(self):
        self.look()
        return self

    async def __aexit__(self, *_):
        self.look()
        return True


def plain(looking):
    with looking:
        looking.look()


def named(looking):
    with looking as same:
        same.look()


def raising(looking):
    with looking:
        looking.look()
        raise LookupError


def returning(looking):
    with looking:
        looking.look()
        return looking.seen


def returning_from_a_loop(looking):
    for _ in range(3):
        with looking:
            looking.look()
            return looking.seen
    return None


def continuing(looking):
    for _ in range(1):
        with looking:
            looking.look()
            continue


def nested(looking):
    with contextlib.nullcontext(), looking, contextlib.nullcontext():
        looking.look()


def in_a_generator(looking):
    def generate():
        with looking:
            looking.look()
            yield

    list(generate())


def generated(looking):
    @contextlib.contextmanager
    def manager():
        looking.look()
        yield
        looking.look()

    with manager():
        looking.look()


def stacked(looking):
    with contextlib.ExitStack() as stack:
        stack.enter_context(looking)
        looking.look()


def called_from_c(looking):
    list(map(plain, [looking]))


def awaited(looking):
    async def enter():
        async with looking:
            looking.look()

    with contextlib.suppress(StopIteration):
        enter().send(None)


def awaited_and_raising(looking):
    async def enter():
        async with looking:
            looking.look()
            raise LookupError

    with contextlib.suppress(StopIteration):
        enter().send(None)


MANY_CONSTANTS = "\n".join(
    [
        "def many_constants(looking):",
        *(f"    some = {number}.5" for number in range(300)),
        "    with looking:",
        "        some = 'last'",
        "        looking.look()",
    ]
)
exec(MANY_CONSTANTS)

WAYS = [
    plain,
    named,
    raising,
    returning,
    returning_from_a_loop,
    continuing,
    nested,
    in_a_generator,
    generated,
    stacked,
    called_from_c,
    awaited,
    awaited_and_raising,
    many_constants,  # noqa: F821 - defined by `exec`
]


@pytest.fixture(params=["as it is", "specialised", "traced", "monitored"])
def mode(request):
    """What the interpreter has made of the instructions."""
    if request.param == "monitored":
        if sys.version_info < (3, 12):
            pytest.skip("sys.monitoring needs Python 3.12")
        monitoring = sys.monitoring
        monitoring.use_tool_id(3, "test")
        monitoring.register_callback(3, monitoring.events.INSTRUCTION, lambda *_: None)
        monitoring.register_callback(3, monitoring.events.CALL, lambda *_: None)
        monitoring.set_events(3, monitoring.events.INSTRUCTION | monitoring.events.CALL)
        yield request.param
        monitoring.set_events(3, 0)
        monitoring.free_tool_id(3)
    elif request.param == "traced":
        before = sys.gettrace()

        def trace(frame, *_):
            # What runs the tests is not to be traced.
            if frame.f_code.co_filename != __file__:
                return None
            frame.f_trace_opcodes = True
            return trace

        sys.settrace(trace)
        yield request.param
        sys.settrace(before)
    else:
        yield request.param


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_both_ends_are_seen_and_the_body_is_not(way, mode):
    for _ in range(100 if mode == "specialised" else 1):
        looking = Looking()
        with contextlib.suppress(LookupError):
            way(looking)
        assert looking.seen == [True, False, True]


def test_what_only_looks_like_an_end_is_none():
    looking = Looking()

    def three_times_none(*_):
        looking.look()

    three_times_none(None, None, None)
    functools.partial(three_times_none, None)(None, None, None)
    with contextlib.nullcontext():
        three_times_none(None, None, None)
        three_times_none()
    assert looking.seen == [False] * 4


def test_where_an_enter_begins_nothing_is_lost():
    seen = []

    class Begins:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    def trace(frame, event, _):
        if event == "call" and frame.f_code in (Begins.__enter__.__code__, Begins.__exit__.__code__):
            seen.append((frame.f_code.co_name, place(frame) is not None))

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with Begins():
            pass
    finally:
        sys.settrace(before)
    assert seen == [("__enter__", False), ("__exit__", True)]


def loaded(_):
    return sorted({"_ctypes", "ctypes"} & set(sys.modules))


@pytest.mark.parametrize("start_method", ["fork_server", "spawn"])
def test_no_abort_of_a_process_waits_for_an_import(run, start_method):
    """Where that can be told, what tells that `__enter__` still waits for a lock is there before the first abort."""

    async def main():
        async with FixedProcessPool(1, loaded, start_method=start_method) as pool:
            return await pool.execute()

    assert run(main()) == (["_ctypes"] if sys.version_info >= (3, 14) else [])


@pytest.mark.skipif(sys.version_info < (3, 14), reason="it is not needed before Python 3.14")
def test_it_is_told_whether_a_call_has_returned():
    """In an interpreter that has not imported ctypes, whose own types might do as well."""
    subprocess.run([sys.executable, "-c", RETURNED], check=True, timeout=60)


RETURNED = """
import signal, sys, threading
from poolifier.worker import with_statements

told = []
lock = threading.Lock()

def handler(_, frame):
    told.append(with_statements.has_returned(frame))
    if told[-1] is False:
        lock.release()

with_statements.load()
assert "ctypes" not in sys.modules
signal.signal(signal.SIGALRM, handler)
with lock:
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    with lock:
        signal.setitimer(signal.ITIMER_REAL, 0)
    lock.acquire()
assert told[-1] is False and None not in told, told

def own(_, frame):
    told.append(with_statements.has_returned(frame))

signal.signal(signal.SIGALRM, own)
signal.setitimer(signal.ITIMER_REAL, 0.05)
while told[-1] is False:
    pass
assert told[-1] is True, told
"""
