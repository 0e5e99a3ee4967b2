"""What typing and collections make classes of."""

import collections
import typing
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque, namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    ParamSpec,
    Protocol,
    TypedDict,
    TypeVar,
    get_type_hints,
    overload,
    runtime_checkable,
)

UserId = NewType("UserId", int)
Alias = dict[str, list[UserId]]
T = TypeVar("T")
Bound = TypeVar("Bound", bound="Pair")
P = ParamSpec("P")
LIMIT: Final = 3


def work_new_type(x: UserId) -> UserId:
    return UserId(x + 1)


def make_new_type(x):
    return UserId


def use_new_type(value):
    return value(3), value.__name__, value.__supertype__, value is UserId


def work_alias(x: Alias) -> Alias:
    return [str(Alias), Alias == dict[str, list[UserId]]]


def make_type_variable(x):
    return [T, T, P]


def use_type_variable(value):
    return value[0] is T, value[2] is P, str(value[0]), Bound.__bound__.__forward_arg__


class Pair(NamedTuple):
    """Two."""

    left: int
    right: str = "r"

    def swapped(self):
        return Pair(self.right, self.left)

    @property
    def both(self):
        return (self.left, self.right)

    @classmethod
    def of(cls, x):
        return cls(x, "of")


def make_named_tuple_class(x):
    return Pair(x)


def use_named_tuple_class(value):
    return (
        value,
        value.swapped(),
        value.both,
        Pair.of(1),
        value._asdict(),
        value._replace(left=9),
        Pair.__doc__,
        Pair._field_defaults,
        Pair.left.__doc__,
        isinstance(value, tuple),
    )


class Extended(namedtuple("Extended", "a b", defaults=[5])):
    __slots__ = ()

    def total(self):
        return self.a + self.b


def make_inherits_a_namedtuple(x):
    return Extended(x)


def use_inherits_a_namedtuple(value):
    return value.total(), value, hasattr(value, "__dict__"), Extended.__mro__[1].__name__


Simple = namedtuple("Simple", ["p", "q"])
Other = namedtuple("DifferentName", "z")


def make_namedtuple(x):
    return Simple(x, [x])


def use_namedtuple(value):
    return value.p, value.q, value == Simple(value.p, value.q), Simple._fields, type(value) is Simple


def work_namedtuple_of_another_name(x):
    return Other(x).z


class Movie(TypedDict, total=False):
    name: str
    year: NotRequired[int]


class Longer(Movie):
    seconds: int


def make_typed_dict(x):
    return Movie(name="n", year=x)


def use_typed_dict(value):
    return value, type(value) is dict, sorted(Longer.__optional_keys__), Longer.__total__, Longer(seconds=1)


@runtime_checkable
class Quacks(Protocol):
    def quack(self) -> str: ...


@runtime_checkable
class Loud(Protocol):
    volume: int

    def quack(self) -> str: ...


class Duck:
    def quack(self):
        return "quack"


class Explicit(Quacks, Loud):
    volume: ClassVar[int] = 3

    def quack(self):
        return "explicit"


def make_protocol(x):
    return [Duck(), Explicit()]


def use_protocol(value):
    checked = [isinstance(one, protocol) for one in [*value, 3] for protocol in (Quacks, Loud)]
    return checked, issubclass(Duck, Quacks), value[0].quack(), value[1].volume


class Box(Generic[T]):
    def __init__(self, item: T):
        self.item = item

    def get(self) -> T:
        return self.item


class IntBox(Box[int]):
    pass


def make_generic(x):
    return [Box(x), Box[int](x), IntBox(x)]


def use_generic(value):
    return (
        [one.get() for one in value],
        Box.__parameters__ == (T,),
        IntBox.__orig_bases__ == (Box[int],),
        str(Box[int]).rpartition(".")[2],
        str(value[1].__orig_class__).rpartition(".")[2],
    )


def make_parametrised_generic(x):
    return Box[str]


def use_parametrised_generic(value):
    return value("a").get(), value.__origin__ is Box, value == Box[str]


class Hinted:
    x: int
    y: "Hinted"
    z: Annotated[str, "note"] = "z"
    w: Literal["a", 1] = 1

    def method(self, a: "Pair", *args: int, b: Callable[[int], Any] | None = None) -> "Hinted":
        return self


def work_type_hints(x):
    hints = get_type_hints(Hinted, include_extras=True)
    method = get_type_hints(Hinted.method)
    return str(hints["z"]), hints["y"] is Hinted, method["return"] is Hinted, method["a"] is Pair, str(hints["w"])


@overload
def overloaded(x: int) -> int: ...
@overload
def overloaded(x: str) -> str: ...
def overloaded(x):
    return x


def work_overload(x):
    return overloaded(x)


@typing.final
class Finished:
    pass


def work_final(x):
    return Finished.__final__, LIMIT


def work_no_type_check(x):
    @typing.no_type_check
    def inner(a: "nonsense" = 1):  # noqa: F821
        return a

    return inner(x)


def work_cast(x):
    return typing.cast("Pair", x), typing.assert_type(x, int)


class MyDict(UserDict):
    def __getitem__(self, key):
        return super().__getitem__(key) * 2


class MyList(UserList):
    pass


class MyString(UserString):
    pass


def make_user_collections(x):
    return [MyDict(a=x), MyList([x]), MyString("s")]


def use_user_collections(value):
    return value[0]["a"], value[1] + [1], value[2].upper(), value[0].data


class Registry(OrderedDict):
    def __init__(self, *args, note="none", **kwargs):
        super().__init__(*args, **kwargs)
        self.note = note


class Defaults(defaultdict):
    def __missing__(self, key):
        return f"no {key}"


class Votes(Counter):
    def winner(self):
        return self.most_common(1)[0][0]


class Queue(deque):
    """Of a script."""


def make_inherits_collections(x):
    registry = Registry(a=1, note="n")
    registry["b"] = x
    return [registry, Defaults(list), Votes("aab"), Queue([1, x], maxlen=4), ChainMap({"a": x}, {"b": 1})]


def use_inherits_collections(value):
    registry, defaults, votes, queue, chain = value
    return list(registry.items()), registry.note, defaults["k"], votes.winner(), list(queue), queue.maxlen, dict(chain)


def factory():
    return [0]


def make_default_factory(x):
    return defaultdict(factory, a=[x])


def use_default_factory(value):
    return value["a"], value["b"], value.default_factory is factory


class View(Mapping):
    def __init__(self, data):
        self._data = data

    def __getitem__(self, key):
        return self._data[key]

    def __iter__(self):
        return iter(self._data)

    def __len__(self):
        return len(self._data)


class Line(Sequence):
    def __init__(self, x):
        self.x = x

    def __getitem__(self, index):
        return [self.x, 2][index]

    def __len__(self):
        return 2


def make_inherits_abstract_collections(x):
    return [View({"a": x}), Line(x)]


def use_inherits_abstract_collections(value):
    return dict(value[0]), value[0].get("z"), list(value[1]), isinstance(value[0], Mapping), value[1].count(2)


def work_collections_abc(x):
    return isinstance(Duck(), collections.abc.Hashable), issubclass(View, collections.abc.Sized)
