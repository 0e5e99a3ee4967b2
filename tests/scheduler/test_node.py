from poolifier.options import TasksQueueOptions
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.node import PLANNED, Node
from poolifier.scheduler.placement import UNLIMITED


def node(**options):
    return Node(7, 2, dynamic=True, options=TasksQueueOptions(size=4, **options), now=5.0)


def test_begins_without_a_worker():
    made = node(concurrency=3)
    assert (made.state, made.ready, made.eligible, made.load) == (PLANNED, False, False, 0)
    assert (made.quota, made.capacity, made.heard_at, made.active_since) == (3, 3, 5.0, 5.0)


def test_what_executes_and_what_waits():
    made = node(concurrency=2)
    made.sent = dict.fromkeys(range(5))
    made.load = 8  # three more are in its queue
    assert (made.executing, made.queued) == (2, 6)
    made.capacity = UNLIMITED
    made.load = 5
    assert (made.executing, made.queued) == (5, 0)


def test_affinity_goes_by_slot():
    assert node().allowed(Affinity(None))
    assert node().allowed(Affinity(frozenset({2})))
    assert not node().allowed(Affinity(frozenset({7})))


def test_tells_what_it_is():
    assert repr(node()) == "<Node 7 slot 2 planned 0 sent 0 load>"
