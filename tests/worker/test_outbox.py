import os

import pytest

from poolifier.wire import messages
from poolifier.wire.frames import FrameDecoder
from poolifier.worker.ledger import COUNT, GENERATION, LENGTH, SIZE, Ledger, create_ledger
from poolifier.worker.outbox import REPLIES_START, Outbox


@pytest.fixture
def two_views():
    fd = create_ledger()
    worker, pool = Ledger(fd), Ledger(fd)
    os.close(fd)
    yield worker, pool
    worker.close()
    pool.close()


def test_the_frame_is_what_stands_in_the_outbox(two_views):
    worker, pool = two_views
    outbox = Outbox(worker)
    replies = [(1, 0, "one", 0.5), (2, 1, None, 0.1, b"pickle")]
    assert all(outbox.add(reply) for reply in replies)
    assert (pool.slots[COUNT], pool.slots[GENERATION]) == (2, 1)
    rescued = messages.marshalled_replies(2, bytes(pool.outbox[REPLIES_START : pool.slots[LENGTH]]))
    [payload] = FrameDecoder().feed(memoryview(bytes(outbox.seal(1.0, 2.0))))
    assert messages.read_replies(payload) == (1, 1.0, 2.0, True, replies)
    assert rescued == replies
    outbox.clear()
    assert (pool.slots[COUNT], pool.slots[GENERATION], outbox.count) == (0, 2, 0)
    assert outbox.add((3, 0, None, 0.0))
    [payload] = FrameDecoder().feed(memoryview(bytes(outbox.seal(1.0, 2.0))))
    assert messages.read_replies(payload) == (2, 1.0, 2.0, False, [(3, 0, None, 0.0)])


def test_what_does_not_fit_is_refused(two_views):
    outbox = Outbox(two_views[0])
    assert not outbox.add((1, 0, "x" * SIZE, 0.0))
    count = 0
    while outbox.add((count, 0, "x" * 1000, 0.0)):
        count += 1
    assert outbox.count == count > 60
    [payload] = FrameDecoder().feed(memoryview(bytes(outbox.seal(0.0, 0.0))))
    assert len(messages.read_replies(payload)[4]) == count


def test_a_half_written_reply_does_not_count(two_views):
    worker, pool = two_views
    outbox = Outbox(worker)
    outbox.add((1, 0, "one", 0.5))
    # As if it died after the bytes and before the count.
    outbox.add((2, 0, "two", 0.5))
    worker.slots[COUNT] = 1
    data = bytes(pool.outbox[REPLIES_START : pool.slots[LENGTH]])
    assert messages.marshalled_replies(pool.slots[COUNT], data) == [(1, 0, "one", 0.5)]
