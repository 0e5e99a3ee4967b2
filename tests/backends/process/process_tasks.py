"""Task functions for the tests of the process backend; loaded by the workers as a file."""

import asyncio
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

from poolifier import errors, task_functions
from poolifier.worker.current_task import current_task


class Odd(Exception):
    def __init__(self, *, code):
        super().__init__("odd", code)
        self.code = code


class Unpicklable(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


def echo(data=None):
    return data


def nothing():
    return "nothing"


def fail(data):
    if data == "odd":
        raise Odd(code=7)
    if data == "unpicklable":
        raise Unpicklable("x")
    raise {
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "generator": GeneratorExit(),
        "stop": StopIteration(5),
        "cancelled": asyncio.CancelledError(),
        "value": ValueError("bad", 1),
    }[data]


def die(how):
    if isinstance(how, int):
        os._exit(how)
    if how == "segfault":
        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))


def recurse(depth=0):
    return recurse(depth + 1)


def unpicklable_result():
    return lambda: sys._getframe()


def lock_result():
    return threading.Lock()


def spin(path):
    Path(path).write_text("started")
    while True:
        pass


def snooze(path):
    Path(path).write_text("started")
    time.sleep(600)


def stubborn(path):
    Path(path).write_text("started")
    try:
        while True:
            pass
    except errors.TaskAborted:
        return "finished anyway"


def gate(paths):
    """Says that it started, and ends when the other file appears."""
    started, end = paths
    Path(started).write_text("started")
    while not Path(end).exists():
        time.sleep(0.001)
    return "gate"


def say(text):
    print(text)
    print(text, file=sys.stderr)


def fork_and_return(data):
    pid = os.fork()
    if pid == 0:
        return "child"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def leave_grandchild():
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    return pid


def large(size):
    return b"x" * size


def who():
    task = current_task()
    return (task.id, task.name, task.attempt, task.deadline, task.abort_requested)


def where():
    return (str(Path.cwd()), sys.argv, os.environ.get("POOLIFIER_TEST"), os.nice(0), sorted(os.sched_getaffinity(0)))


def stream(data):
    yield data


worker = task_functions.Worker(
    {
        function.__name__: function
        for function in (
            echo,
            nothing,
            fail,
            die,
            recurse,
            unpicklable_result,
            lock_result,
            spin,
            snooze,
            stubborn,
            gate,
            say,
            fork_and_return,
            leave_grandchild,
            large,
            who,
            where,
            stream,
        )
    },
    max_inactive_time=12.0,
    kill_behavior="hard",
)


async def asleep(path):
    Path(path).write_text("started")  # noqa: ASYNC240
    await asyncio.sleep(600)


async def meet(data):
    """Ends once two of it run."""
    meet.count += 1
    meet.event.set() if meet.count == 2 else None
    await meet.event.wait()
    return (data, current_task().id)


meet.count = 0
meet.event = asyncio.Event()


async def fail_async(data):
    await asyncio.sleep(0)
    fail(data)


async def stubborn_async(path):
    Path(path).write_text("started")  # noqa: ASYNC240
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        return "finished anyway"


async_worker = task_functions.Worker(
    {
        function.__name__: function
        for function in (echo, meet, asleep, fail_async, fail, spin, gate, stubborn_async, die, who)
    }
)
