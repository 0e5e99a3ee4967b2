"""Classes with __slots__."""

import copy
import dataclasses
import enum
import weakref


class Plain:
    __slots__ = ("x", "y")

    def __init__(self, x):
        self.x = x


def make_plain(x):
    return Plain(x)


def use_plain(value):
    return value.x, hasattr(value, "y"), hasattr(value, "__dict__"), Plain.__slots__


class Documented:
    __slots__ = {"x": "the abscissa"}

    def __init__(self, x):
        self.x = x


def make_documented(x):
    return Documented(x)


def use_documented(value):
    return value.x, Documented.__slots__, Documented.x.__doc__


class One:
    __slots__ = "only"

    def __init__(self, x):
        self.only = x


def make_one_string(x):
    return One(x)


def use_one_string(value):
    return value.only, One.__slots__


@dataclasses.dataclass(slots=True)
class Point:
    x: int
    y: int = 7

    def moved(self):
        return Point(self.x + 1, self.y)


def make_dataclass(x):
    return Point(x)


def use_dataclass(value):
    value.y += 1
    value.y -= 1
    return value, value.moved(), hasattr(value, "__dict__"), dataclasses.astuple(value), value == Point(value.x, value.y)


@dataclasses.dataclass(slots=True, frozen=True, order=True)
class Frozen:
    x: int
    tags: tuple = ()


def make_frozen(x):
    return Frozen(x, ("a",))


def use_frozen(value):
    return value, hash(value) == hash(Frozen(value.x, ("a",))), value < Frozen(99), dataclasses.replace(value, x=1)


@dataclasses.dataclass(slots=True, weakref_slot=True)
class Weak:
    x: int


def make_weakref_slot(x):
    return Weak(x)


def use_weakref_slot(value):
    return weakref.ref(value)() is value, value.x


class Base:
    __slots__ = ("a",)


class Derived(Base):
    __slots__ = ("b",)

    def __init__(self, x):
        self.a, self.b = x, -x


def make_inherited(x):
    return Derived(x)


def use_inherited(value):
    return value.a, value.b, hasattr(value, "__dict__"), isinstance(value, Base)


class Open(Derived):
    """Has a __dict__ besides."""


def make_slots_and_dict(x):
    value = Open(x)
    value.extra = [x]
    return value


def use_slots_and_dict(value):
    return value.a, value.b, value.extra, vars(value)


class WithDict:
    __slots__ = ("__dict__", "__weakref__", "fast")

    def __init__(self, x):
        self.fast, self.slow = x, x * 2


def make_dict_slot(x):
    return WithDict(x)


def use_dict_slot(value):
    return value.fast, value.slow, vars(value), weakref.ref(value)() is value


class Private:
    __slots__ = ("__hidden", "_single")

    def __init__(self, x):
        self.__hidden = x
        self._single = x

    def hidden(self):
        return self.__hidden


def make_mangled(x):
    return Private(x)


def use_mangled(value):
    return value.hidden(), value._single, Private.__slots__, value._Private__hidden


class Empty:
    __slots__ = ()


class Mixed(Empty, dict):
    __slots__ = ("note",)


def make_slots_of_a_dict(x):
    value = Mixed(a=x)
    value.note = "n"
    return value


def use_slots_of_a_dict(value):
    return dict(value), value.note, isinstance(value, Empty), hasattr(value, "__dict__")


class Tuple(tuple):
    __slots__ = ()

    @property
    def first(self):
        return self[0]


def make_tuple_with_slots(x):
    return Tuple((x, 2))


def use_tuple_with_slots(value):
    return value.first, value, hasattr(value, "__dict__")


class Stateful:
    __slots__ = ("kept", "lost")

    def __init__(self, x):
        self.kept, self.lost = x, "lost"

    def __getstate__(self):
        return {"kept": self.kept}

    def __setstate__(self, state):
        self.kept = state["kept"] + 1


def make_getstate(x):
    return Stateful(x)


def use_getstate(value):
    return value.kept


@dataclasses.dataclass(slots=True)
class Parent:
    x: int


@dataclasses.dataclass(slots=True)
class Child(Parent):
    z: list = dataclasses.field(default_factory=list)

    def call_super(self):
        return super().__repr__(), __class__ is Child


def make_dataclass_inherits(x):
    return Child(x, [Parent(x)])


def use_dataclass_inherits(value):
    return value, Child.__slots__, isinstance(value, Parent), value.z[0]


def make_dataclass_calls_super(x):
    return Parent(x)


def use_dataclass_calls_super(value):
    return Child.__mro__[1] is Parent, value


@dataclasses.dataclass(slots=True, kw_only=True)
class Keywords:
    x: int
    _: dataclasses.KW_ONLY = None
    y: int = 3


class Tree:
    __slots__ = ("children", "parent", "__weakref__")

    def __init__(self, x, parent=None):
        self.parent = parent
        self.children = [Tree(x - 1, self) for _ in range(2)] if x else []


def make_tree(x):
    return Tree(2)


def use_tree(value):
    return len(value.children), value.children[0].parent is value, value.children[1].children[0].children


class Descriptor:
    __slots__ = ("name",)

    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner=None):
        return self if instance is None else getattr(instance, self.name) * 10

    def __set__(self, instance, value):
        setattr(instance, self.name, value)


class Described:
    __slots__ = ("_ten",)
    ten = Descriptor()


def make_descriptor_over_a_slot(x):
    value = Described()
    value.ten = x
    return value


def use_descriptor_over_a_slot(value):
    return value.ten, value._ten, Described.ten.name


class Kind(enum.Enum):
    __slots__ = ()
    A = 1


def make_enum_with_slots(x):
    return Kind.A


def use_enum_with_slots(value):
    return value is Kind.A, value.value


def make_copies(x):
    return [copy.copy(Point(x)), copy.deepcopy(Frozen(x, ([1],))), copy.copy(Plain(x))]


def use_copies(value):
    return copy.copy(value[0]), copy.deepcopy(value[1]), copy.copy(value[2]).x


class Generic:
    __slots__ = ("x", "__orig_class__")

    def __init__(self, x):
        self.x = x

    def __init_subclass__(cls, **options):
        cls.options = options


class Special(Generic, flavour="sweet"):
    __slots__ = ("z",)


def make_init_subclass_and_slots(x):
    return Special(x)


def use_init_subclass_and_slots(value):
    return value.x, Special.options, hasattr(value, "__dict__"), hasattr(value, "z")


def work_assigning_an_unknown_attribute(x):
    try:
        Plain(x).unknown = 1
    except AttributeError as error:
        return type(error).__name__, "unknown" in str(error)
    return "assigned"


def work_slots_made_in_the_task(x):
    return Point(x), Plain(x), Derived(x), Keywords(x=x)
