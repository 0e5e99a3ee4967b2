"""Large values go through shared memory, and arrive as what they were."""

import array
import gc
import os
import pickle
import socket
import threading
import weakref

import numpy as np
import pytest

from poolifier import SerializationError, SharedBuffer
from poolifier.wire.codec import LARGE, NeedsPoolError, decode
from poolifier.wire.owned import HUGE
from poolifier.wire.parcels import Packer, Unpacker
from poolifier.wire.passing import Passing


class Ends:
    def __init__(self):
        ours, theirs = socket.socketpair()
        self.ours, self.theirs = Passing(ours, waits=False), Passing(theirs, waits=True)
        self.packer = Packer(self.ours.give)
        self.unpacker = Unpacker(self.theirs)

    def pack(self, value):
        payload = self.packer.pack(value)
        self.packer.copy()
        self.packer.commit()
        return payload

    def carry(self, value):
        payload = self.pack(value)
        return decode(self.unpacker.bind(payload) if type(payload) is tuple else payload)

    def busy(self):
        gc.collect()
        return self.packer._outbound.busy()

    def close(self):
        self.packer.close()
        self.unpacker.close()
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def ends(no_leaks):
    ends = Ends()
    yield ends
    ends.close()


SIZES = [0, 1, LARGE - 1, LARGE, LARGE + 1, 1_000_003, HUGE + 5]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bytes_arrive_as_what_they_were(ends, size, kind):
    value = kind(os.urandom(size))
    arrived = ends.carry(value)
    assert type(arrived) is kind
    assert arrived == value
    if kind is bytearray:
        arrived += b"more"  # it owns its memory


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("nest", [False, True])
def test_a_memoryview_arrives_as_one(ends, size, nest):
    value = bytearray(os.urandom(size))
    arrived = ends.carry([memoryview(value)])[0] if nest else ends.carry(memoryview(value))
    assert type(arrived) is memoryview
    assert arrived == value
    assert not arrived.readonly


def test_a_memoryview_keeps_its_shape_and_format(ends):
    numbers = array.array("d", range(20_000))
    view = memoryview(numbers).cast("B").cast("d", (100, 200))
    arrived = ends.carry(view)
    assert (arrived.format, arrived.shape) == ("d", (100, 200))
    assert arrived.tolist() == view.tolist()
    assert ends.carry(memoryview(numbers)[::2]).tolist() == numbers[::2].tolist()
    assert ends.carry(memoryview(bytes(100_000))).readonly
    with pytest.raises(TypeError, match="format"):
        ends.carry(memoryview(np.zeros(20_000, dtype=">f8")))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(100_000, dtype=float),
        np.arange(100_000).reshape(100, 1000).T,
        np.arange(60_000, dtype="i4").reshape(3, -1)[:, ::2],
        np.zeros((0, 5)),
        np.array(7),
        np.array([None, "x", 3] * 50_000, dtype=object),
        np.zeros(50_000, dtype=[("a", "i4"), ("b", "f8")]),
        np.datetime64("2020-01-01") + np.arange(50_000),
    ],
    ids=lambda value: f"{value.dtype}-{value.shape}",
)
def test_numpy_arrays_arrive_equal_and_their_own(ends, value):
    arrived = ends.carry(value)
    assert arrived.dtype == value.dtype
    assert np.array_equal(arrived, value)
    assert arrived.flags.writeable == value.flags.writeable
    if value.size == 100_000 and value.dtype == float:
        arrived[0] = -1
        assert value[0] == 0


def test_a_read_only_array_stays_read_only(ends):
    value = np.arange(100_000)
    value.flags.writeable = False
    assert not ends.carry(value).flags.writeable


def test_buffers_in_the_depth_of_a_value(ends):
    value = {
        "a": [np.ones(100_000), (b"z" * 200_000, {"b": bytearray(300_000)})],
        "t": "ü" * 100_000,
        "n": list(range(50_000)),
    }
    arrived = ends.carry(value)
    assert np.array_equal(arrived["a"][0], value["a"][0])
    assert arrived["a"][1] == value["a"][1]
    assert (arrived["t"], arrived["n"]) == (value["t"], value["n"])


def test_what_is_no_buffer_but_large_goes_the_same_way(ends):
    value = [str(number) for number in range(20_000)]
    payload = ends.pack(value)
    assert type(payload) is tuple
    assert decode(ends.unpacker.bind(payload)) == value


def test_what_needs_cloudpickle_keeps_its_buffers(ends):
    numbers = np.arange(100_000)
    function = ends.carry((lambda: numbers.sum(), numbers))
    assert function[0]() == numbers.sum()
    assert np.array_equal(function[1], numbers)


def test_the_slots_are_given_back_when_the_values_die(ends):
    held = [ends.carry(np.ones(100_000)) for _ in range(5)]
    assert ends.busy() == 5
    part = held[0][10:20]
    held.clear()
    assert ends.busy() == 1
    del part
    assert ends.busy() == 0
    ends.carry(b"x" * 100_000)
    assert ends.busy() == 0


