"""How executors end: when told, when nobody has them any more, with the interpreter, and in forked processes."""

import gc
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import wait

import pytest

from poolifier.futures import ProcessPoolExecutor, ThreadPoolExecutor
from tests.conftest import Footprint
from tests.futures import calls
from tests.futures.conftest import needs_interpreters

NAMES = [
    "ProcessPoolExecutor",
    "ThreadPoolExecutor",
    pytest.param("InterpreterPoolExecutor", marks=needs_interpreters),
]


def script(code, **replaced):
    for name, value in replaced.items():
        code = code.replace(name, value)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_end_waits_for_what_was_submitted(executor_type, tmp_path):
    executor = executor_type(2)
    futures = [executor.submit(time.sleep, 0.05) for _ in range(10)]
    executor.shutdown()
    assert all(future.done() and future.result() is None for future in futures)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(abs, 1)


def test_what_waits_can_be_cancelled_at_the_end(executor_type, tmp_path, eventually):
    executor = executor_type(1)
    running = executor.submit(calls.sleep_with_mark, str(tmp_path / "begun"), 0.5)
    eventually((tmp_path / "begun").exists)
    waiting = [executor.submit(abs, number) for number in range(50)]
    executor.shutdown(cancel_futures=True)
    assert running.result() == "slept"
    assert all(future.cancelled() for future in waiting)


def test_the_end_need_not_be_waited_for(executor_type):
    executor = executor_type(1)
    future = executor.submit(time.sleep, 0.2)
    executor.shutdown(wait=False)
    assert not future.done()
    assert future.result() is None
    executor.shutdown()


def test_one_that_was_never_used_has_nothing_to_end(executor_type):
    executor_type(2).shutdown()
    with executor_type(
        2,
    ):
        pass


def test_nothing_stays_behind(executor_type, tmp_path):
    def use(directory):
        directory.mkdir()
        with executor_type(2) as executor:
            # So that both workers have started: an interpreter that is starting cannot be stopped, and may stay behind.
            meeting = [executor.submit(calls.meet, str(directory), number) for number in range(2)]
            assert sorted(executor.map(abs, range(-50, 0))) == list(range(1, 51))
            assert [each.result() for each in meeting] == [0, 1]

    use(tmp_path / "first")
    before = Footprint()
    for name in ("second", "third"):
        use(tmp_path / name)
    before.comes_back()
    assert Footprint().descriptors == before.descriptors


def test_one_that_nobody_has_any_more_finishes_and_ends(executor_type, eventually):
    threads = threading.active_count()
    executor = executor_type(2)
    futures = [executor.submit(time.sleep, 0.02) for _ in range(10)]
    results = executor.map(abs, range(10))
    del executor
    gc.collect()
    assert not wait(futures, timeout=120).not_done
    assert list(results) == list(range(10))
    del futures, results
    eventually(lambda: threading.active_count() == threads)


def test_objects_are_let_go_of(executor, eventually):
    for _ in range(3):
        kept = calls.Counter()
        gone = threading.Event()
        _weak = weakref.ref(kept, lambda _, gone=gone: gone.set())
        executor.submit(kept.add)
        del kept
        # Without the global interpreter lock this thread frees what it has made, for which it must be awake.
        eventually(gone.is_set, 120)


def test_submitting_and_ending_at_once_loses_no_call(executor_type):
    for _ in range(10):
        executor = executor_type(2)
        taken = []

        def submit(executor=executor, taken=taken):
            with pytest.raises(RuntimeError, match="after shutdown"):
                while True:
                    taken.append(executor.submit(abs, 1))

        thread = threading.Thread(target=submit)
        thread.start()
        while len(taken) < 20:
            time.sleep(0)
        executor.shutdown()
        thread.join()
        assert not wait(taken, timeout=120).not_done
        assert {future.result() for future in taken} == {1}


