"""Streams in a worker without an event loop, with the pool in this very process; signals are calls of the handler."""

import pytest

from poolifier.errors import SerializationError, TaskAborted
from poolifier.exchange import ABORTED, EXHAUSTED, FAILED, ITEM, RETURNED
from poolifier.wire import messages
from poolifier.wire.remote_errors import decode_error
from poolifier.worker.ledger import ABORT, STARTED
from poolifier.worker.runtime import run_blocking
from poolifier.worker.streams import Stream, run_stream


def stream(pool, sequence=1, buffer=100, data=None):
    task = (sequence, "default", data, 5000 + sequence, (1, None, buffer))
    run_stream(pool.session, task, pool.session.registry.entries["default"], 0.0)
    pool.session.flush()
    assert pool.session.current == 0
    assert pool.session.streams == {}
    return pool.replies()


def shapes(replies):
    return [(status, value) for _, status, value, *_ in replies]


def test_items_and_then_the_end(make_pool):
    def count():
        assert pool.ledger.slots[STARTED] == 3
        yield from range(3)

    pool = make_pool(count)
    replies = stream(pool, sequence=3)
    assert {reply[0] for reply in replies} == {3}
    assert shapes(replies) == [(ITEM, 0), (ITEM, 1), (ITEM, 2), (EXHAUSTED, None)]


def test_it_waits_for_credit_and_serves_the_pool_meanwhile(make_pool):
    seen = []

    def count():
        for number in range(4):
            seen.append(number)
            if number == 1:
                # All of this is read when the credit is used up, which is before the next step.
                pool.say(messages.TASKS, [(2, "default", None, 2), (3, "default", None, 3)])
                pool.say(messages.ABORT, 2)
                pool.say(messages.RECLAIM)
                pool.say(messages.CREDIT, (7, 9))  # for a stream that has ended
                pool.say(messages.CREDIT, (1, 5))
            yield number

    pool = make_pool(count)
    replies = stream(pool, buffer=2)
    assert [reply[:2] for reply in replies] == [
        (1, ITEM),
        (1, ITEM),
        (2, ABORTED),
        (3, RETURNED),
        (1, ITEM),
        (1, ITEM),
        (1, EXHAUSTED),
    ]
    assert seen == [0, 1, 2, 3]


def test_an_abort_ends_the_wait_for_credit(make_pool):
    left = []

    def count():
        try:
            pool.say(messages.ABORT, 1)
            while True:
                yield 0
        finally:
            left.append(pool.session.current)

    pool = make_pool(count)
    assert shapes(stream(pool, buffer=3)) == [(ITEM, 0)] * 3 + [(ABORTED, None)]
    # Its `finally` ran as the task's code, so that it could have been poked.
    assert left == [1]


def test_an_abort_is_raised_once_in_a_generator_at_work(make_pool):
    raised = []

    def work():
        yield 0
        pool.ledger.slots[ABORT] = 1
        for _ in range(3):
            try:
                pool.poke()
            except TaskAborted:
                raised.append(pool.session.current)
        yield 1
        raised.append("went on")

    pool = make_pool(work)
    assert shapes(stream(pool)) == [(ITEM, 0), (ABORTED, None)]
    assert raised == [1]


def test_a_poke_in_the_workers_own_code_is_served_before_the_next_step(make_pool, monkeypatch):
    def count():
        yield 0
        raise AssertionError("it went on")

    pool = make_pool(count)
    reply = type(pool.session).reply

    def interrupted(session, what):
        pool.ledger.slots[ABORT] = 1
        pool.poke()
        reply(session, what)

    monkeypatch.setattr(type(pool.session), "reply", interrupted)
    assert shapes(stream(pool)) == [(ITEM, 0), (ABORTED, None)]


def test_a_poke_while_it_waits_is_left_to_the_wait(make_pool, monkeypatch):
    pool = make_pool(lambda: (yield from range(2)))
    wait = type(pool.session.link).wait

    def poked(link):
        # Were this served at once, the wait would not end.
        pool.say(messages.CREDIT, (1, 5))
        pool.poke()
        wait(link)

    monkeypatch.setattr(type(pool.session.link), "wait", poked)
    assert shapes(stream(pool, buffer=1)) == [(ITEM, 0), (ITEM, 1), (EXHAUSTED, None)]


def test_an_abort_just_before_it_is_closed_does_not_keep_it_from_that(make_pool, monkeypatch):
    left = []

    def fail():
        try:
            yield (n for n in ())
        finally:
            left.append(True)

    pool = make_pool(fail)
    take = Stream.take

    def aborted_late(running, value):
        try:
            take(running, value)
        except SerializationError:
            pool.ledger.slots[ABORT] = 1
            pool.session.poked = True  # to be served when the code of the task is next entered, to close it
            raise

    monkeypatch.setattr(Stream, "take", aborted_late)
    assert shapes(stream(pool)) == [(ABORTED, None)]
    assert left == [True]


def test_an_error_while_it_is_closed_comes_with_the_one_before(make_pool):
    def fail():
        try:
            yield (n for n in ())
        finally:
            raise KeyError("in the end")

    pool = make_pool(fail)
    [reply] = stream(pool)
    assert reply[:2] == (1, FAILED)
    error = decode_error(reply[4])
    assert type(error) is KeyError
    assert type(error.__context__) is GeneratorExit
    assert type(error.__context__.__context__) is SerializationError


@pytest.mark.parametrize("buffer", [0, 4])
def test_the_wrong_call_is_answered_in_its_turn(make_pool, buffer):
    pool = make_pool({"plain": lambda: 1, "stream": lambda: (yield 1)})
    terms = (1, None, buffer)
    wrong = "plain" if buffer else "stream"
    pool.say(messages.TASKS, [(1, wrong, None, 1, terms), (2, wrong, [], 2, terms)])
    pool.say(messages.STOP)
    run_blocking(pool.session)
    replies = pool.replies()
    assert [reply[:2] for reply in replies] == [(1, FAILED), (2, FAILED)]
    assert "pool." in str(decode_error(replies[0][4]))
