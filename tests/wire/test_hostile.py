"""Whatever bytes arrive, the decoders answer with what was said or with a FrameError, and with nothing else."""

import marshal
import resource
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolifier.exchange import MAPPED_RUN, WorkerReady
from poolifier.task_functions import KillBehavior
from poolifier.wire import messages
from poolifier.wire.frames import FrameDecoder, FrameError, frame
from poolifier.wire.log_records import pack_record, unpack_record
from poolifier.wire.remote_errors import decode_error, encode_error


@contextmanager
def little_memory():
    """A pickle may ask for any amount of memory; it is to be refused at once here, not to be found by swapping."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (512 << 20), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def replies_payload(replies, generation=1, pickles=True, active=1.0, idle=2.0):
    data = b"".join(marshal.dumps(reply, 2) for reply in replies)
    head = messages.replies_head(len(data), generation, active, idle, pickles, len(replies))
    return (messages.REPLIES_HEAD.pack(*head) + data)[8:]


ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.binary(max_size=10)
ANYTHING = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=5) | st.lists(inner, max_size=5).map(tuple))
RUNS = st.lists(st.tuples(st.lists(ATOMS, min_size=1, max_size=3), st.floats(0, 1e6)), min_size=1, max_size=3).map(
    lambda groups: (
        [value for values, _ in groups for value in values],
        [len(values) for values, _ in groups],
        [mean for _, mean in groups],
    )
)
GOOD = (
    st.tuples(st.integers(0, 2**62), st.integers(0, 8), ATOMS, st.floats(0, 1e6))
    | st.tuples(st.integers(0, 2**62), st.integers(0, 8), st.none(), st.floats(0, 1e6), st.binary(max_size=20))
    | st.tuples(st.integers(0, 2**62), st.just(MAPPED_RUN), RUNS, st.floats(0, 1e6))
)
RECORD = {
    "name": "app",
    "levelno": 20,
    "levelname": "INFO",
    "msg": "text",
    "pathname": "/a/b.py",
    "lineno": 3,
    "created": 1.5,
}
READY = WorkerReady((), 60.0, KillBehavior.SOFT, 1)
MESSAGES = [
    messages.message(messages.READY, READY)[8:],
    messages.message(messages.BULK, (1, 0.0, 0.0, [(1, 0, None, 0.1, b"pickle")]))[8:],
    messages.message(messages.FUNCTION_ADDED, ("key", None))[8:],
    messages.message(messages.LOG, pack_record(RECORD, {"a": 1, "b": [2]}))[8:],
    replies_payload([(1, 0, "text", 0.5), (2, 1, None, 0.1, b"pickle")]),
    replies_payload([(1, MAPPED_RUN, ([1, 2, 3], [2, 1], [0.1, 0.2]), 0.4), (1, 0, "text", 0.5)]),
]


def mutated(original):
    def apply(edits):
        data = bytearray(original)
        for at, byte, cut in edits:
            data[at % len(data)] = byte
            if cut:
                del data[max(1, at % len(data)) :]
        return bytes(data)

    edit = st.tuples(st.integers(0, 2**16), st.integers(0, 255), st.sampled_from([False, False, False, True]))
    return st.lists(edit, min_size=1, max_size=4).map(apply)


def read_any(payload):
    """As a channel does."""
    if payload and payload[0] == messages.REPLIES_TAG:
        return messages.read_replies(memoryview(payload))
    opcode, body = messages.read(memoryview(payload))
    return unpack_record(body) if opcode == messages.LOG else (opcode, body)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | st.sampled_from(MESSAGES).flatmap(mutated))
def test_garbage_is_read_or_refused(payload):
    with little_memory(), suppress(FrameError):
        read_any(payload)


@settings(deadline=None)
@given(st.lists(GOOD, max_size=20))
def test_replies_survive(replies):
    _, _, _, _, read = messages.read_replies(memoryview(replies_payload(replies)))
    assert repr(read) == repr(replies)
    data = b"".join(marshal.dumps(reply, 2) for reply in replies)
    assert repr(messages.marshalled_replies(len(replies), data)) == repr(replies)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(ANYTHING, min_size=1, max_size=5)
    | st.lists(GOOD, min_size=1, max_size=3)
    .flatmap(lambda good: st.tuples(st.just(good), st.integers(0, 4), ANYTHING))
    .map(lambda drawn: [(*drawn[0][0][: drawn[1]], drawn[2], *drawn[0][0][drawn[1] + 1 :]), *drawn[0][1:]])
)
def test_what_has_not_the_form_of_replies_is_refused(replies):
    """What passes can be handed on: each has its parts, and they have their types."""
    try:
        messages.check_replies(replies, 0.0, 0.0)
    except FrameError:
        return
    for reply in replies:
        sequence, status, _, run_time, *pickled = reply
        assert isinstance(sequence, int)
        assert status in range(MAPPED_RUN + 1)
        assert isinstance(run_time, float)
        assert len(pickled) <= 1
    assert 0.0 <= sum(reply[3] for reply in replies) < 1e12


@pytest.mark.parametrize(
    ("replies", "active", "idle", "pickles"),
    [
        (None, 0.0, 0.0, True),
        ((), 0.0, 0.0, True),
        ([(1, 0, None, 0.1, b"pickle")], 0.0, 0.0, False),
        ([(1, 0, None)], 0.0, 0.0, True),
        ([("1", 0, None, 0.1)], 0.0, 0.0, True),
        ([(1, 9, None, 0.1)], 0.0, 0.0, True),
        ([(1, [], None, 0.1)], 0.0, 0.0, True),
        ([(1, 0, None, 1)], 0.0, 0.0, True),
        ([(1, 0, None, float("nan"))], 0.0, 0.0, True),
        ([(1, 0, None, float("inf"))], 0.0, 0.0, True),
        ([(1, 0, None, -1.0)], 0.0, 0.0, True),
        ([], float("nan"), 0.0, True),
        ([], 0.0, "idle", True),
        ([{1: 2, 3: 4, 5: 6, 7: 8}], 0.0, 0.0, True),
    ],
)
def test_forms_that_are_refused(replies, active, idle, pickles):
    with pytest.raises(FrameError, match="expected replies"):
        messages.check_replies(replies, active, idle, pickles=pickles)


@pytest.mark.parametrize("count", [2, 1000, 2**31, 2**63])
def test_replies_that_are_not_in_the_outbox_are_not_taken_from_it(count):
    with pytest.raises(FrameError):
        messages.marshalled_replies(count, marshal.dumps((1, 0, None, 0.1), 2))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_a_stream_that_goes_astray_is_noticed(garbage, at):
    """Either the decoder says so, or what it makes of it cannot be read, or it waits for what does not come."""
    stream = b"".join(frame(payload) for payload in MESSAGES)
    decoder, received, refused = FrameDecoder(), [], False
    with little_memory():
        try:
            for payload in decoder.feed(memoryview(stream[:at] + garbage)):
                received.append(bytes(payload))
                read_any(received[-1])
        except FrameError:
            refused = True
    whole = b"".join(frame(payload) for payload in received)
    assert refused or decoder.unfinished or (stream[:at] + garbage) == whole


@pytest.mark.parametrize("cut", range(len(frame(b"payload"))))
def test_an_unfinished_frame_shows(cut):
    decoder = FrameDecoder()
    assert not decoder.unfinished
    assert decoder.feed(memoryview(frame(b"payload")[:cut])) == []
    assert decoder.unfinished == (cut > 0)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100) | mutated(encode_error(LookupError("lost"))))
def test_an_error_that_is_garbage_is_an_error(payload):
    with little_memory():
        assert isinstance(decode_error(payload), BaseException)
