"""What a SharedBuffer is in its own process."""

import array

import numpy as np
import psutil
import pytest

from poolifier import SharedBuffer
from poolifier.wire.shared_buffer import Transferred, check_transfer, handed_over

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize(
    ("size", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), ("1", TypeError)]
)
def test_a_wrong_size_is_refused(size, error):
    with pytest.raises(error, match="size must be"):
        SharedBuffer(size)


def test_it_is_zeros_to_write_on():
    shared = SharedBuffer(100)
    assert len(shared) == 100
    assert bytes(shared.buffer) == bytes(100)
    numbers = np.frombuffer(shared.buffer, dtype="u1")
    numbers[7] = 9
    assert shared.buffer[7] == 9


def test_a_copy_of_what_has_a_buffer():
    for data in (b"abc", bytearray(b"abc"), array.array("d", [1, 2]), np.arange(12.0).reshape(3, 4)[:, ::2]):
        assert bytes(SharedBuffer.copy_of(data).buffer) == memoryview(data).tobytes()
    with pytest.raises(TypeError, match="must have a buffer"):
        SharedBuffer.copy_of("text")
    with pytest.raises(ValueError, match="must not be empty"):
        SharedBuffer.copy_of(b"")


def test_released_it_says_so_and_what_was_made_from_it_stays():
    with SharedBuffer(10) as shared:
        view = shared.buffer
        view[0] = 3
    assert shared.released
    assert view[0] == 3
    with pytest.raises(ValueError, match="released"):
        len(shared)
    with pytest.raises(ValueError, match="released"):
        _ = shared.buffer
    shared.release()
    assert "released" in repr(shared)


def test_an_abort_that_is_on_its_way_leaves_no_descriptor(struck):
    for _ in range(10):
        before = psutil.Process().num_fds()
        shared = [SharedBuffer(10)]
        with struck(shared.clear):
            assert psutil.Process().num_fds() > before
        assert psutil.Process().num_fds() == before


def test_given_away_it_says_so():
    shared = SharedBuffer(10)
    task = Transferred(shared, [shared])
    with pytest.raises(ValueError, match="given away"):
        _ = shared.buffer
    assert "given away" in repr(shared)
    del task
    with pytest.raises(ValueError, match="given away"):
        _ = shared.buffer


@pytest.mark.parametrize("wrong", [b"abc", 5, None, "text", [b"abc"], [bytearray(10)], [np.zeros(3)], [None]])
def test_only_shared_buffers_can_be_transferred(wrong):
    with pytest.raises(TypeError, match="SharedBuffer objects, not"):
        check_transfer(wrong)
    with pytest.raises(TypeError, match="list of SharedBuffer"):
        check_transfer(SharedBuffer(1))


def test_what_is_released_cannot_be_transferred():
    shared = SharedBuffer(1)
    shared.release()
    with pytest.raises(ValueError, match="released"):
        check_transfer([shared])


def test_handed_over_within_the_process():
    first, second, kept = SharedBuffer(1), SharedBuffer(2), SharedBuffer(3)
    data = {"a": [first, (second, 5)], "k": kept}
    given = handed_over(data, [first, second])
    assert len(given["a"][0]) == 1
    assert len(given["a"][1][0]) == 2
    assert given["k"] is kept
    assert not kept.released
    assert first.released
    assert second.released
    assert data["a"][0] is first


def test_handed_over_where_it_is_not_found_nothing_is_given():
    first, second = SharedBuffer(1), SharedBuffer(2)
    with pytest.raises(ValueError, match="not in the data"):
        handed_over([first], [first, second])
    assert not first.released
