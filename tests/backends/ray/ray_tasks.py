"""Task functions for Ray workers."""

import os
import time
from pathlib import Path

import numpy as np
import ray


def echo(data):
    return data


def ones(count):
    return np.ones(count)


def total(array):
    return float(array.sum()), array.flags.writeable


def kinds(data):
    return [type(item).__name__ for item in data]


def put(value):
    return ray.put(value)


def nap(seconds):
    time.sleep(seconds)
    return seconds


def mix(count):
    for number in range(count):
        yield np.full(1 << 17, number) if number % 3 == 0 else number


async def mix_async(count):
    for item in mix(count):
        yield item


kept = []


def keep(item):
    """Returns the same list, longer each time."""
    kept.append(item)
    return kept


def note(job):
    """Writes down that it ran, in one write, and may end the worker."""
    path, number, deadly = job
    with Path(path).open("ab", buffering=0) as log:
        log.write(b"%d\n" % number)
    if deadly:
        os._exit(3)
    return number


def die_once(path):
    """Ends the first worker that runs it."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return os.getpid()
    os._exit(3)


def leak(count):
    kept.append(np.ones(count))
    return os.getpid()


ALL = {
    function.__name__: function
    for function in (echo, ones, total, kinds, put, nap, mix, mix_async, keep, note, die_once, leak)
}


class OnlyElsewhere:
    """Cannot be read in the process that it was made in."""

    def __init__(self):
        self.pid = os.getpid()

    def __reduce__(self):
        return (_read_elsewhere, (self.pid,))


def _read_elsewhere(pid):
    if os.getpid() == pid:
        raise AssertionError("it was read by its maker")
    return ["read elsewhere"]
