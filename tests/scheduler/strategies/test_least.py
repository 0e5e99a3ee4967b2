from poolifier.scheduler.strategies.least import Least
from tests.scheduler.support import candidate


def made(count):
    least = Least()
    workers = [candidate(slot) for slot in range(count)]
    for worker in workers:
        least.add(worker)
    return least, workers


def test_has_the_lowest_total():
    least, workers = made(3)
    least.grow(workers[0], 3.0)
    least.grow(workers[1], 1.0)
    least.grow(workers[2], 2.0)
    assert least.lowest() is workers[1]
    least.grow(workers[1], 2.5)
    assert least.lowest() is workers[2]
    assert least.total(workers[1]) == 2.5


def test_ties_go_to_the_lowest_slot():
    least, workers = made(3)
    for worker in reversed(workers):
        least.grow(worker, 1.0)
    assert [least.lowest().slot for _ in range(3)] == [0, 0, 0]


def test_those_that_have_done_nothing_take_turns():
    least, workers = made(3)
    assert [least.lowest().slot for _ in range(4)] == [0, 1, 2, 0]
    least.grow(workers[1], 0.5)
    assert [least.lowest().slot for _ in range(4)] == [2, 0, 2, 0]


def test_forgets_a_worker():
    least, workers = made(2)
    least.remove(workers[0])
    assert least.lowest() is workers[1]
    least.grow(workers[0], 0.0)  # news of one that is gone
    assert least.lowest() is workers[1]
    least.remove(workers[1])
    assert least.lowest() is None


def test_memory_follows_the_workers_not_the_tasks():
    least, workers = made(4)
    for step in range(1, 10_000):
        least.grow(workers[step % 4], float(step))
    assert len(least._heap) == 4
    for slot in range(4, 10_000):
        passing = candidate(slot)
        least.add(passing, total=1e9)
        least.remove(passing)
    assert len(least._heap) <= 64 + 2 * 5
