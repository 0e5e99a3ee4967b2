"""Descriptors pass beside the channel, and are fetched by number."""

import gc
import os
import socket
import threading
import weakref

import pytest

from poolifier.wire.passing import Passing


@pytest.fixture
def ends(no_leaks):
    ours, theirs = (Passing(sock, waits=waits) for sock, waits in zip(socket.socketpair(), (False, True), strict=True))
    yield ours, theirs
    ours.close()
    theirs.close()


def opened(text):
    read, write = os.pipe()
    os.write(write, text)
    os.close(write)
    return read


def given(passing, number, text):
    fd = opened(text)
    passing.give(number, fd)
    os.close(fd)


def taken(passing, number):
    fd = passing.take(number)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


def test_they_are_fetched_by_number_and_in_order(ends):
    ours, theirs = ends
    for number, text in ((1, b"a"), (2, b"b"), (1, b"c")):
        given(ours, number, text)
    assert [taken(theirs, number) for number in (2, 1, 1)] == [b"b", b"a", b"c"]


def test_a_side_that_waits_gets_what_comes_later(ends):
    ours, theirs = ends
    thread = threading.Timer(0.05, given, (ours, 3, b"late"))
    thread.start()
    assert taken(theirs, 3) == b"late"
    thread.join()


def test_one_that_is_gone_keeps_nothing_of_who_asked(ends):
    class Thing:
        pass

    def ask():
        thing = Thing()
        with pytest.raises(OSError, match="gone"):
            ends[0].take(1)
        return weakref.ref(thing)

    ends[1].close()
    gc.disable()
    try:
        assert ask()() is None
    finally:
        gc.enable()


def test_a_side_that_must_not_wait_is_told(ends):
    with pytest.raises(OSError, match="has not arrived"):
        ends[0].take(1)


def test_what_the_other_side_gave_before_it_went_is_there(ends):
    ours, theirs = ends
    given(theirs, 1, b"last words")
    theirs.close()
    with pytest.raises(BrokenPipeError):
        ours.fetch()
    assert taken(ours, 1) == b"last words"
    with pytest.raises(BrokenPipeError):
        ours.take(2)
    ours.give(3, 0)  # to nobody: that is seen elsewhere


def test_one_that_gives_many_waits_until_they_are_taken(ends):
    ours, theirs = ends
    thread = threading.Thread(target=lambda: [given(theirs, number, b"%d" % number) for number in range(1000)])
    thread.start()
    seen = 0
    while seen < 1000:
        try:
            assert taken(ours, seen) == b"%d" % seen
        except OSError:
            continue
        seen += 1
    thread.join()


def test_what_was_not_fetched_is_closed(ends):
    given(ends[0], 1, b"x")
    ends[1].fetch()


def test_one_that_waits_is_woken_by_the_end_of_waiting(ends):
    ours, theirs = ends
    given(ours, 1, b"before")
    thread = threading.Timer(0.05, theirs.hang_up)
    thread.start()
    with pytest.raises(BrokenPipeError):
        theirs.take(2)
    thread.join()
    assert taken(theirs, 1) == b"before"
