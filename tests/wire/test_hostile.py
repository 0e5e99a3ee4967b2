"""Whatever bytes arrive, the decoders answer with what was said or with a FrameError, and with nothing else."""

import marshal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolifier.exchange import MAPPED_RUN
from poolifier.wire import messages, reply_form
from poolifier.wire.frames import FrameDecoder, FrameError, frame
from poolifier.wire.reply_form import checked_replies
from tests.wire.decoding import (
    MESSAGES,
    check,
    check_payload,
    check_replies,
    little_memory,
    only_our_pickles,
    replies_payload,
    seeds,
)

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


@pytest.mark.parametrize("seed", seeds())
def test_what_is_said_in_earnest_is_read(seed):
    with only_our_pickles():
        check(seed)


@pytest.mark.once
@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=200) | st.sampled_from(seeds()).flatmap(mutated))
def test_garbage_is_read_or_refused(data):
    with little_memory(), only_our_pickles():
        check(data)


@settings(deadline=None)
@given(st.lists(GOOD, max_size=20))
def test_replies_survive(replies):
    _, _, _, _, read = messages.read_replies(memoryview(replies_payload(replies)))
    assert repr(read) == repr(replies)
    data = b"".join(marshal.dumps(reply, 2) for reply in replies)
    assert repr(messages.marshalled_replies(len(replies), data)) == repr(replies)


@pytest.fixture(params=[True, False], ids=["loop", "built-ins"], scope="module")
def way(request):
    """Both ways in which replies are looked at, of which compiled code takes one and Python the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reply_form, "compiled", request.param)
        yield


@settings(max_examples=300, deadline=None)
@given(
    st.lists(ANYTHING, min_size=1, max_size=5)
    | st.lists(GOOD, min_size=1, max_size=3)
    .flatmap(lambda good: st.tuples(st.just(good), st.integers(0, 4), ANYTHING))
    .map(lambda drawn: [(*drawn[0][0][: drawn[1]], drawn[2], *drawn[0][0][drawn[1] + 1 :]), *drawn[0][1:]])
)
def test_what_has_not_the_form_of_replies_is_refused(way, replies):
    """What passes can be handed on: each has its parts, and they have their types."""
    try:
        checked = checked_replies(replies, 0.0, 0.0)
    except FrameError:
        return
    check_replies(checked)


@pytest.mark.parametrize(
    ("replies", "active", "idle", "pickles"),
    [
        (None, 0.0, 0.0, True),
        ((), 0.0, 0.0, True),
        ([(1, 0, None, 0.1, b"pickle")], 0.0, 0.0, False),
        ([(1, 0, None)], 0.0, 0.0, True),
        ([("1", 0, None, 0.1)], 0.0, 0.0, True),
        ([(1, 9, None, 0.1)], 0.0, 0.0, True),
        ([(1, -1, None, 0.1)], 0.0, 0.0, True),
        ([(1, 2**70, None, 0.1)], 0.0, 0.0, True),
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
def test_forms_that_are_refused(way, replies, active, idle, pickles):
    with pytest.raises(FrameError, match="expected replies"):
        checked_replies(replies, active, idle, pickles=pickles)


def test_what_has_the_form_of_replies_is_taken_either_way(way):
    replies = [(1, 0, "text", 0.5), (2**70, 0, None, 0.1, b"pickle"), (3, 2, None, 0.0)]
    assert checked_replies(replies, 1.0, 0.0) is replies
    assert checked_replies([], 0.0, 1.0, pickles=False) == []


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
    with little_memory(), only_our_pickles():
        try:
            for payload in decoder.feed(memoryview(stream[:at] + garbage)):
                received.append(bytes(payload))
                check_payload(received[-1])
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
