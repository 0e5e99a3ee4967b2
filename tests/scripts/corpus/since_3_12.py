"""Type parameters and aliases, which are syntax since 3.12."""

import dataclasses
import itertools
import typing
from collections.abc import Callable

type Number = int | float
type Tree[T] = dict[str, Tree[T]] | T
type Handler[**P] = Callable[P, Number]


def make_alias(x):
    return [Number, Tree]


def use_alias(value):
    return value[0] is Number, value[0].__name__, value[0].__value__, value[1] is Tree, str(Tree[int])


def work_alias(x: Number) -> Tree[int]:
    return str(Number.__value__), isinstance(x, Number.__value__), Tree.__type_params__[0].__name__, str(Handler)


def make_alias_with_arguments(x):
    return Tree[str]


def use_alias_with_arguments(value):
    return value == Tree[str], value.__origin__ is Tree


def first[T](items: list[T]) -> T:
    return items[0]


def work_generic_function(x):
    return first([x]), [parameter.__name__ for parameter in first.__type_params__]


def work_generic_task[T: (int, str)](x: T) -> T:
    return x


class Box[T]:
    """Generic."""

    def __init__(self, item: T):
        self.item = item

    def mapped[U](self, function: Callable[[T], U]) -> "Box[U]":
        return Box(function(self.item))


class Strings(Box[str]):
    pass


class Many[*Ts]:
    pass


def make_generic_class(x):
    return [Box(x), Box[int](x), Strings("s")]


def use_generic_class(value):
    return (
        [one.item for one in value],
        value[0].mapped(str).item,
        Box.__type_params__[0].__name__,
        Strings.__orig_bases__ == (Box[str],),
        str(Box[int]).rpartition(".")[2],
        Many[int, str].__args__,
        Box.__parameters__ == Box.__type_params__,
    )


@dataclasses.dataclass(slots=True)
class Pair[A, B]:
    a: A
    b: B

    def swapped(self) -> "Pair[B, A]":
        return Pair(self.b, self.a)


def make_generic_dataclass(x):
    return Pair(x, "b")


def use_generic_dataclass(value):
    return value, value.swapped(), hasattr(value, "__dict__"), len(Pair.__type_params__)


class Base:
    def go(self):
        return "base"


class Overriding(Base):
    @typing.override
    def go(self):
        return "over" + super().go()


def work_override(x):
    return Overriding().go(), Overriding.go.__override__


class Sized[T](typing.Protocol):
    def size(self) -> T: ...


@typing.runtime_checkable
class Checkable(typing.Protocol):
    def size(self): ...


class Real:
    def size(self):
        return 3


def work_generic_protocol(x):
    return isinstance(Real(), Checkable), Sized[int].__args__, issubclass(Real, Checkable)


class Named[T](typing.NamedTuple):
    x: T


class Typed[T](typing.TypedDict):
    x: T


def make_generic_named_tuple(x):
    return Named(x)


def use_generic_named_tuple(value):
    return value, Named.__type_params__[0].__name__, Typed(x=1)


def work_f_string(x):
    return f"{x!r:>{x + 4}} {"nested " + f"{x}"}"


def work_batched(x):
    return list(itertools.batched([1, 2, x], 2))


def inner_class_scope(x):
    class Local[T]:
        alias = list[T]
        value = x

    return Local


def work_generic_class_in_a_function(x):
    return inner_class_scope(x).value, str(inner_class_scope(x).alias)
