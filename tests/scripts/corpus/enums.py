"""Enums of every sort."""

import dataclasses
import enum
import functools
from enum import Enum, Flag, IntEnum, IntFlag, auto, member, nonmember, unique


class Colour(Enum):
    RED = 1
    GREEN = 2
    ROT = 1


def make_plain(x):
    return [Colour.RED, Colour.ROT, {Colour.GREEN: Colour.RED}]


def use_plain(value):
    return value[0] is Colour.RED is value[1], value[2][Colour.GREEN], Colour(2), Colour["ROT"], list(Colour.__members__)


class Sensor(Enum):
    DOOR = (12, 0.5)
    ROOF = (13, 1.5)

    def __init__(self, pin, gain):
        self.pin = pin
        self.gain = gain

    @property
    def shown(self):
        return f"{self.name}:{self.pin}"

    @classmethod
    def default(cls):
        return cls.ROOF


def make_attributes(x):
    return Sensor.DOOR


def use_attributes(value):
    return value.pin, value.gain, value.shown, value.default(), value is Sensor.DOOR, Sensor((13, 1.5)).pin


class Coordinate(bytes, Enum):
    PX = (0, "P.X", "km")
    VY = (1, "V.Y", "km/s")

    def __new__(cls, value, label, unit):
        self = bytes.__new__(cls, [value])
        self._value_ = value
        self.label = label
        self.unit = unit
        return self


def make_new(x):
    return Coordinate.VY


def use_new(value):
    return value.label, value.unit, value.value, bytes(value), Coordinate(0), value is Coordinate.VY


class Numbered(Enum):
    def _generate_next_value_(name, start, count, last_values):
        return name.lower() + str(count)

    FIRST = auto()
    SECOND = auto()


def make_auto(x):
    return Numbered.SECOND


def use_auto(value):
    return value.value, list(Numbered), value is Numbered("second1")


class Permission(Flag):
    READ = auto()
    WRITE = auto()
    EXECUTE = auto()
    ALL = READ | WRITE | EXECUTE


def make_flag(x):
    return Permission.READ | Permission.WRITE


def use_flag(value):
    return value, value | Permission.EXECUTE is Permission.ALL, ~value, Permission.READ in value, value is Permission(3)


class Bits(IntFlag, boundary=enum.KEEP):
    A = 1
    B = 2


def make_int_flag(x):
    return Bits.A | 8


def use_int_flag(value):
    return value, int(value), value & Bits.A, Bits(8 | 2)


class Strict(Flag, boundary=enum.STRICT):
    A = 1


def use_strict_flag(value):
    try:
        return value, Strict(8)
    except ValueError as error:
        return type(error).__name__


def make_strict_flag(x):
    return Strict.A


class Level(IntEnum):
    LOW = 1
    HIGH = 2


def make_int_enum(x):
    return Level.HIGH


def use_int_enum(value):
    return value + 1, value is Level.HIGH, f"{value}", Level(1)


class Word(enum.StrEnum):
    HELLO = auto()
    BYE = "bye!"


def make_str_enum(x):
    return Word.HELLO


def use_str_enum(value):
    return value + "!", value is Word("hello"), f"{Word.BYE}", value.upper()


class Shape:
    class Kind(Enum):
        ROUND = "r"
        SQUARE = "s"

    def __init__(self, kind):
        self.kind = kind


def make_nested(x):
    return Shape(Shape.Kind.ROUND)


def use_nested(value):
    return value.kind is Shape.Kind.ROUND, Shape.Kind.__qualname__, value.kind


class Describable:
    def describe(self):
        return f"{self.name}={self.value}"


class Planet(Describable, Enum):
    EARTH = 5.97


def make_mixin(x):
    return Planet.EARTH


def use_mixin(value):
    return value.describe(), isinstance(value, Describable)


@dataclasses.dataclass(frozen=True)
class CreatureData:
    size: str
    legs: int = 4


class Creature(CreatureData, Enum):
    BEETLE = "small", 6
    DOG = "medium"


