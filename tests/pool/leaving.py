"""What tasks leave at work in tests of the end of workers; imported by the workers, interpreters among them."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path


def write_later(path):
    time.sleep(0.3)
    with open(path, "a") as file:  # noqa: PTH123 - also where an interpreter is about to end
        file.write("written\n")


def leave_thread(path):
    threading.Thread(target=write_later, args=(path,)).start()


def leave_executor(path):
    from concurrent.futures import ThreadPoolExecutor

    leave_executor.kept = ThreadPoolExecutor(1)
    leave_executor.kept.submit(write_later, path)


def register(path):
    import atexit

    def at_the_end():
        with open(path, "a") as file:  # noqa: PTH123
            file.write("exit\n")

    atexit.register(at_the_end)
    leave_thread(path)


def nap(_):
    time.sleep(0.02)


def mine():
    import psutil

    return [child.pid for child in psutil.Process().children(recursive=True)]


def nest_joblib(_=None):
    import joblib

    joblib.Parallel(n_jobs=2)(joblib.delayed(nap)(number) for number in range(4))
    return mine()


def nest_executor(method=None):
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    nest_executor.kept = ProcessPoolExecutor(2, multiprocessing.get_context(method))
    list(nest_executor.kept.map(abs, range(4)))
    return mine()


def nest_pool(_=None):
    import multiprocessing

    nest_pool.kept = multiprocessing.get_context("fork").Pool(2)
    nest_pool.kept.map(abs, range(4))
    return mine()


def leave_child(_=None):
    """One that no one ends, as of an executor whose process is killed."""
    import multiprocessing

    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    child.start()
    return [child.pid]


def leave_child_and_hang(path):
    Path(path).write_text(str(leave_child()[0]))
    time.sleep(600)


def leave_child_and_crash(path):
    Path(path).write_text(str(leave_child()[0]))
    os.kill(os.getpid(), signal.SIGSEGV)


def leave_program(_=None):
    return [subprocess.Popen(["sleep", "600"]).pid]


def leave_session(_=None):
    """One that is to go on without the worker."""
    return subprocess.Popen(["sleep", "600"], start_new_session=True).pid


def leave_hanging_thread(_=None):
    threading.Thread(target=time.sleep, args=(600,)).start()
    return os.getpid()


def leave_hanging_thread_and_fail():
    leave_hanging_thread()
    raise ValueError("not today")


def pid(_=None):
    return os.getpid()
