import marshal

import pytest

from poolifier.wire import frames, messages
from poolifier.wire.frames import FrameError


def test_a_message_survives_the_trip():
    frame = messages.message(messages.TASKS, [(1, "a", None)])
    [payload] = frames.FrameDecoder().feed(memoryview(frame))
    assert messages.read(payload) == (messages.TASKS, [(1, "a", None)])


def test_replies_written_one_by_one_are_read_together():
    replies = [(1, 0, "text", 0.5), (2, 0, None, 0.1, b"pickle"), (3, 2, 2**80, 0.0), (4, 0, "\ud800", 1e-9)]
    data = b"".join(marshal.dumps(reply, 2) for reply in replies)
    head = messages.REPLIES_HEAD.pack(*messages.replies_head(len(data), 7, 1.5, 2.5, True, len(replies)))
    [payload] = frames.FrameDecoder().feed(memoryview(head + data))
    assert payload[0] == messages.REPLIES_TAG
    assert messages.read_replies(payload) == (7, 1.5, 2.5, True, replies)
    assert messages.marshalled_replies(2, data) == replies[:2]


@pytest.mark.parametrize("read", [messages.read, messages.read_replies])
@pytest.mark.parametrize("payload", [b"", b"R", b"garbage", b"\x80\x05N.", b"R" + b"\0" * 40])
def test_garbage_is_an_error(read, payload):
    with pytest.raises(FrameError):
        read(memoryview(payload))
