import random
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolifier.wire import frames
from poolifier.wire.frames import FrameDecoder, FrameError


@given(st.lists(st.binary(max_size=40)), st.integers(0, 2**32))
def test_any_cut_of_the_stream_gives_the_same_payloads(payloads, seed):
    stream = b"".join(frames.frame(payload) for payload in payloads)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(stream)
        theirs.close()
        decoder, chance, received = FrameDecoder(), random.Random(seed), []
        while (cut := decoder.read(ours, memoryview(bytearray(chance.randint(1, 30))))) is not None:
            received += [bytes(payload) for payload in cut]
    assert received == payloads


def test_a_large_payload_is_received_in_place():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        payload = bytes(range(256)) * 100
        theirs.sendall(frames.frame(b"small") + frames.frame(payload) + frames.frame(b"next"))
        decoder, received = FrameDecoder(), []
        buffer = memoryview(bytearray(1000))
        while len(received) < 3:
            received += [bytes(one) if isinstance(one, memoryview) else one for one in decoder.read(ours, buffer)]
    assert received == [b"small", payload, b"next"]
    assert isinstance(received[1], bytearray)


@pytest.mark.parametrize("garbage", [b"garbage!", b"\0" * 8, b"\xff" * 8, frames.HEADER.pack((0x504C << 48) | 2**37)])
def test_garbage_is_an_error(garbage):
    with pytest.raises(FrameError, match="expected the head of a frame"):
        FrameDecoder().feed(memoryview(garbage))


def test_no_room_for_a_payload_is_an_error(monkeypatch):
    def no_room(_):
        raise MemoryError

    monkeypatch.setattr(frames, "bytearray", no_room, raising=False)
    with pytest.raises(FrameError, match="no room"):
        FrameDecoder().feed(memoryview(frames.header(100) + b"x"))


def test_too_large_a_payload_is_not_sent():
    with pytest.raises(FrameError, match="at most"):
        frames.header(frames.MAX_FRAME + 1)


def test_reading_without_waiting():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(BlockingIOError):
        FrameDecoder().read(ours, memoryview(bytearray(10)), socket.MSG_DONTWAIT)
