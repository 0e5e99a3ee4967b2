"""What came with 3.13."""

import copy
import dataclasses
import enum
import typing
import warnings
from types import SimpleNamespace


class Box[T = int]:
    def __init__(self, x: T):
        self.x = x


def make_default_of_a_type_variable(x):
    return Box(x)


def use_default_of_a_type_variable(value):
    return value.x, Box.__type_params__[0].__default__


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int = 1


def make_replaced(x):
    return copy.replace(Point(x), y=5)


def use_replaced(value):
    return value, copy.replace(value, x=0), copy.replace(SimpleNamespace(a=1), a=2)


@warnings.deprecated("old")
def old(x):
    return x


@warnings.deprecated("old class", category=None)
class Old:
    def __init__(self, x):
        self.x = x


def work_deprecated(x):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        value = old(x)
    return value, [str(one.message) for one in seen], old.__deprecated__


def make_deprecated_class(x):
    return Old(x)


def use_deprecated_class(value):
    return value.x, Old.__deprecated__


class Static:
    def __init__(self, x):
        self.first = x
        self.second = 2

    def go(self):
        return type(self).__static_attributes__


def work_static_attributes(x):
    return sorted(Static(x).go()), isinstance(Static.__firstlineno__, int)


class Number(enum.EnumDict if False else dict):
    pass


class ReadOnly(typing.TypedDict):
    x: typing.ReadOnly[int]


def work_read_only(x):
    return ReadOnly(x=x), sorted(ReadOnly.__readonly_keys__)


def work_class_scope(x):
    class Local:
        y = x
        z = (lambda: x)()
        values = [x for _ in range(2)]

        def locals(self):
            return self.y, self.z, self.values

    return Local().locals()