def test_a_parcel_that_nobody_opens_gives_its_slots_back(ends):
    parcel = ends.unpacker.bind(ends.pack([np.ones(100_000), np.ones(200_000)]))
    assert ends.busy() == 2
    del parcel
    assert ends.busy() == 0


def test_the_items_of_a_map_are_bound_where_they_stand(ends):
    payload = ends.pack(b"v" * 100_000)
    inline = (1, "f", 3, 1)
    chunk = (2, "f", None, 2, None, [1, (b"pickle",), (payload,), (None, [])])
    bound = ends.unpacker.bind_tasks([inline, chunk])
    assert bound[0] is inline
    assert bound[1][5][:2] == [1, (b"pickle",)]
    assert decode(bound[1][5][2][0]) == b"v" * 100_000


def test_what_is_rolled_back_leaves_no_slot_taken(ends):
    ends.pack(b"x" * 100_000)
    before = ends.busy()
    ends.packer.pack([np.ones(100_000), SharedBuffer(10)])
    assert ends.busy() == before + 1
    ends.packer.roll_back()
    assert ends.busy() == before
    assert ends.packer.copies == []
    ends.packer.commit()
    ends.theirs.fetch()
    assert list(ends.theirs._arrived) == [0]


def test_what_cannot_be_read_gives_its_slots_back(ends):
    payload = ends.pack([Unreadable(), np.ones(100_000)])
    parcel = ends.unpacker.bind(payload)
    with pytest.raises(ZeroDivisionError):
        parcel.open()
    del parcel
    assert ends.busy() == 0


class Unreadable:
    def __reduce__(self):
        return (divmod, (1, 0))


def test_where_there_is_no_memory_it_travels_in_one_pickle(ends, monkeypatch):
    def refuse(_name, size):
        raise OSError("no room")

    monkeypatch.setattr("poolifier.wire.segments.sealed_file", refuse)
    value = np.ones(100_000)
    payload = ends.pack(value)
    assert type(payload) is bytes
    assert np.array_equal(decode(payload), value)
    assert type(Packer(None).pack(b"x" * 100_000)) is bytes


def test_a_descriptor_that_does_not_arrive_fails_the_parcel_alone(ends):
    ours, theirs = socket.socketpair()
    unpacker = Unpacker(Passing(ours, waits=False))
    parcel = unpacker.bind(ends.pack(b"x" * 100_000))
    with pytest.raises(OSError, match="has not arrived"):
        parcel.open()
    ours.close()
    theirs.close()


def test_a_parcel_that_fails_keeps_nothing_of_who_opened_it(ends):
    class Thing:
        pass

    ours, theirs = socket.socketpair()
    unpacker = Unpacker(Passing(ours, waits=False))

    def open_one():
        thing = Thing()
        parcel = unpacker.bind(ends.pack(b"x" * 100_000))
        with pytest.raises(OSError, match="has not arrived"):
            parcel.open()
        return weakref.ref(thing)

    gc.disable()
    try:
        assert open_one()() is None
    finally:
        gc.enable()
    ours.close()
    theirs.close()


class TestSharedBuffer:
    def test_it_is_shared(self, ends):
        shared = SharedBuffer(1000)
        arrived = ends.carry({"x": [shared]})["x"][0]
        arrived.buffer[3] = 5
        assert shared.buffer[3] == 5
        assert len(arrived) == 1000

    def test_twice_in_a_value_is_one(self, ends):
        shared = SharedBuffer(1000)
        first, second = ends.carry([shared, shared])
        assert first is second

    def test_beside_large_buffers_and_lambdas(self, ends):
        shared = SharedBuffer.copy_of(b"abc")
        array_, arrived, function, text = ends.carry([np.ones(50_000), shared, lambda: 5, b"t" * 100_000])
        assert array_.sum() == 50_000
        assert bytes(arrived.buffer) == b"abc"
        assert function() == 5
        assert text == b"t" * 100_000

    def test_only_a_pool_carries_it(self, ends):
        shared = SharedBuffer(10)
        with pytest.raises(NeedsPoolError, match="only on its way through a pool"):
            pickle.dumps(shared)
        assert issubclass(NeedsPoolError, SerializationError)
        with pytest.raises(NeedsPoolError, match="only on its way through a pool"):
            Packer(None).pack([shared])

    def test_hundreds_at_once(self, ends):
        # More than the socket has room for, so giving waits for taking.
        shared = [SharedBuffer(8) for _ in range(300)]
        arrived = []
        payloads = []
        thread = threading.Thread(target=lambda: payloads.append(ends.pack(shared)))
        thread.start()
        while thread.is_alive():
            ends.theirs.fetch()
        arrived = decode(ends.unpacker.bind(payloads[0]))
        for number, one in enumerate(arrived):
            one.buffer[0] = number % 256
        assert [one.buffer[0] for one in shared] == [number % 256 for number in range(300)]
