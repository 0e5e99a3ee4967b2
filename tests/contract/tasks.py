"""Task functions that every kind of worker is given."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

from poolifier import TaskAborted, current_task, send_message


def echo(data):
    return data


def bare():
    return "bare"


def raise_it(error):
    raise error


def raise_noted(text):
    error = KeyError(text)
    error.add_note("seen at dawn")
    raise error from OSError(2, "cause")


def raise_group(_):
    raise ExceptionGroup("both", [ValueError(1), TypeError(2)])


def raise_base(name):
    raise {"exit": SystemExit(3), "interrupt": KeyboardInterrupt("now"), "stop": StopIteration(5)}[name]


def nap(seconds):
    time.sleep(seconds)
    return seconds


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return seconds


def hold(path):
    """Goes on until that file is there."""
    while not Path(path).exists():
        time.sleep(0.001)


def spin_and_clean(_):
    try:
        send_message("begun")
        spin(600)
    except TaskAborted:
        send_message("aborted")
        raise
    finally:
        send_message("cleaned")


def end_worker(_):
    os._exit(1)


def ignore_aborts(path):
    try:
        send_message("begun")
        hold(path)
    except TaskAborted:
        hold(path)


def tell(_):
    task = current_task()
    return task.id, task.name, task.attempt, task.deadline is not None, task.abort_requested


def speak(words):
    for word in words:
        send_message(word)
    return len(words)


def count(stop):
    try:
        yield from range(stop)
    finally:
        send_message("left")


def count_and_fail(stop):
    yield from range(stop)
    raise ValueError("no more")


_running, _most = Counter(), Counter()


async def all_at_once(task):
    """Waits until so many that have the same key run in this worker at once; returns how many did, at the most."""
    key, parties = task
    _running[key] += 1
    _most[key] = max(_most[key], _running[key])
    while _most[key] < parties:  # noqa: ASYNC110 - in a worker, where nothing fires an event for it
        await asyncio.sleep(0.001)
    _running[key] -= 1
    return _most[key]


async def wait(seconds):
    await asyncio.sleep(seconds)
    return seconds


async def wait_and_clean(seconds):
    try:
        send_message("begun")
        await asyncio.sleep(seconds)
    finally:
        send_message("cleaned")


async def tell_later(_):
    await asyncio.sleep(0.01)
    return tell(None)


async def tell_elsewhere(_):
    return await asyncio.to_thread(tell, None)


async def raise_async(name):
    await asyncio.sleep(0)
    raise_base(name)


async def count_async(stop):
    try:
        for number in range(stop):
            yield number
            await asyncio.sleep(0)
    finally:
        send_message("left")


def where(_):
    import threading

    return os.getpid(), threading.get_ident()


PLAIN = {
    "echo": echo,
    "bare": bare,
    "raise_it": raise_it,
    "raise_noted": raise_noted,
    "raise_group": raise_group,
    "raise_base": raise_base,
    "nap": nap,
    "spin": spin,
    "hold": hold,
    "spin_and_clean": spin_and_clean,
    "ignore_aborts": ignore_aborts,
    "tell": tell,
    "speak": speak,
    "count": count,
    "count_and_fail": count_and_fail,
    "where": where,
}
ASYNC = {
    "all_at_once": all_at_once,
    "wait": wait,
    "wait_and_clean": wait_and_clean,
    "tell_later": tell_later,
    "tell_elsewhere": tell_elsewhere,
    "raise_async": raise_async,
    "count_async": count_async,
}
ALL = PLAIN | ASYNC
