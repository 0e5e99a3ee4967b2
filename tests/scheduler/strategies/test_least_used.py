import random

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.scheduler.strategies.least_used import LeastUsed
from tests.scheduler.support import candidate, candidates


def strategy():
    return LeastUsed(WorkerChoiceStrategyOptions())


def give(used, worker):
    worker.load += 1
    used.load_changed(worker)


def take(used, worker):
    worker.load -= 1
    used.load_changed(worker)


def deal(used, count):
    slots = []
    for _ in range(count):
        worker = used.choose(0.0)
        give(used, worker)
        slots.append(worker.slot)
    return slots


def test_deals_out_a_burst_in_the_order_of_the_slots():
    used = strategy()
    candidates(used, 3)
    assert deal(used, 7) == [0, 1, 2, 0, 1, 2, 0]


def test_takes_the_fewest_tasks():
    used = strategy()
    workers = candidates(used, 3)
    deal(used, 5)  # loads 2, 2, 1
    assert deal(used, 1) == [2]
    take(used, workers[1])
    take(used, workers[1])
    assert deal(used, 2) == [1, 1]


def test_of_equals_the_one_that_has_just_finished_comes_first():
    used = strategy()
    workers = candidates(used, 3)
    deal(used, 3)
    take(used, workers[0])
    take(used, workers[2])
    assert deal(used, 2) == [2, 0]


def test_counts_what_a_worker_brings_along():
    used = strategy()
    used.worker_added(candidate(0, load=2))
    used.worker_added(candidate(1, load=1))
    assert deal(used, 3) == [1, 0, 1]


def test_forgets_workers_and_has_no_choice_without_any():
    used = strategy()
    workers = candidates(used, 2)
    give(used, workers[1])
    used.worker_removed(workers[0])
    assert used.choose(0.0) is workers[1]
    used.worker_removed(workers[1])
    assert used.choose(0.0) is None
    used.worker_added(workers[0])
    assert used.choose(0.0) is workers[0]


def test_always_has_the_lowest_load_whatever_happens():
    pick = random.Random(1)
    used = strategy()
    workers = candidates(used, 8)
    away = []
    for step in range(3000):
        worker = pick.choice(workers)
        action = pick.random()
        if action < 0.5:
            give(used, worker)
        elif action < 0.9:
            if worker.load:
                take(used, worker)
        elif len(workers) > 1 and action < 0.95:
            workers.remove(worker)
            used.worker_removed(worker)
            away.append(worker)
        elif away:
            back = candidate(away.pop().slot, load=pick.randrange(4), worker_id=100 + step)
            workers.append(back)
            used.worker_added(back)
        assert used.choose(0.0).load == min(worker.load for worker in workers)


def test_keeps_its_order_where_it_is_told_late_or_twice():
    pick = random.Random(2)
    used = strategy()
    workers = candidates(used, 6)
    for _ in range(3000):
        worker = pick.choice(workers)
        worker.load = max(0, worker.load + pick.randint(-3, 3))
        for _ in range(pick.randint(1, 2)):
            used.load_changed(worker)
        assert used.choose(0.0).load == min(worker.load for worker in workers)
