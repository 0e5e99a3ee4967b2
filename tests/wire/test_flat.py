"""Small containers of atoms ride in the message; everything else has a pickle of its own."""

from collections import OrderedDict
from typing import NamedTuple

import pytest

from poolifier.wire.codec import FLAT, is_flat


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
