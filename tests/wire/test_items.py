"""Items as simple as can be travel together; what arrives is what was sent, each by itself."""

import marshal
from array import array
from collections import OrderedDict
from enum import IntEnum, StrEnum

import pytest

from poolifier.errors import SerializationError
from poolifier.wire.codec import LARGE, decode
from poolifier.wire.items import encode_items, marshalled_items
from poolifier.wire.remote_errors import decode_error


class Size(IntEnum):
    SMALL = 1


class Colour(StrEnum):
    RED = "red"


class Text(str):
    __slots__ = ()


class Bytes(bytes):
    __slots__ = ()


class Rude:
    def __hash__(self):
        return hash("i")

    def __eq__(self, other):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "items",
    [
        [1, 2, 3],
        [None, True, 1.5, 2**100, float("inf"), "text", "\ud800", b"bytes"],
        [{"i": 1}, {"i": 2}],
        [{"i": 1, 2: None, 0.5: b"x"}, {}],
        [(1, "a"), [2, b"b"], {"c": 3}, 4, "d"],
        [[], (), {}],
    ],
    ids=repr,
)
def test_simple_items_travel_together(items):
    data = marshalled_items(items)
    assert data is not None
    arrived = marshal.loads(data)
    assert arrived == items
    assert repr(arrived) == repr(items)


def test_the_same_item_twice_arrives_as_two():
    item = {"i": 1}
    first, second = marshal.loads(marshalled_items([item, item]))
    assert first == second == item
    assert first is not second


@pytest.mark.parametrize(
    "items",
    [
        [1, Size.SMALL],
        ["a", Text("a")],
        [b"a", Bytes(b"a")],
        [b"a", bytearray(b"a")],
        [1, array("d", [1.5])],
        [1, memoryview(b"a")],
        [{"i": 1}, OrderedDict(i=1)],
        [{"i": Size.SMALL}],
        [{"i": bytearray(b"a")}],
        [{"i": [1]}],
        [[[]]],
        [((),)],
        [list(range(9))],
        [{number: number for number in range(9)}],
        [{"i": 1, "red": 2}, {Colour.RED: 3}],
        [{b"a": 1}, {Bytes(b"a"): 1}],
        [{1: 1}, {Size.SMALL: 1}],
        [{(1, 2): 1}],
        [{1, 2}],
        [1 + 2j],
        [...],
        [{"i": 1}, {Rude(): 1}],
        ["x" * LARGE],
        [1, {"i": b"x" * LARGE}],
        [object()],
    ],
    ids=lambda items: repr(items)[:40],
)
def test_all_others_do_not(items):
    assert marshalled_items(items) is None


def test_each_of_the_others_has_a_pickle_of_its_own():
    plain, nested, wrong = encode_items("task", [1, [[2]], (n for n in ())])
    assert plain == 1
    assert decode(nested[0]) == [[2]]
    assert wrong[0] is None
    assert isinstance(decode_error(wrong[1]), SerializationError)
