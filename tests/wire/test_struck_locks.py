"""A handler of signals raises right after a lock has been taken: nobody waits for that lock in vain.

Python 3.14 runs handlers between the beginning of a `with` and its body, too.
"""

import os
import socket
import threading

import pytest

from poolifier.backends.interpreter.host import InterpreterHost
from poolifier.wire import segments
from poolifier.worker.link import Link


class Struck(BaseException):
    pass


class StruckLock:
    """Whoever takes it is interrupted then."""

    def __init__(self):
        self.lock = threading.RLock()

    def acquire(self):
        self.lock.acquire()
        raise Struck

    __enter__ = acquire

    def release(self):
        self.lock.release()

    def __exit__(self, *_):
        self.release()

    def is_free(self):
        """For another thread."""
        taken = []

        def take():
            taken.append(self.lock.acquire(blocking=False))
            if taken[0]:
                self.lock.release()

        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        return taken == [True]


def test_one_that_was_left_is_seen():
    lock = StruckLock()
    with pytest.raises(Struck), lock:
        pass
    assert not lock.is_free()


def test_a_workers_link():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = Link(ours)
        lock = link._lock = StruckLock()
        with pytest.raises(Struck):
            link.send(b"frame")
        assert lock.is_free()


@pytest.mark.skipif(not segments.AVAILABLE, reason="no such memory here")
def test_segments():
    outbound = segments.Outbound()
    inbound = segments.Inbound(os.dup(outbound.fd))
    slot = outbound.take(10)
    usual = inbound._lock
    lock = inbound._lock = StruckLock()
    with pytest.raises(Struck):
        inbound.cool()
    assert lock.is_free()
    with pytest.raises(Struck):
        inbound.lease(slot.ref(10, readonly=False))
    assert lock.is_free()
    inbound._lock = usual
    inbound.close()
    outbound.close()


def test_the_control_of_an_interpreter():
    host = object.__new__(InterpreterHost)
    lock = host._lock = StruckLock()
    for tell in (host.poke, host.leave, host.unwind):
        with pytest.raises(Struck):
            tell()
        assert lock.is_free()
