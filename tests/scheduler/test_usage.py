import random
from statistics import median

import pytest

from poolifier.scheduler.usage import PENDING, WINDOW, FunctionUsage, NodeUsage, Times, TimeSummary, percentile
from tests.scheduler.support import function


def test_groups_of_times_count_as_so_many():
    usage = FunctionUsage()
    usage.pending.extend((9.0, 0.5))
    usage.add_groups([3, 1], [1.0, 5.0], 8.0, 2.0)
    run_time, wait_time = usage.run_time, usage.wait_time
    assert (run_time.count, run_time.total, run_time.minimum, run_time.maximum) == (5, 17.0, 1.0, 9.0)
    assert list(run_time.recent) == [9.0, 1.0, 1.0, 1.0, 5.0]
    assert (wait_time.count, wait_time.total, wait_time.minimum, wait_time.maximum) == (5, 8.5, 0.5, 2.0)
    usage.add_groups([2 * WINDOW], [0.25], 0.5 * WINDOW, 1.0)
    assert list(usage.run_time.recent) == [0.25] * WINDOW
    assert usage.run_time.minimum == 0.25


def times(*values):
    made = Times()
    made.add(list(values))
    return made


def test_nothing_measured_is_all_zeros():
    assert Times().summary() == TimeSummary()


def test_sums_up():
    summary = times(4.0, 1.0, 2.0, 3.0).summary()
    assert (summary.count, summary.total, summary.average) == (4, 10.0, 2.5)
    assert (summary.minimum, summary.maximum, summary.median) == (1.0, 4.0, 2.5)
    assert summary.p95 == pytest.approx(3.85)
    assert summary.p99 == pytest.approx(3.97)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0], 0.5, 1.5),
        ([0.0, 10.0], 0.95, 9.5),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([float(value) for value in range(101)], 0.95, 95.0),
        ([float(value) for value in range(101)], 0.99, 99.0),
        ([1.0, 5.0], 1.0, 5.0),
        ([1.0, 5.0], 0.0, 1.0),
    ],
)
def test_percentiles_are_interpolated(values, share, expected):
    assert percentile(values, share) == pytest.approx(expected)


def test_extremes_and_sums_are_of_all_percentiles_of_the_most_recent():
    pick = random.Random(4)
    values = [pick.random() for _ in range(3 * WINDOW)]
    usage = FunctionUsage()
    for value in values:
        usage.pending.append(value)
        usage.pending.append(2.0 * value)
        if len(usage.pending) >= PENDING:
            usage.fold()
    measured = usage.run_time
    summary = measured.summary()
    assert summary.count == len(values)
    assert summary.total == pytest.approx(sum(values))
    assert (summary.minimum, summary.maximum) == (min(values), max(values))
    assert summary.median == median(values[-WINDOW:])
    assert len(measured.recent) == WINDOW
    assert usage.wait_time.summary().median == 2.0 * summary.median
    assert usage.wait_time.summary().total == pytest.approx(2.0 * summary.total)


def test_merging_adds_up_and_leaves_the_other_alone():
    first, second = times(1.0, 2.0), times(0.5, 9.0)
    first.merge(second)
    first.merge(Times())
    assert first.summary() == times(1.0, 2.0, 0.5, 9.0).summary()
    assert second.summary() == times(0.5, 9.0).summary()


def test_merging_into_nothing_keeps_the_minimum():
    nothing = Times()
    nothing.merge(times(3.0))
    assert nothing.summary().minimum == 3.0


def test_counts_by_function_and_in_total():
    node = NodeUsage()
    first, second = function("first"), function("second")
    node.of(first).executed += 2
    node.of(first).pending.extend((1.0, 0.0))
    node.of(second).failed += 1
    node.of(second).aborted += 3
    node.of(second).stolen += 4
    assert node.counts() == (2, 1, 3, 4)
    total = node.total()
    assert (total.executed, total.failed, total.aborted, total.stolen) == (2, 1, 3, 4)
    assert total.run_time.summary().count == 1


def test_workers_that_are_gone_leave_no_trail_that_grows():
    retired = NodeUsage()
    used = function("used")
    for _ in range(20):
        node = NodeUsage()
        node.max_queued = 7
        node.of(used).executed += 500
        node.of(used).pending.extend([1.0, 2.0] * 500)
        retired.merge(node)
        retired.trim()
    assert retired.counts() == (10_000, 0, 0, 0)
    assert retired.max_queued == 7
    assert retired.of(used).run_time.summary().total == 10_000.0
    assert len(retired.of(used).run_time.recent) == len(retired.of(used).wait_time.recent) == WINDOW


def test_function_usage_merges_every_number():
    first, second = FunctionUsage(), FunctionUsage()
    second.executed, second.failed, second.aborted, second.stolen = 1, 2, 3, 4
    second.pending.extend((0.5, 0.25))
    first.merge(second)
    first.merge(second)
    assert (first.executed, first.failed, first.aborted, first.stolen) == (2, 4, 6, 8)
    assert first.wait_time.summary().total == 0.5
