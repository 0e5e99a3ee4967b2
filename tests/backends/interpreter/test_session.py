"""How a control thread and a worker share a session: in this interpreter, with a thread of the test as the former."""

import os
import pickle
import socket
import sys
import threading
import time

import pytest

from poolifier.backends.interpreter.session import ChannelLost, InterpreterLink, InterpreterSession
from poolifier.errors import TaskAborted
from poolifier.exchange import ABORTED, DONE, RETURNED, WorkerSettings
from poolifier.task_functions import Worker
from poolifier.wire import messages
from poolifier.wire.frames import FrameDecoder
from poolifier.wire.segments import giving_back
from poolifier.worker.imports import importing
from poolifier.worker.invoke import run_plain
from poolifier.worker.ledger import ABORT, LEAVE, STARTED, Ledger, create_ledger
from poolifier.worker.registry import Registry
from poolifier.worker.runtime import run_blocking


class Pool:
    """The other end of a session whose worker is the calling thread."""

    def __init__(self, functions):
        self.sock, self.theirs = socket.socketpair()
        fd = create_ledger()
        self.ledger = Ledger(fd)
        os.close(fd)
        link = InterpreterLink(self.theirs)
        self.session = InterpreterSession(link, self.ledger, Registry(Worker(functions)), WorkerSettings())
        self.decoder = FrameDecoder()

    def say(self, opcode, body=None):
        self.sock.sendall(messages.message(opcode, body))

    def poke_elsewhere(self):
        """A poke as the control thread has it; returns once that is done."""
        thread = threading.Thread(target=self.session.poke)
        thread.start()
        thread.join()

    def run(self, sequence, name="default", data=None):
        entry = self.session.registry.entries[name]
        run_plain(self.session, (sequence, name, data, 5000 + sequence), entry, 0.0)

    def replies(self):
        found = []
        while True:
            try:
                payloads = self.decoder.read(self.sock, memoryview(bytearray(65536)), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return found
            for payload in payloads:
                found += messages.read_replies(payload)[4]

    def close(self):
        self.sock.close()
        self.theirs.close()
        self.ledger.close()


@pytest.fixture
def make_pool():
    pools = []

    def make(functions):
        pools.append(Pool(functions))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def test_the_pool_is_served_in_the_middle_of_a_task(make_pool):
    def task():
        pool.say(messages.TASKS, [(2, "default", None, 5002), (3, "default", None, 5003)])
        pool.say(messages.ABORT, 2)
        pool.say(messages.RECLAIM)
        pool.poke_elsewhere()
        return [reply[:2] for reply in pool.replies()] == [(2, ABORTED), (3, RETURNED)]

    pool = make_pool(task)
    pool.run(1)
    pool.session.flush()
    assert [reply[:3] for reply in pool.replies()] == [(1, DONE, True)]


def test_an_abort_is_raised_in_the_task_it_names_once(make_pool):
    raised = []

    def task(_):
        pool.ledger.slots[ABORT] = 1
        for _ in range(3):
            try:
                pool.poke_elsewhere()
                time.sleep(0)
            except TaskAborted:
                raised.append(pool.session.current)

    pool = make_pool(task)
    pool.run(1)
    pool.run(2)
    pool.session.flush()
    assert raised == [1]
    # It makes no difference that the function went on.
    assert [reply[1] for reply in pool.replies()] == [ABORTED, DONE]


def test_a_poke_between_tasks_is_served_in_the_next(make_pool):
    pool = make_pool(lambda: "never")
    pool.poke_elsewhere()
    assert pool.session.poked
    pool.say(messages.ABORT, 3)
    pool.run(3)
    pool.run(4)
    pool.session.flush()
    assert [reply[:3] for reply in pool.replies()] == [(3, ABORTED, None), (4, DONE, "never")]


def test_a_poke_that_comes_while_the_worker_serves_is_served_by_it(make_pool):
    """The control thread finds the window taken, and leaves it at that."""
    served = []

    class BusyLink(InterpreterLink):
        def receive_now(self):
            received = super().receive_now()
            if not served:
                served.append(True)
                pool.say(messages.TASKS, [(2, "default", None, 5002)])
                pool.say(messages.RECLAIM)
                pool.poke_elsewhere()
            return received

    pool = make_pool(lambda: [reply[:2] for reply in pool.replies()] == [(2, RETURNED)])
    pool.session.link = BusyLink(pool.theirs)
    pool.poke_elsewhere()
    pool.run(1)
    pool.session.flush()
    assert served
    assert [reply[:3] for reply in pool.replies()] == [(1, DONE, True)]


def test_the_window_is_shut_behind_a_poke_that_is_served_as_an_aborted_task_ends(make_pool):
    """The worker finds the window taken, and before it looks whose doing that is, it is back."""
    ready, missed, back = threading.Event(), threading.Event(), threading.Event()
    here = threading.get_ident()

    class Window(dict):
        def pop(self, key, default=None):
            found = super().pop(key, default)
            if ready.is_set() and found is None and threading.get_ident() == here and not missed.is_set():
                missed.set()
                assert back.wait(120)
            return found

    class SlowLink(InterpreterLink):
        def receive_now(self):
            if raised:
                ready.set()
                assert missed.wait(120)
            return super().receive_now()

    raised = []

    def control():
        pool.session.poke()
        back.set()

    def task():
        pool.ledger.slots[ABORT] = 1
        try:
            pool.poke_elsewhere()
            time.sleep(0)
        except TaskAborted:
            raised.append(True)
        thread.start()
        assert ready.wait(120)

    thread = threading.Thread(target=control)
    pool = make_pool(task)
    pool.session._window = Window()
    pool.session.link = SlowLink(pool.theirs)
    pool.run(1)
    thread.join()
    assert raised == [True]
    assert pool.session._window == {}


def test_a_worker_that_is_to_leave_starts_nothing_and_says_nothing(make_pool):
    ran = []
    pool = make_pool(ran.append)
    pool.session.inbox.extend((sequence, "default", sequence, 5000) for sequence in (4, 5, 6))
    pool.ledger.slots[LEAVE] = 1
    run_blocking(pool.session)
    assert ran == []
    assert pool.replies() == []
    assert pool.ledger.slots[STARTED] == 3
    assert pool.session.stopping


def test_what_runs_when_it_is_to_leave_is_stopped_and_not_answered(make_pool):
    cleaned = []

    def task():
        pool.ledger.slots[LEAVE] = 1
        try:
            pool.poke_elsewhere()
            time.sleep(0)
        finally:
            cleaned.append(True)

    pool = make_pool(task)
    pool.session.inbox.append((1, "default", None, 5000))
    run_blocking(pool.session)
    assert cleaned == [True]
    assert pool.replies() == []
    assert pool.ledger.slots[STARTED] == 1


def test_no_exception_is_left_behind_whenever_it_is_set(make_pool):
    """The control thread fires at any moment of many tiny tasks; what is between them is never hit."""
    pool = make_pool(lambda n: n)
    session = pool.session
    done = threading.Event()

    def control():
        while not done.is_set():
            pool.ledger.slots[ABORT] = session.current
            session.poke()

    thread = threading.Thread(target=control)
    thread.start()
    statuses = set()
    try:
        for sequence in range(1, 20_001):
            pool.run(sequence, data=sequence)
            if sequence % 100 == 0:
                session.flush()
                replies = pool.replies()
                statuses.update(reply[1] for reply in replies)
                assert all(reply[2] == reply[0] for reply in replies if reply[1] == DONE)
    finally:
        done.set()
        thread.join()
    assert DONE in statuses
    assert statuses <= {DONE, ABORTED}


def test_an_abort_is_held_off_while_large_data_is_placed(make_pool):
    done = []

    def place():
        pool.ledger.slots[ABORT] = 1
        for _ in range(3):
            pool.poke_elsewhere()
        # A finalizer may say something, and large data may be placed by what is pickled there.
        pool.session.say(pickle.dumps("said"))
        pool.session._guarded(lambda: done.append("inner"))
        done.append("outer")

    def task():
        pool.session._guarded(place)
        done.append("never")

    pool = make_pool(task)
    pool.run(1)
    pool.session.flush()
    assert done == ["inner", "outer"]
    assert pool.session._window == {}
    payloads = pool.decoder.read(pool.sock, memoryview(bytearray(65536)), socket.MSG_DONTWAIT)
    assert messages.read(payloads[0]) == (messages.MESSAGE, pickle.dumps("said"))
    assert [reply[:2] for reply in messages.read_replies(payloads[1])[4]] == [(1, ABORTED)]


def test_an_abort_is_held_off_in_finalizers_that_give_memory_back():
    held = []

    class Inbound:
        def returned(self, *_):
            held.append(importing(sys._getframe()))

    back = giving_back(Inbound(), None, 0, 0, 0)
    next(back)
    del back
    assert held == [True]
    assert not importing(sys._getframe())


def test_a_worker_whose_pool_is_gone_leaves(make_pool):
    pool = make_pool(len)
    pool.sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ChannelLost):
        run_blocking(pool.session)


def test_one_that_waits_can_be_woken_to_leave(make_pool):
    pool = make_pool(len)
    thread = threading.Timer(0.05, pool.session.link.hang_up)
    thread.start()
    with pytest.raises(ChannelLost):
        run_blocking(pool.session)
    thread.join()