def make_dataclass_mixin(x):
    return Creature.BEETLE


def use_dataclass_mixin(value):
    return value.size, value.legs, value is Creature.BEETLE, Creature.DOG.legs


class Operation(Enum):
    ADD = member(lambda a, b: a + b)
    TWICE = member(functools.partial(lambda a, b: 2 * (a + b)))
    helper = nonmember(17)
    _ignore_ = ["temporary"]
    temporary = 4

    def __call__(self, a, b):
        return self.value(a, b)


def work_functions_as_members(x):
    return Operation.ADD(x, 1), Operation.TWICE(x, 1), Operation.helper, list(Operation.__members__)


class Missing(Enum):
    KNOWN = 1

    @classmethod
    def _missing_(cls, value):
        return cls.KNOWN if value == "k" else None


def make_missing(x):
    return Missing("k")


def use_missing(value):
    return value is Missing.KNOWN, Missing("k")


Made = Enum("Made", "A B C", module=__name__)
MadeOtherwise = IntEnum("MadeOtherwise", {"X": 10, "Y": 20}, module=__name__, qualname="MadeOtherwise")


def make_functional_api(x):
    return [Made.B, MadeOtherwise.Y]


def use_functional_api(value):
    return value[0] is Made.B, value[1] is MadeOtherwise.Y, value[1] + 1, list(Made)


@unique
class Unique(Enum):
    A = 1


class Behaviour(Enum):
    def act(self):
        raise NotImplementedError


class Doer(Behaviour):
    SHOUT = "!"

    def act(self):
        return self.value * 3


def make_inherited_behaviour(x):
    return Doer.SHOUT


def use_inherited_behaviour(value):
    return value.act(), isinstance(value, Behaviour), value is Doer.SHOUT


class Meta(enum.EnumMeta):
    def shout(cls):
        return cls.__name__.upper()

    def __contains__(cls, item):
        return item == "anything" or super().__contains__(item)


class Loud(Enum, metaclass=Meta):
    A = 1


def make_metaclass(x):
    return Loud.A


def use_metaclass(value):
    return Loud.shout(), "anything" in Loud, value is Loud.A, type(Loud) is Meta


class Mutable(Enum):
    BOX = [1]
    DICT = {"a": 1}


def make_unhashable_values(x):
    return [Mutable.BOX, Mutable.DICT]


def use_unhashable_values(value):
    return value[0] is Mutable.BOX, Mutable([1]), Mutable.DICT.value


class Singleton(Enum):
    TOKEN = object()


def make_object_as_value(x):
    return Singleton.TOKEN


def use_object_as_value(value):
    return value is Singleton.TOKEN, type(Singleton.TOKEN.value).__name__


class Late(Enum):
    A = 1


Late.A.note = "set afterwards"
Late.extra = "of the class"


def work_attributes_set_afterwards(x):
    return Late.A.note, Late.extra


class Hashed(Enum):
    A = 1
    B = 2

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        return type(other) is Hashed and self.name == other.name


def make_keys_of_a_dict(x):
    return {Hashed.A: x, Level.LOW: 1, Word.BYE: 2}


def use_keys_of_a_dict(value):
    return value[Hashed.A], value[Level.LOW], value[1], value["bye!"]


class Refers(Enum):
    ONE = 1
    TWO = 2

    @property
    def other(self):
        return Refers.TWO if self is Refers.ONE else Refers.ONE

    @staticmethod
    def count():
        return len(Refers)


def make_refers_to_itself(x):
    return Refers.ONE


def use_refers_to_itself(value):
    return value.other, value.other.other is value, value.count()


def make_members_in_a_list_twice(x):
    return [Sensor.DOOR, Sensor.DOOR, Sensor, Permission.ALL]


def use_members_in_a_list_twice(value):
    return value[0] is value[1], value[2] is Sensor, list(value[2]), list(value[3])


def work_match(x):
    match Colour(x % 2 + 1):
        case Colour.RED:
            return "red"
        case Colour.GREEN:
            return "green"
