"""Small containers of atoms ride in the message; everything else has a pickle of its own."""

import pickle
from collections import OrderedDict
from typing import NamedTuple

import pytest

from poolifier.exchange import Items
from poolifier.wire.codec import FLAT, is_flat
from poolifier.wire.flat import all_travel, separate


class Pair(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize("value", [{}, [], (), {"i": 1}, [1, 2.5, None], ("a", b"b", True), {1: "one", None: 0.0}])
def test_flat(value):
    assert is_flat(value)


@pytest.mark.parametrize(
    "value",
    [
        {"i": [1]},
        [[]],
        ((),),
        {1, 2},
        Pair(1, 2),
        OrderedDict(i=1),
        list(range(FLAT + 1)),
        {number: number for number in range(FLAT + 1)},
        {(1, 2): 3},
        1,
        "text",
        object(),
    ],
    ids=repr,
)
def test_not_flat(value):
    assert not is_flat(value)


def tasks(*data):
    return [(number, "name", each, number) for number, each in enumerate(data, 1)]


@pytest.mark.parametrize("data", [[], [None, True, 1, 2.5, "a", b"b"], [{"i": 1}, {"i": 1}, [], (1, 2)]], ids=repr)
def test_tasks_whose_data_travels_with_them(data):
    assert all_travel(tasks(*data), 2)
    assert all_travel([(*task, (1, 0.5, 0)) for task in tasks(*data)], 2)


@pytest.mark.parametrize("data", ["ab", b"ab", {"i": [1]}, Pair(1, 2), object(), Items([1])], ids=repr)
def test_tasks_of_which_one_needs_a_way_of_its_own(data):
    assert not all_travel(tasks(1, data), 2)


def test_tasks_that_are_given_one_container_get_one_each():
    numbers, names, pair = [1], {"a": 1}, (1, 2)
    terms = (1, 0.5, 0)
    given = [(1, "f", numbers, 1), (2, "f", numbers, 2, terms), (3, "f", None, 3), (4, "f", names, 4)]
    given += [(5, "f", pair, 5), (6, "f", pair, 6), (7, "f", names, 7), (8, "f", numbers, 8)]
    got = separate(pickle.loads(pickle.dumps(given)))
    assert got == given
    changeable = [task[2] for task in got if isinstance(task[2], list | dict)]
    assert len({id(data) for data in changeable}) == len(changeable) == 5
