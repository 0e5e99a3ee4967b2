import random
from statistics import median

import pytest

from poolifier.options import MeasurementOptions, WorkerChoiceStrategyOptions
from poolifier.scheduler.strategies.task_times import MEDIAN_WINDOW, Mean, Median, statistic, task_time


def test_mean():
    mean = Mean()
    assert mean.value == 0.0
    for seconds in (1.0, 2.0, 6.0):
        mean.add(seconds)
    assert mean.value == 3.0


def test_median_of_odd_and_even_numbers():
    middle = Median()
    seen = []
    for seconds in (5.0, 1.0, 3.0, 10.0):
        middle.add(seconds)
        seen.append(middle.value)
    assert seen == [5.0, 3.0, 3.0, 4.0]


def test_median_is_that_of_the_most_recent():
    pick = random.Random(2)
    middle, times = Median(), []
    for _ in range(3 * MEDIAN_WINDOW):
        times.append(pick.choice((0.0, 1.0, pick.random())))
        middle.add(times[-1])
        assert middle.value == median(times[-MEDIAN_WINDOW:])


def test_options_pick_the_statistic():
    assert isinstance(statistic(MeasurementOptions(median=True)), Median)
    assert isinstance(statistic(MeasurementOptions()), Mean)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, 3.0 + 5.0),
        ({"measurement": "run_time"}, 3.0 + 5.0),
        ({"measurement": "wait_time"}, 5.0),
        ({"measurement": "elu"}, 2.0),
        ({"run_time": {"median": True}}, 2.0 + 5.0),
        ({"measurement": "elu", "elu": {"median": True}}, 1.0),
    ],
)
def test_what_counts_as_a_tasks_time(options, value):
    time = task_time(WorkerChoiceStrategyOptions(**options))
    for run, wait, active in ((1.0, 4.0, 1.0), (2.0, 5.0, 1.0), (6.0, 6.0, 4.0)):
        latest = time.add(run, wait, active)
    assert time.value == latest == value
