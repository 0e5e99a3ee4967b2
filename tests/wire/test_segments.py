"""Slots of shared memory change hands, keep their pages while they are in use, and lose them after."""

import os
import subprocess
import sys
import threading

import pytest

from poolifier.wire import segments
from poolifier.wire.segments import Inbound, Outbound, capacity_for

pytestmark = pytest.mark.skipif(not segments.AVAILABLE, reason="no such memory here")


def resident(outbound):
    """Bytes of the file that exist."""
    return os.fstat(outbound.fd).st_blocks * 512


@pytest.fixture
def ends():
    outbound = Outbound()
    inbound = Inbound(os.dup(outbound.fd))
    yield outbound, inbound
    inbound.close()
    outbound.close()


def put(outbound, data, *, readonly=False):
    slot = outbound.take(len(data))
    slot.room(len(data))[:] = data
    return slot.ref(len(data), readonly=readonly)


@pytest.mark.parametrize("length", [1, 4096, 65_536, 65_537, 100_000, 1 << 20, (1 << 20) + 1, 10**8, 3 << 30])
def test_a_capacity_is_whole_pages_and_at_most_a_quarter_more(length):
    capacity = capacity_for(length)
    assert capacity >= length
    assert capacity % 4096 == 0
    assert capacity <= max(4096, length * 1.25 + 4096)
    assert capacity_for(capacity) == capacity


@pytest.mark.parametrize("length", [1, 65_536, 1_000_000, 20 << 20])
def test_what_is_placed_is_read(ends, length):
    outbound, inbound = ends
    data = os.urandom(length)
    assert bytes(inbound.lease(put(outbound, data))) == data


def test_a_slot_is_used_again_once_nothing_refers_to_it(ends):
    outbound, inbound = ends
    ref = put(outbound, bytes(70_000))
    view = inbound.lease(ref)
    part = view[5:10]
    again = memoryview(part)
    del view, part
    assert outbound.busy() == 1
    other = put(outbound, bytes(70_000))
    assert other[0] != ref[0]
    del again
    assert put(outbound, bytes(70_000))[0] == ref[0]


def test_many_slots_in_use_at_once_are_all_found_again(ends):
    outbound, inbound = ends
    views = [inbound.lease(put(outbound, number.to_bytes(4, "little") * 20_000)) for number in range(300)]
    assert [int.from_bytes(view[:4], "little") for view in views] == list(range(300))
    views.clear()
    assert outbound.busy() == 0
    before = len({put(outbound, bytes(80_000))[0] for _ in range(300)})
    assert before == 300
    assert outbound.busy() == 300


def test_there_are_no_more_slots_than_were_in_use_at_once(ends):
    outbound, _ = ends
    numbers = set()
    for _ in range(200):
        # More than are looked at first, and others of another size in between.
        taken = [outbound.take(length) for length in [65_536] * 24 + [100_000] * 20]
        numbers |= {slot.number for slot in taken}
        for slot in taken:
            outbound.give_up(slot)
    assert len(numbers) == 44


def test_a_view_can_be_written_unless_it_is_read_only(ends):
    outbound, inbound = ends
    view = inbound.lease(put(outbound, bytes(70_000)))
    view[0] = 1
    assert view[0] == 1
    assert inbound.lease(put(outbound, bytes(70_000), readonly=True)).readonly


def test_free_slots_are_trimmed_and_usable_after(ends):
    outbound, inbound = ends
    data = os.urandom(4 << 20)
    kept = inbound.lease(put(outbound, data))
    inbound.lease(put(outbound, data))
    assert resident(outbound) >= 8 << 20
    while outbound.trim(1 << 20):
        pass
    assert resident(outbound) < 5 << 20
    assert kept == data
    assert bytes(inbound.lease(put(outbound, data))) == data


def test_what_is_given_back_cold_loses_its_pages(ends):
    outbound, inbound = ends
    view = inbound.lease(put(outbound, os.urandom(4 << 20)))
    inbound.cool()
    del view
    assert resident(outbound) < 1 << 20
    assert outbound.busy() == 0


def test_no_more_than_so_much_stays_warm(ends, monkeypatch):
    monkeypatch.setattr(segments, "KEPT", 8 << 20)
    outbound, inbound = ends
    views = [inbound.lease(put(outbound, os.urandom(1 << 20))) for _ in range(40)]
    assert resident(outbound) >= 40 << 20
    views.clear()
    assert resident(outbound) <= 9 << 20
    assert (inbound.held, inbound.idle) == (0, 8 << 20)
    views = [inbound.lease(put(outbound, os.urandom(1 << 20))) for _ in range(40)]
    assert inbound.held == 40 << 20
    assert inbound.idle <= 2 << 20


def test_leases_die_in_any_thread(ends):
    outbound, inbound = ends
    refs = [put(outbound, bytes(70_000)) for _ in range(200)]
    views = [inbound.lease(ref) for ref in refs]
    halves = [views[:100], views[100:]]
    views.clear()
    threads = [threading.Thread(target=half.clear) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outbound.busy() == 0
    assert inbound.held == 0


def test_an_abort_that_is_on_its_way_takes_no_slot(ends, struck):
    outbound, inbound = ends
    for _ in range(10):
        views = [inbound.lease(put(outbound, bytes(70_000)))]
        with struck(views.clear):
            assert outbound.busy() == 1
        assert outbound.busy() == 0
    assert inbound.held == 0


FORKING = """
import gc, os
from poolifier.wire.segments import Inbound, Outbound

outbound = Outbound()
inbound = Inbound(os.dup(outbound.fd))
slot = outbound.take(70_000)
slot.room(70_000)[:] = b"x" * 70_000
view = inbound.lease(slot.ref(70_000, readonly=False))
pid = os.fork()
if pid == 0:
    del view
    gc.collect()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert outbound.busy() == 1
assert view[0] == ord("x")
del view
assert outbound.busy() == 0
"""


def test_a_forked_child_gives_nothing_back():
    """In a program of its own: here, threads and garbage of other tests would be forked along.

    Where a thread is left, Python 3.15 raises its warning against that out of `fork`, as warnings are errors here.
    """
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_view_outlives_both_ends():
    outbound = Outbound()
    inbound = Inbound(os.dup(outbound.fd))
    view = inbound.lease(put(outbound, b"y" * 70_000))
    inbound.close()
    outbound.close()
    assert bytes(view) == b"y" * 70_000


def test_where_there_is_no_slot_left_there_is_none(ends, monkeypatch):
    monkeypatch.setattr(segments, "_MOST_SLOTS", 2)
    outbound, _ = ends
    first = outbound.take(65_536)
    assert outbound.take(65_536) is not None
    assert outbound.take(65_536) is None
    outbound.give_up(first)
    assert outbound.take(65_536) is first


def test_a_gigabyte_has_a_window_of_its_own_and_costs_nothing_until_written(ends):
    outbound, inbound = ends
    slot = outbound.take(1 << 30)
    slot.room(1 << 30)[-1] = 9
    view = inbound.lease(slot.ref(1 << 30, readonly=False))
    assert view[-1] == 9
    assert resident(outbound) < 4 << 20
