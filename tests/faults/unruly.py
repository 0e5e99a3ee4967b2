"""Task functions that do as they like. By themselves, for an interpreter cannot import what tests do."""

import asyncio
import os
import time
from contextlib import suppress

import poolifier.testing.harm  # noqa: F401 - what an abort interrupts is not to be the import of it
from poolifier import TaskAborted

STUBBORN = 0.15
"""Seconds that a task goes on which ignores that it is to stop."""

RAISED = {"raise": ValueError, "exit": SystemExit, "interrupt": KeyboardInterrupt, "abort": TaskAborted}


def work(task):
    number, way = _begin(task)
    if way == "nap":
        time.sleep(0.001)
    elif way == "spin":
        _spin(0.001)
    elif way == "swallow":
        with suppress(BaseException):
            time.sleep(0.001)
    elif way == "clean up":
        try:
            time.sleep(0.001)
        finally:
            _spin(0.0005)
    elif way == "ignore":
        _ignore(time.monotonic() + STUBBORN)
    return number


async def work_async(task):
    number, way = _begin(task)
    if way in ("nap", "spin"):
        await asyncio.sleep(0.001)
    elif way == "swallow":
        with suppress(BaseException):
            await asyncio.sleep(0.001)
    elif way == "clean up":
        try:
            await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0.0005)
    elif way == "ignore":
        _ignore(time.monotonic() + STUBBORN)
    return number


async def hold(task):
    """Has the event loop to itself, whatever anybody wants, until that file is there."""
    number, log, path = task
    log.note(number)
    while not os.path.exists(path):  # noqa: PTH110, ASYNC240
        with suppress(BaseException):
            time.sleep(0.001)  # noqa: ASYNC251 - which is what must not be done


async def clean_up(task):
    number, log = task
    try:
        await asyncio.sleep(600)
    finally:
        log.note(number)


def count(task):
    number, way, log = task
    log.note(number)
    yield from range(40)
    if way in RAISED:
        raise RAISED[way](number)


async def count_async(task):
    for item in count(task):
        await asyncio.sleep(0)
        yield item


FUNCTIONS = {"plain": {"work": work, "count": count}, "async": {"work": work_async, "count": count_async}}


def _begin(task):
    number, way, log = task
    log.note(number)
    if way in RAISED:
        raise RAISED[way](number)
    return number, way


def _spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _ignore(end):
    while time.monotonic() < end:
        with suppress(BaseException):
            while time.monotonic() < end:
                time.sleep(0.001)
