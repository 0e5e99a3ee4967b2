"""Tasks of the tests of how long memory lives. Interpreters share the process, so a task can wait for a test's pipe."""

import gc
import os
import threading
import time

from poolifier import SharedBuffer, TaskAborted
from poolifier.worker.current_task import current_session

_kept = []


def echo(value):
    return value


def filled(asked):
    """A view that can be written, of so many bytes that are all the same."""
    number, size = asked
    return memoryview(bytearray([number]) * size)


def keep(value):
    _kept.append(value)


def kept(_=None):
    return [(bytes(value[:1]), bytes(value[-1:])) for value in _kept]


def keep_shared(shared):
    _kept.append(shared)
    _kept.append(shared.buffer)


def keep_made(size):
    keep_shared(SharedBuffer(size))


def keep_circle(value):
    """A circle is not let go of before the garbage collector comes by, or the interpreter ends."""
    circle = [value]
    circle.append(circle)


def stand(pipe):
    """Stands in C code, where nothing can be raised, until the test writes to the pipe."""
    told, heard = pipe
    try:
        os.write(told, b"x")
    finally:
        # Also if the abort comes before it stands.
        os.read(heard, 1)


def stand_with(data):
    """The same, with a view that is looked at after that."""
    view, (told, heard), answer = data
    try:
        stand((told, heard))
    except TaskAborted:
        pass
    finally:
        os.write(answer, bytes(view[:1]) + bytes(view[-1:]))


def busy(_=None):
    """Slots of the worker's own memory that are taken, once what aborted tasks have left is collected."""
    gc.collect()
    outbound = current_session().packer._outbound
    return 0 if outbound is None else outbound.busy()


def churn(value):
    """Makes and drops views of what it was given, over and over: there is always one about to die."""
    value = value[0] if isinstance(value, list) else value
    while True:
        memoryview(value)[:1]
        bytes(value[:100])


def churn_stream(value):
    while True:
        yield value


def ident(_=None):
    return threading.get_ident()


def give_way(value):
    time.sleep(0)
    return value


FUNCTIONS = {
    function.__name__: function
    for function in (
        echo,
        filled,
        keep,
        kept,
        keep_shared,
        keep_made,
        keep_circle,
        stand,
        stand_with,
        busy,
        churn,
        churn_stream,
        give_way,
        ident,
    )
}
