import marshal

import pytest

from poolifier.exchange import MAPPED_RUN
from poolifier.wire import frames, messages
from poolifier.wire.frames import FrameError
from poolifier.wire.reply_form import checked_replies


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


def test_a_run_is_written_value_by_value():
    values = [1, "text", {"i": 2**80}, (None, 0.5)]
    parts = [marshal.dumps(part, 2) for part in (*values, [3, 1], [0.25, 0.5], 1.25)]
    data = messages.run_head(2**40, len(values)) + b"".join(parts)
    run = (2**40, MAPPED_RUN, (values, [3, 1], [0.25, 0.5]), 1.25)
    assert messages.marshalled_replies(1, data) == [run]
    assert messages.marshalled_values(b"".join(parts[:4])) == values
    assert messages.marshalled_values(b"") == []


@pytest.mark.parametrize("data", [b"garbage", b"i\1\0", marshal.dumps(1)[:-1], marshal.dumps([1]) + b"\0"])
def test_what_is_no_values_is_an_error(data):
    with pytest.raises(FrameError):
        messages.marshalled_values(data)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        ([], [], []),
        ([1], [1], []),
        ([1], [2], [0.1]),
        ([1], [1.0], [0.1]),
        ([1], [1], [1]),
        ([1], [1], [-0.1]),
        ([1], [1], [float("nan")]),
        ([1, 2], [3, -1], [0.1, 0.1]),
        ((1,), [1], [0.1]),
        ([1], [1], [0.1], 1),
    ],
    ids=repr,
)
def test_a_run_that_makes_no_sense_is_an_error(value):
    with pytest.raises(FrameError):
        checked_replies([(1, MAPPED_RUN, value, 0.1)], 0.0, 0.0)


@pytest.mark.parametrize("read", [messages.read, messages.read_replies])
@pytest.mark.parametrize("payload", [b"", b"R", b"garbage", b"\x80\x05N.", b"R" + b"\0" * 40])
def test_garbage_is_an_error(read, payload):
    with pytest.raises(FrameError):
        read(memoryview(payload))
