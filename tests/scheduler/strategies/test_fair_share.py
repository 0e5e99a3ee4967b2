import random

import pytest

from poolifier.options import WorkerChoiceStrategyOptions
from poolifier.scheduler.strategies.fair_share import FairShare
from tests.scheduler.support import candidate, candidates, choices


def strategy(**options):
    return FairShare(WorkerChoiceStrategyOptions(**options))


def test_takes_the_smallest_end():
    share = strategy()
    fast, slow = candidates(share, 2)
    share.task_ended(fast, 1.0, 0.0, 0.0)
    share.task_ended(slow, 3.0, 0.0, 0.0)
    # Would end at fast/slow: 1/3, 2/3, 3/3 (the one that is free), 3/6, 4/6, 5/6, 6/6 (the longer ago).
    assert choices(share, 7, now=0.0) == [0, 0, 1, 0, 0, 0, 1]


def test_what_is_past_does_not_count():
    share = strategy()
    fast, slow = candidates(share, 2)
    share.task_ended(fast, 1.0, 0.0, 0.0)
    share.task_ended(slow, 1.5, 0.0, 0.0)
    assert choices(share, 2, now=10.0) == [0, 1]  # ends: 11, then 12 against 11.5
    assert choices(share, 1, now=11.2) == [0]  # 11.2 + 1 against 11.5 + 1.5
    assert choices(share, 3, now=20.0) == [0, 1, 0]  # 21; 22 against 21.5; 22 against 23


def test_the_mean_is_that_of_run_and_wait_time():
    share = strategy()
    first, second = candidates(share, 2)
    share.task_ended(first, 1.0, 4.0, 0.0)
    share.task_ended(second, 2.0, 1.0, 0.0)
    assert choices(share, 1) == [1]  # 3 against 5


@pytest.mark.parametrize(("measurement", "chosen"), [("run_time", 2), ("wait_time", 1), ("elu", 0)])
def test_measures_what_it_is_told_to(measurement, chosen):
    share = strategy(measurement=measurement)
    first, second, third = candidates(share, 3)
    share.task_ended(first, 5.0, 5.0, 1.0)
    share.task_ended(second, 9.0, 2.0, 2.0)
    share.task_ended(third, 1.0, 3.0, 3.0)
    assert choices(share, 1) == [chosen]


def test_the_median_shrugs_off_an_outlier():
    by_mean, by_median = strategy(), strategy(run_time={"median": True}, wait_time={"median": True})
    for share in (by_mean, by_median):
        first, second = candidates(share, 2)
        for run_time in (1.0, 1.0, 100.0):
            share.task_ended(first, run_time, 0.0, 0.0)
        share.task_ended(second, 2.0, 0.0, 0.0)
    assert choices(by_mean, 1) == [1]  # 34 against 2
    assert choices(by_median, 1) == [0]  # 1 against 2


def test_fresh_workers_take_turns():
    share = strategy()
    candidates(share, 3)
    assert choices(share, 7) == [0, 1, 2, 0, 1, 2, 0]


def test_a_worker_stuck_in_its_first_task_is_taken_to_be_like_the_others():
    share = strategy()
    stuck, other, third = candidates(share, 3)
    assert choices(share, 3) == [0, 1, 2]
    share.task_ended(other, 2.0, 0.0, 0.0)
    share.task_ended(third, 4.0, 0.0, 0.0)
    # At 10: the stuck one is tried once more, and has the mean of all, 3, from then on.
    # Ends 13; then 12 against 14; 16, 14 against 14 (the one that is free); 16, 14, 18.
    assert choices(share, 5, now=10.0) == [0, 1, 2, 1, 0]
    assert stuck.slot == 0


def test_forgets_workers():
    share = strategy()
    first, second = candidates(share, 2)
    share.task_ended(first, 1.0, 0.0, 0.0)
    share.task_ended(second, 2.0, 0.0, 0.0)
    share.worker_removed(first)
    share.task_ended(first, 1.0, 0.0, 0.0)
    assert choices(share, 2) == [1, 1]
    share.worker_removed(second)
    assert share.choose(0.0) is None


def test_agrees_with_the_definition():
    """Against looking at every worker every time."""
    pick = random.Random(3)
    share = strategy(measurement="elu")
    workers = candidates(share, 6)
    means, ends = {worker.slot: [1, 2.0] for worker in workers}, dict.fromkeys(range(6), 0.0)
    for worker in workers:
        share.task_ended(worker, 0.0, 0.0, 2.0)
    now = 0.0
    for _ in range(4000):
        now += pick.expovariate(2.0)
        if pick.random() < 0.5:
            worker = pick.choice(workers)
            active = pick.choice((0.5, 1.0, 8.0))
            means[worker.slot][0] += 1
            means[worker.slot][1] += active
            share.task_ended(worker, 0.0, 0.0, active)
        by_definition = {slot: max(now, ends[slot]) + total / count for slot, (count, total) in means.items()}
        slot = share.choose(now).slot
        assert by_definition[slot] == pytest.approx(min(by_definition.values()))
        ends[slot] = by_definition[slot]


def test_memory_follows_the_workers_not_the_tasks():
    share = strategy()
    workers = candidates(share, 4)
    for step in range(5000):
        share.task_ended(share.choose(step * 0.1), 1.0 + step % 3, 0.0, 0.0)
    assert len(share._free) + len(share._taken) <= 2 * (64 + 4 * 4 + 1)
    share.worker_added(candidate(9))
    assert len(workers) == 4
