"""What tests have executors call. Workers import this module by name."""

import contextvars
import gc
import os
import threading
import time
from pathlib import Path

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")
STATE = "untouched"


class Unreadable:
    """Cannot be unpickled."""

    def __reduce__(self):
        return fail, ("it is not to be read",)


class Counter:
    def __init__(self):
        self.count = 0

    def add(self):
        self.count += 1
        return self.count


def fail(message):
    raise ValueError(message)


def with_keywords(first, /, *rest, **named):
    return first, rest, named


def leave_mark(path):
    Path(path).touch()


def sleep_with_mark(path, seconds=600.0):
    Path(path).touch()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.005)
    return "slept"


def meet(directory, number):
    """Waits until two calls have come, which takes two workers."""
    Path(directory, str(number)).mkdir()
    while len(list(Path(directory).iterdir())) < 2:
        time.sleep(0.001)
    return number


def sleep_until(path):
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    return "slept"


def local_object(number):
    """Of a class of its own, which no name leads to."""

    class Local:
        def give(self):
            return number

    return Local()


def local_function(number):
    """It refers to a class of its own, which no name leads to."""

    class Local:
        def give(self, more):
            return number + more

    return lambda more: Local().give(more)


def method_of(local):
    return local.give()


def local_classes():
    """How many of those there are."""
    gc.collect()
    return sum(isinstance(each, type) and each.__name__ == "Local" for each in gc.get_objects())


def initialize(value):
    global STATE
    STATE = value
    VARIABLE.set(value)


def state():
    return STATE


def variable():
    return VARIABLE.get()


def kill_self():
    os.kill(os.getpid(), 9)


def unreadable():
    return Unreadable()


def cannot_pickle():
    return (number for number in range(3))


def only_once(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL))


def refuse(path):
    if Path(path).exists():
        raise ValueError("not now")


def refuse_or_hang(path):
    if Path(path).read_text() != "hang":
        raise ValueError("not now")
    Path(f"{path}.hangs").touch()
    while Path(path).read_text() != "end":
        time.sleep(0.01)


def worker():
    return os.getpid(), threading.get_ident()


def double(number):
    return 2 * number


def wait_a_little():
    time.sleep(0.1)
