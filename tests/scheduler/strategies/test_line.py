import random

import pytest

from poolifier.scheduler.strategies.line import LEAST_FRONT, Line


def first(line):
    front = line.front or line.refill()
    return front[-1] if front else None


def test_an_empty_one():
    line = Line()
    assert first(line) is None
    assert len(line) == 0


@pytest.mark.parametrize("count", [1, LEAST_FRONT - 1, LEAST_FRONT, LEAST_FRONT + 1, 10 * LEAST_FRONT])
def test_the_greatest_comes_first(count):
    pick = random.Random(count)
    entries = [(pick.random(), number) for number in range(count)]
    line = Line()
    for entry in entries:
        line.add(entry)
    taken = []
    while first(line) is not None:
        taken.append(line.front.pop())
    assert taken == sorted(entries, reverse=True)


@pytest.mark.parametrize("where", ["behind", "in front", "anywhere"])
def test_agrees_with_sorting_all_each_time(where):
    pick = random.Random(where)
    line, model = Line(), []
    key = 0.0
    for number in range(6_000):
        if pick.random() < (0.9 if number < 2_000 else 0.5):
            # Few distinct keys, so that there are equal ones.
            key = {"behind": key - pick.choice((0, 1)), "in front": key + 1, "anywhere": pick.randrange(50)}[where]
            line.add((float(key), number))
            model.append((float(key), number))
        elif model:
            model.sort()
            assert first(line) == model[-1]
            assert line.front.pop() == model.pop()
        assert len(line) == len(model)


def test_the_front_stays_small_however_much_is_added_to_it():
    line = Line()
    for number in range(5_000):
        line.add((float(number), number))
        assert len(line.front) <= 2 * LEAST_FRONT + 1
    assert first(line) == (4_999.0, 4_999)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6])
def test_the_front_stays_short_where_thousands_wait(unit):
    # Sorting and inserting there is what they cost, whatever the distance between two.
    pick = random.Random(3)
    line, count = Line(), 5_000
    for number in range(count):
        line.add((-unit * pick.random(), number))
    longest = 0
    for number in range(5 * count):
        entry = (line.front or line.refill()).pop()
        line.add((entry[0] - unit * pick.uniform(0.5, 1.5), number))
        if number > count:
            longest = max(longest, len(line.front))
    assert longest <= 200


def test_one_that_is_far_behind_does_not_spread_out_the_others():
    line, count = Line(), 5_000
    for number in range(count):
        line.add((-float(number), number))
    line.add((-1e15, -1))
    longest = 0
    for number in range(3 * count):
        entry = (line.front or line.refill()).pop()
        line.add((entry[0] - count, number))
        if number > count:
            longest = max(longest, len(line.front))
    assert longest <= 200


def test_drops_what_is_not_wanted():
    line = Line()
    for number in range(500):
        line.add((float(-number), number))
        first(line)
    line.keep(lambda entry: entry[1] % 10 == 3)
    taken = []
    while first(line) is not None:
        taken.append(line.front.pop()[1])
    assert taken == list(range(3, 500, 10))
