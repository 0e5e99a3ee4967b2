"""The handshake of an abort: an exception that is set is delivered in its own task, or cleared; never later."""

import random
import sys
import threading
import time
from contextvars import Context

import pytest

from poolifier.backends import interrupt
from poolifier.backends.thread.invoke import guarded, run_plain
from poolifier.backends.thread.worker import LEAVE, MESSAGE, ThreadWorker
from poolifier.errors import TaskAborted
from poolifier.exchange import ABORTED, DONE, FAILED, MAPPED, InContext, Items, WorkerSettings
from poolifier.worker.registry import Entry

TASKS = 20_000


class NoLoop:
    def call_soon_threadsafe(self, callback, *arguments):
        pass


@pytest.fixture
def worker():
    worker = ThreadWorker(NoLoop(), lambda: None, WorkerSettings())
    worker.enter()
    return worker


@pytest.fixture
def quick_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run(worker, task, function):
    worker.started = task[0]
    run_plain(worker, task, Entry("function", function), time.perf_counter())
    return [worker.outgoing.popleft()[:3] for _ in range(len(worker.outgoing))]


@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize("lateness", [0.0, 0.0002], ids=["prompt", "late"])
def test_no_exception_is_left_when_a_task_is_over(worker, monkeypatch, lateness):
    """The aborter is slowed down between its decision and its deed, which is where a task may end."""
    chance = random.Random(11)
    set_exception = interrupt.set_exception

    def set_late(*arguments):
        if lateness:
            time.sleep(chance.random() * lateness)
        return set_exception(*arguments)

    monkeypatch.setattr(interrupt, "set_exception", set_late)
    interrupt.load()
    over = threading.Event()
    asked = []

    def abort():
        rounds = random.Random(12)
        while not over.is_set():
            sequence = worker.started
            if sequence and (not asked or asked[-1] < sequence):
                asked.append(sequence)
                worker.abort(sequence)
            for _ in range(rounds.randrange(60)):
                pass

    def work(loops):
        for _ in range(loops):
            pass
        return "done"

    aborter = threading.Thread(target=abort)
    aborter.start()
    results = []
    try:
        for sequence in range(1, TASKS + 1):
            # Anything that is raised out here was meant for a task that is over.
            results += run(worker, (sequence, "work", chance.choice([0, 0, 10, 100]), sequence), work)
    finally:
        over.set()
        aborter.join()
    for _ in range(1000):  # an exception that is pending would come now
        pass
    assert [sequence for sequence, _, _ in results] == list(range(1, TASKS + 1))
    aborted = {sequence for sequence, status, _ in results if status == ABORTED}
    assert {status for _, status, _ in results} == {DONE, ABORTED}
    assert all(value == "done" for _, status, value in results if status == DONE)
    assert aborted <= set(asked)
    assert len(aborted) > len(asked) / 10


def test_an_abort_before_the_code_is_found_in_time(worker):
    ran = []
    worker.abort(1)
    assert run(worker, (1, "f", None, 1), lambda: ran.append(1)) == [(1, ABORTED, None)]
    assert run(worker, (2, "f", None, 2), lambda: ran.append(2)) == [(2, DONE, None)]
    assert ran == [2]


def test_a_task_that_waits_is_dropped(worker):
    worker.inbox.extend([(1, "f", None, 1), (2, "f", None, 2), (3, "f", None, 3)])
    assert worker.abort(2)
    assert [task[0] for task in worker.inbox] == [1, 3]
    assert not worker.abort(2)


def test_an_abort_that_the_code_swallows_still_counts(worker):
    def swallow(_):
        threading.Thread(target=worker.abort, args=(1,)).start()
        try:
            while True:
                pass
        except TaskAborted:
            return "unmoved"

    assert run(worker, (1, "f", 0, 1), swallow) == [(1, ABORTED, None)]


def test_one_that_fails_by_itself_meanwhile_is_aborted_too(worker):
    def fail(_):
        # The exception is set here, and delivered no later than at the end of this call.
        worker.abort(1)
        raise ValueError

    assert run(worker, (1, "f", 0, 1), fail) == [(1, ABORTED, None)]
    for _ in range(1000):
        pass


def test_one_that_raises_taskaborted_of_its_own_accord_has_failed(worker):
    def give_up(_):
        raise TaskAborted

    ((sequence, status, error),) = run(worker, (1, "f", 0, 1), give_up)
    assert (sequence, status, type(error)) == (1, FAILED, TaskAborted)


def test_a_worker_that_is_to_leave_starts_nothing(worker):
    ran = []
    worker.wanted.add(LEAVE)
    worker.started = 1
    assert guarded(worker, 1, lambda: ran.append(1)) is not None
    assert not ran
    assert worker.started == 0, "it counts as not started, so it runs elsewhere"


def test_items_run_each_in_a_context_of_its_own(worker):
    contexts = []

    def note(item):
        contexts.append(item)
        return item * 2

    data = InContext(Context(), Items([1, 2, 3]))
    assert run(worker, (1, "f", data, 1), note) == [(1, MAPPED, 2), (1, MAPPED, 4), (1, DONE, 6)]


def test_a_map_is_cut_between_two_items(worker):
    def note(item):
        worker.cut = 1
        return item

    replies = run(worker, (1, "f", InContext(Context(), Items([1, 2, 3])), 1), note)
    assert [status for _, status, _ in replies] == [MAPPED, 3]


def test_an_error_keeps_no_frame_of_the_worker(worker):
    def fail(_):
        raise ValueError

    ((_, _, error),) = run(worker, (1, "f", 0, 1), fail)
    assert error.__traceback__.tb_frame.f_code is fail.__code__


class Careless(ThreadWorker):
    """Its task is aborted at the worst moment: the loop counts as called, and has not been."""

    def __init__(self, calls):
        super().__init__(NoLoop(), lambda: None, WorkerSettings())
        self.enter()
        self.calls = calls
        self.when = None

    @property
    def _fetch(self):
        if self.when is not None:
            self.abort(self.when)
        return None

    @_fetch.setter
    def _fetch(self, _):
        pass

    def call_loop(self, callback, *arguments):
        self.calls.append(callback)


def test_an_abort_while_a_task_speaks_does_not_keep_the_loop_from_fetching():
    calls, stopped = [], []
    worker = Careless(calls)

    def speak():
        try:
            worker.say("hello")
        except TaskAborted:
            stopped.append(len(calls))
            raise

    worker.when = 1
    assert [status for _, status, _ in run(worker, (1, "f", None, 1), speak)] == [MESSAGE, ABORTED]
    assert stopped == [1], "it is raised once all is said"
    worker.when, worker.notified = None, False
    assert [status for _, status, _ in run(worker, (2, "f", None, 2), speak)] == [MESSAGE, DONE]
    assert len(calls) == 2


def test_a_task_that_speaks_in_the_middle_of_an_import_is_aborted_after_it(worker, monkeypatch):
    held, over = [], []
    monkeypatch.setattr("poolifier.backends.interrupt.importing", lambda _: not over)
    monkeypatch.setattr("poolifier.backends.interrupt.importing", lambda _: not over)
    monkeypatch.setattr("poolifier.backends.thread.worker.look_until", lambda look, _: held.append(look))

    def speak():
        worker.abort(1)
        worker.say("first")
        worker.say("second")
        over.append(True)
        worker.say("third")

    statuses = [status for _, status, _ in run(worker, (1, "f", None, 1), speak)]
    assert statuses == [MESSAGE, MESSAGE, MESSAGE, ABORTED]
    (look,) = held
    assert look(), "there is nothing left to interrupt"
