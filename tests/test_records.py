"""Immutable values with named fields."""

import pickle

import pytest

from poolifier.records import Record


class Point(Record):
    x: int
    y: int = 2


class Deep(Point):
    z: int = 3


def test_values_and_defaults():
    assert (Point(1).x, Point(1).y, Point(1, y=5).y) == (1, 2, 5)
    assert repr(Deep(1, z=4)) == "Deep(x=1, y=2, z=4)"


def test_equal_where_class_and_fields_are():
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(2)
    assert Point(1) != Deep(1)
    assert Point(1) != (1, 2)
    assert len({Point(1), Point(1, 2), Deep(1)}) == 2


@pytest.mark.parametrize(("values", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"w": 3})], ids=str)
def test_wrong_arguments(values, named):
    with pytest.raises(TypeError, match="Point takes x, y; got"):
        Point(*values, **named)


def test_immutable():
    point = Point(1)
    with pytest.raises(AttributeError, match="'x' of a Point, which is immutable"):
        point.x = 2
    with pytest.raises(AttributeError, match="'x' of a Point, which is immutable"):
        del point.x


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled(protocol):
    assert pickle.loads(pickle.dumps(Deep(1, 5), protocol)) == Deep(1, 5)
