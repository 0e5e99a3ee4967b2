"""Dataclasses, and what works like them."""

import copy
import dataclasses
import itertools
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import ClassVar


@dataclass
class Point:
    x: int
    y: int = 2


def make_plain(x):
    return Point(x)


def use_plain(value):
    return value, value == Point(value.x, value.y), dataclasses.asdict(value), dataclasses.replace(value, y=9)


@dataclass(frozen=True, order=True)
class Frozen:
    x: int
    y: float = 0.5
    hidden: list = field(default_factory=list, compare=False, repr=False)


def make_frozen(x):
    return Frozen(x, hidden=[x])


def use_frozen(value):
    try:
        value.x = 1
    except dataclasses.FrozenInstanceError as error:
        failed = str(error)
    return value, value.hidden, failed, hash(value) == hash(Frozen(value.x)), sorted([value, Frozen(0)])


IDS = itertools.count(100)


@dataclass
class Factory:
    items: list = field(default_factory=lambda: [1, 2])
    table: dict = field(default_factory=dict)
    counter: ClassVar[int] = 5
    number: int = field(default=3, metadata={"unit": "m"})

    def __post_init__(self):
        self.total = sum(self.items)


def make_factories(x):
    return Factory([x])


def use_factories(value):
    return value, value.total, Factory.counter, Factory().items, dataclasses.fields(value)[2].metadata["unit"]


@dataclass
class Derived(Point):
    z: list[Point] = field(default_factory=list)
    _: KW_ONLY
    w: str = "w"


def make_inherits(x):
    return Derived(x, z=[Point(1)], w="v")


def use_inherits(value):
    return value, isinstance(value, Point), [one.name for one in dataclasses.fields(Derived)], value.z[0] == Point(1)


@dataclass
class Initialised:
    x: int
    scale: InitVar[int] = 10
    scaled: int = field(init=False)

    def __post_init__(self, scale):
        self.scaled = self.x * scale


def make_init_var(x):
    return Initialised(x, 3)


def use_init_var(value):
    return value.scaled, Initialised(1).scaled, value


@dataclass(eq=False, repr=False, init=False, match_args=False)
class Bare:
    x: int

    def __init__(self, value):
        self.x = value


def make_bare(x):
    return Bare(x)


def use_bare(value):
    return value.x, value == Bare(value.x), hasattr(Bare, "__match_args__")


@dataclass(unsafe_hash=True)
class Hashed:
    x: int


def make_hashed_in_a_set(x):
    return {Hashed(x): "v", Hashed(x + 1): "w"}


def use_hashed_in_a_set(value):
    return sorted((key.x, one) for key, one in value.items()), Hashed(1) in value


@dataclass
class Linked:
    value: int
    next: "Linked | None" = None


def make_cycle(x):
    first = Linked(x)
    first.next = Linked(x + 1, first)
    return first


def use_cycle(value):
    return value.next.next is value, value.value, value.next.value, repr(value)


@dataclass
class Outer:
    @dataclass
    class Inner:
        x: int

    inner: Inner


def make_nested(x):
    return Outer(Outer.Inner(x))


def use_nested(value):
    return value, Outer.Inner.__qualname__, type(value.inner) is Outer.Inner


Made = dataclasses.make_dataclass("Made", [("a", int), ("b", list, field(default_factory=list))])
Made.__module__ = __name__


def make_made(x):
    return Made(x)


def use_made(value):
    return value, value == Made(value.a), dataclasses.is_dataclass(Made)


def work_match(x):
    match Derived(x, 1):
        case Derived(x=a, y=1, z=[]):
            return a
    return None


def work_match_args(x):
    match Point(x, 4):
        case Point(a, b):
            return a, b
    return None


@dataclass
class Property:
    _x: int

    @property
    def x(self):
        return self._x

    @x.setter
    def x(self, value):
        self._x = value + 1


def make_property(x):
    return Property(x)


def use_property(value):
    value.x = 5
    return value.x, value


def define(cls):
    """As attrs does: a new class in the place of the one that was written."""
    names = tuple(cls.__annotations__)

    def __init__(self, *args):
        for name, arg in zip(names, args, strict=True):
            setattr(self, name, arg)

    def __repr__(self):
        return f"{cls.__name__}({', '.join(repr(getattr(self, name)) for name in names)})"

    body = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__", *names)}
    body |= {"__slots__": names, "__init__": __init__, "__repr__": __repr__, "__module__": cls.__module__}
    return type(cls)(cls.__name__, cls.__bases__, body)


class Attrs:
    x: int
    y: int


Attrs.__annotations__  # noqa: B018 - what is read before is there after it
Attrs = define(Attrs)


def make_like_attrs(x):
    return Attrs(x, 2)


def use_like_attrs(value):
    return repr(value), hasattr(value, "__dict__"), Attrs.__slots__


@dataclass
class Default:
    point: Point = field(default_factory=lambda: Point(1, 1))
    origin: ClassVar[Point] = Point(0, 0)
    frozen: Frozen = Frozen(1)


def make_instances_as_defaults(x):
    return Default()


def use_instances_as_defaults(value):
    return value, value.frozen is Default.frozen, Default.origin


@dataclass
class Sentinel:
    value: object = dataclasses.MISSING


@dataclass
class Comparing:
    x: int

    def __lt__(self, other):
        return self.x < other.x

    def __hash__(self):
        return self.x


def make_copied(x):
    return [copy.deepcopy(Comparing(x)), copy.copy(Comparing(x))]


def use_copied(value):
    return sorted(value), copy.deepcopy(value), {*value}


def work_missing(x):
    return dataclasses.MISSING is dataclasses.fields(Point)[0].default, dataclasses.fields(Comparing)[0].name