@pytest.mark.parametrize("name", NAMES)
def test_the_interpreter_ends_when_all_calls_have(name):
    done = script(
        """
import os, shutil, tempfile, time
from poolifier.futures import NAME
directory = tempfile.mkdtemp()
def meet(number):
    os.mkdir(f"{directory}/{number}")
    while len(os.listdir(directory)) < 2:
        time.sleep(0.001)
executor = NAME(2)
# Both workers start: one that is starting is not waited for for long, and told of.
for number in range(2):
    executor.submit(meet, number)
for number in range(4):
    executor.submit(time.sleep, 0.1)
executor.submit(shutil.rmtree, directory, True)
executor.submit(print, "finished", flush=True)
other = NAME(1)
other.submit(print, "as well", flush=True)
other.shutdown(wait=False)
""",
        NAME=name,
    )
    assert (done.returncode, sorted(done.stdout.split("\n")), done.stderr) == (0, ["", "as well", "finished"], "")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_can_be_submitted_at_the_end_of_the_interpreter(name):
    done = script(
        """
import atexit
from poolifier.futures import NAME
executor = NAME(2)
fresh = NAME(2)
executor.submit(abs, 1).result()
@atexit.register
def late():
    for each in (executor, fresh):
        try:
            each.submit(abs, 1)
        except RuntimeError as error:
            print(error)
""",
        NAME=name,
    )
    said = "cannot schedule new futures after"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{said} shutdown\n{said} interpreter shutdown\n", "")


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_forked_process_is_told_that_the_executor_is_not_its_own(name):
    done = script(
        """
import os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from poolifier.futures import NAME
executor = NAME(2)
executor.submit(abs, 1).result()
running = executor.submit(time.sleep, 0.5)
pid = os.fork()
if pid == 0:
    for attempt in (lambda: executor.submit(abs, 1), running.result, running.exception):
        try:
            attempt()
        except RuntimeError as error:
            print(error)
    executor.shutdown()
    fresh = NAME(1)
    print(fresh.submit(abs, -5).result())
    fresh.shutdown()
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
print(running.result(), executor.submit(abs, -7).result())
executor.shutdown()
""",
        NAME=name,
    )
    told = "the executor belongs to the process that this one was forked from, and does not work here; create another"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{told}\n" * 3 + "5\nNone 7\n", "")


@pytest.mark.parametrize("name", NAMES[:2])
def test_interrupts_in_the_middle_of_submitting_hang_nothing(name):
    done = script(
        """
import signal
from concurrent.futures import wait
from poolifier.futures import NAME

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
with NAME(2) as executor:
    executor.submit(abs, 1).result()
    kept = []
    for _ in range(60):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.002)
            # Not for ever: in a finalizer the interrupt is lost.
            for _ in range(20_000):
                kept.append(executor.submit(abs, 1))
        except KeyboardInterrupt:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    print(len(wait(kept, timeout=120).not_done))
""",
        NAME=name,
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_a_script_needs_no_guard(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(
        """
from poolifier.futures import ProcessPoolExecutor, ThreadPoolExecutor

def double(number):
    return 2 * number

with ProcessPoolExecutor(2) as executor:
    print(list(executor.map(double, range(5))))
"""
    )
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.stderr) == ("[0, 2, 4, 6, 8]\n", "")


def test_a_call_sees_what_the_globals_of_the_script_are_now():
    done = script(
        """
from poolifier.futures import ProcessPoolExecutor, ThreadPoolExecutor

setting = 1

def read():
    return setting

with ProcessPoolExecutor(1) as executor:
    print(executor.submit(read).result())
    setting = 2
    print(executor.submit(read).result())
    print(executor.submit(lambda: setting).result())
"""
    )
    assert (done.stdout, done.stderr) == ("1\n2\n2\n", "")


def test_one_executor_can_follow_another():
    for number in range(5):
        with ProcessPoolExecutor(1) as executor:
            assert executor.submit(abs, -number).result() == number


LEAVES_THREADS = """
import sys, threading
from poolifier import futures

def write(path):
    threading.main_thread().join()
    open(path, "w").close()

def leave(path):
    threading.Thread(target=write, args=(path,)).start()

executor = getattr(futures, sys.argv[1])(1)
left = threading.Event()

def callback(future):
    leave(sys.argv[2])
    left.set()

executor.submit(abs, 1).add_done_callback(callback)
left.wait()
if "Thread" in sys.argv[1]:
    executor.submit(leave, sys.argv[3]).result()
"""


def test_the_program_waits_for_threads_that_calls_and_callbacks_have_left(executor_type, tmp_path):
    """As with the standard library, whose threads are no daemons, so that these are none."""
    by_callback, by_call = tmp_path / "callback", tmp_path / "call"
    command = [sys.executable, "-c", LEAVES_THREADS, executor_type.__name__, str(by_callback), str(by_call)]
    subprocess.run(command, check=True, timeout=60)
    assert by_callback.exists()
    assert by_call.exists() or executor_type is not ThreadPoolExecutor
