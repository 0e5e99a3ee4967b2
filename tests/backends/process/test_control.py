"""Messages between a pool and its fork server: whole whatever their size, and with their descriptors."""

import os
import socket
import threading

import pytest

from poolifier.backends.process.control import ControlReader, control_message


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_messages_that_come_together_and_in_pieces(ends):
    ours, theirs = ends
    reader = ControlReader(theirs)
    data = b"".join(control_message(number) for number in range(3))
    ours.sendall(data[:20])
    first, _ = reader.read()
    ours.sendall(data[20:])
    second, _ = reader.read()
    assert [*first, *second] == [0, 1, 2]


def test_the_end(ends):
    ours, theirs = ends
    ours.close()
    assert ControlReader(theirs).read() is None


def test_descriptors_come_with_their_message(ends):
    ours, theirs = ends
    reader = ControlReader(theirs)
    read, write = os.pipe()
    try:
        socket.send_fds(ours, [control_message("a")], [write])
        ours.sendall(control_message("b"))
        messages, fds = reader.read()
        assert (messages, len(fds)) == (["a"], 1)
        os.write(fds[0], b"x")
        assert os.read(read, 1) == b"x"
        os.close(fds[0])
        assert reader.read() == (["b"], [])
    finally:
        os.close(read)
        os.close(write)


def test_a_large_message_between_small_ones(ends):
    ours, theirs = ends
    reader = ControlReader(theirs)
    large = bytes(3 << 20)
    writing = threading.Thread(target=ours.sendall, args=(b"".join(map(control_message, (1, large, 2))),))
    writing.start()
    messages = []
    while len(messages) < 3:
        messages += reader.read()[0]
    writing.join()
    assert messages == [1, large, 2]
