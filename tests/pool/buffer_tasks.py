"""Tasks of the tests of large data, for every kind of worker: interpreters cannot import NumPy."""

import asyncio
import os
import time
from pathlib import Path

from poolifier import SharedBuffer

MEBIBYTE = 1 << 20


def filled(number, count=200_000):
    """A view that can be written, of so many bytes that are all the same."""
    return memoryview(bytearray([number]) * count)


def echo(value):
    return value


async def echo_async(value):
    await asyncio.sleep(0)
    return value


def double(values):
    values *= 2
    return values


def invert(view):
    """Writes to it, and returns the same."""
    view[:] = bytes(255 - byte for byte in view)
    return view


def blocks(count):
    for number in range(count):
        yield filled(number, 100_000)


async def blocks_async(count):
    for number in range(count):
        yield filled(number, 100_000)


def fail_with(value):
    raise ValueError(value)


def sleep_on(value):
    while True:
        time.sleep(0.001)


_kept = []


def keep(value):
    _kept.append(value)
    return len(_kept)


def kept(_=None):
    """The first byte and the last of all that is kept."""
    return [(value[0], value[-1]) for value in _kept]


def crash_once(data):
    path, shared = data
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), 9)
    return bytes(shared.buffer)


def write(data):
    data["shared"].buffer[:3] = b"new"


def made(size):
    shared = SharedBuffer(size)
    shared.buffer[0] = 7
    return shared


def crash(value):
    os._exit(1)


FUNCTIONS = {
    function.__name__: function
    for function in (echo, double, invert, blocks, fail_with, sleep_on, keep, kept, crash_once, write, made, crash)
}
ASYNC = {"echo": echo_async, "plain": echo, "blocks": blocks_async, "plain_blocks": blocks}
