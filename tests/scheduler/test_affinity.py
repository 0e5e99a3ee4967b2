import random

from poolifier.scheduler.affinity import EXAMINED, Affinity, BacklogIndex
from poolifier.scheduler.queues import Shelf
from tests.scheduler.support import counts_looks, node


def index_of(*lengths):
    index = BacklogIndex()
    shelves = [Shelf(node(), Affinity(None)) for _ in lengths]
    for shelf, length in zip(shelves, lengths, strict=True):
        shelf.length = length
        index.update(shelf)
    return index, shelves


def test_allows_its_slots():
    assert Affinity(None).allows(7)
    assert Affinity(frozenset({1, 2})).allows(2)
    assert not Affinity(frozenset({1, 2})).allows(0)


def test_finds_the_fullest():
    index, shelves = index_of(3, 9, 8, 1)
    assert index.fullest() is shelves[1]


def test_finds_nothing_where_nothing_waits():
    index, shelves = index_of(0, 0)
    assert index.fullest() is None
    shelves[0].length = 1
    index.update(shelves[0])
    assert index.fullest() is shelves[0]
    shelves[0].length = 0
    index.update(shelves[0])
    assert index.fullest() is None


def test_does_not_count_workers_that_are_not_ready():
    index, shelves = index_of(5, 2)
    shelves[0].node.ready = False
    index.update(shelves[0])
    assert index.fullest() is shelves[1]


def test_hears_of_powers_of_two_alone():
    """A queue that grows from 4 to 7 stays where it is, and is still found as the fullest."""
    index, shelves = index_of(4, 4)
    for length in (5, 6, 7):
        shelves[1].length = length  # without telling
        assert index.fullest() is shelves[1]


def test_is_exact_for_few_and_near_for_many():
    pick = random.Random(5)
    for count in (EXAMINED, 200):
        index, shelves = index_of(*[0] * count)
        for _ in range(2000):
            shelf = pick.choice(shelves)
            shelf.length = max(0, shelf.length + pick.choice((-3, -1, 1, 2, 9)))
            index.update(shelf)
            fullest = max(shelf.length for shelf in shelves)
            found = index.fullest()
            if not fullest:
                assert found is None
            elif count == EXAMINED:
                assert found.length == fullest
            else:
                assert found.length * 2 > fullest


@counts_looks
def test_looks_at_no_more_than_a_handful():
    class Watched(Shelf):
        looked_at = 0

        @property
        def length(self):
            Watched.looked_at += 1
            return self._length

        @length.setter
        def length(self, length):
            self._length = length

    index = BacklogIndex()
    worker = node()
    for _ in range(10_000):
        shelf = Watched(worker, Affinity(None))
        shelf.length = 3
        index.update(shelf)
    Watched.looked_at = 0
    assert index.fullest() is not None
    assert Watched.looked_at <= 2 * EXAMINED
