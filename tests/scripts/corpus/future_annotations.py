"""Annotations that are text."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, ClassVar, NotRequired, Optional, Required

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    import numpy as np


def work_for_type_checkers_only(x: Decimal) -> np.ndarray:
    return x


@dataclasses.dataclass
class Point:
    x: int
    parent: Point | None = None
    shape: typing.ClassVar[Shape] = None
    start: dataclasses.InitVar[int] = 3

    def method(self, items: Iterable[Decimal]) -> Point:
        return self

    def __post_init__(self, start):
        self.begun = start


class Shape:
    points: list[Point]


def make_dataclass(x):
    return Point(x, Point(1))


def use_dataclass(value):
    return value, value.begun, [field.name for field in dataclasses.fields(value)], value.method([]) is value


def work_type_hints(x):
    return typing.get_type_hints(Shape) == {"points": list[Point]}, Point.__annotations__["parent"]


def work_signature(x):
    return str(inspect.signature(work_for_type_checkers_only)), str(inspect.signature(Point))


@singledispatch
def shown(value):
    return "other"


@shown.register
def _(value: Shape):
    return "shape"


def work_singledispatch(x):
    return shown(Shape()), shown(x)


class Named(typing.NamedTuple):
    x: int
    y: Shape | None = None


def make_named_tuple(x):
    return Named(x)


def use_named_tuple(value):
    return value, Named.__annotations__


class Film(typing.TypedDict, total=False):
    name: Required[str]
    year: NotRequired[int]
    next: Later


class Later:
    shown: ClassVar[Optional[Film]]

    def again(self, other: Later | None, *rest: Sequence[int]) -> Film: ...


def work_hints_that_nothing_else_names(x):
    hints = typing.get_type_hints(Film)
    return list(hints), hints["next"] is Later, str(typing.get_type_hints(Later)["shown"]).count("Film")


def work_hints_of_a_method(x):
    hints = typing.get_type_hints(Later.again)
    return hints["return"] is Film, str(hints["rest"]), hints["other"] == Later | None
