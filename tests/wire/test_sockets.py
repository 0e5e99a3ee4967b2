"""Sockets of the pool's own are what they are, whatever the program has set for sockets in general."""

import os
import signal
import socket

import pytest

from poolifier.wire.sockets import NO_SIGNAL, above_standard, open_socket, pipe_pair, recv_fds, send_fds, socket_pair
from tests.faults.programs import run_program


@pytest.fixture
def pair(no_leaks):
    ours, theirs = socket_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("timeout", [None, 0, 0.01, 10])
def test_they_block_whatever_the_default_is(no_leaks, timeout):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout)
    try:
        ours, theirs = socket_pair()
        again = open_socket(theirs.detach())
        for sock in (ours, again):
            assert sock.gettimeout() is None
            assert os.get_blocking(sock.fileno())
            sock.close()
    finally:
        socket.setdefaulttimeout(before)


def test_they_are_of_no_class_that_a_library_may_replace(pair):
    assert not isinstance(pair[0], socket.socket)


def test_a_write_to_what_is_gone_is_an_error_and_no_signal(pair):
    ours, theirs = pair
    theirs.close()
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        with pytest.raises(BrokenPipeError):
            ours.send(b"x", NO_SIGNAL)
        with pytest.raises(BrokenPipeError):
            send_fds(ours, b"x", [0])
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_descriptors_travel_and_are_not_inherited(pair):
    ours, theirs = pair
    read, write = pipe_pair()
    assert send_fds(ours, b"abc", [read, write]) == 3
    data, fds, lost = recv_fds(theirs, 100, 2)
    assert (data, len(fds), lost) == (b"abc", 2, False)
    os.write(fds[1], b"x")
    assert os.read(read, 1) == b"x"
    assert not any(map(os.get_inheritable, fds))
    for fd in (read, write, *fds):
        os.close(fd)


def test_those_that_there_is_no_room_for_are_told_as_lost(pair):
    ours, theirs = pair
    send_fds(ours, b"abc", [0, 1, 2])
    data, fds, lost = recv_fds(theirs, 100, 1)
    assert (data, lost) == (b"abc", True)
    for fd in fds:
        os.close(fd)


def test_a_high_number_stays(no_leaks):
    read, write = pipe_pair()
    assert above_standard(read) == read
    os.close(read)
    os.close(write)


def test_where_standard_streams_are_closed_none_gets_their_numbers(tmp_path):
    source = """
        import os
        from poolifier.wire.sealing import shared_file
        from poolifier.wire.sockets import pipe_pair, recv_fds, send_fds, socket_pair
        os.closerange(0, 3)
        ours, theirs = socket_pair()
        fds = [ours.fileno(), theirs.fileno(), *pipe_pair(), shared_file("x", 10)]
        send_fds(ours, b"x", fds[-2:])
        fds += recv_fds(theirs, 1, 2)[1]
        say(len(fds), min(fds) > 2, any(map(os.get_inheritable, fds)))
        """
    assert run_program(tmp_path, source).said == ["7 True False"]
