"""What came with 3.14: annotations that are not evaluated until somebody asks."""

import annotationlib
import concurrent.interpreters
import dataclasses
import functools
import pathlib
import string.templatelib
import typing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    import nowhere


def work_for_type_checkers_only(value: Decimal, other: nowhere.Type = None) -> Decimal:
    return value


class Holder:
    value: Decimal
    other: nowhere.Type = 3

    def method(self, value: Decimal) -> nowhere.Type:
        return value, self.other


def make_class_for_type_checkers_only(x):
    return Holder()


def use_class_for_type_checkers_only(value):
    return value.method(1), Holder.other


def work_forward_references(x):
    annotations = annotationlib.get_annotations(Holder, format=annotationlib.Format.FORWARDREF)
    strings = annotationlib.get_annotations(Holder.method, format=annotationlib.Format.STRING)
    return sorted(annotations), strings, annotations["value"].__forward_arg__


class Tree:
    left: Tree | None = None
    later: Later

    def __init__(self, x, left=None):
        self.x, self.left = x, left


class Later:
    pass


def make_refers_forward(x):
    return Tree(x, Tree(1))


def use_refers_forward(value):
    return value.left.x, Tree.__annotations__["later"] is Later, typing.get_type_hints(Tree)["left"]


@dataclasses.dataclass
class Point:
    x: int
    parent: Point | None = None
    unknown: Decimal | None = None


def make_dataclass(x):
    return Point(x, Point(2))


def use_dataclass(value):
    return value, [field.name for field in dataclasses.fields(value)]


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int
    unknown: nowhere.Type = None

    def cell(self):
        return __class__ is Slotted


def make_slotted_dataclass(x):
    return Slotted(x)


def use_slotted_dataclass(value):
    return value, value.cell(), hasattr(value, "__dict__")


def divide(a, b):
    return a / b


work_placeholder = functools.partial(divide, functools.Placeholder, 2)


def work_template(x):
    template = t"a {x!r:>4} b"
    return template.strings, template.interpolations[0].value, template.interpolations[0].expression


def make_template(x):
    return t"value {x}"


def use_template(value):
    return isinstance(value, string.templatelib.Template), value.values


def work_except_without_parentheses(x):
    try:
        raise KeyError(x)
    except ValueError, KeyError:
        return "caught"


class Named(typing.NamedTuple):
    x: int
    y: Decimal | None = None


def make_named_tuple(x):
    return Named(x)


def use_named_tuple(value):
    return value, value._replace(x=1)


class Described(typing.TypedDict):
    x: Decimal


class Quacks(typing.Protocol):
    sound: Decimal

    def quack(self) -> nowhere.Type: ...


def work_protocol_and_typed_dict(x):
    return Described(x=x), Quacks.__name__


def work_interpreters_are_there(x):
    return callable(concurrent.interpreters.create), pathlib.Path("a").name


def made(x):
    def inner(value: Decimal, mine: x = None) -> x:
        return value

    return inner


def work_annotations_of_closures(x):
    return made(x)(x)


def make_annotated_closure(x):
    return made(x)


def use_annotated_closure(value):
    return value(3)


class Modelled(type):
    """Reads the annotations while it makes a class, as pydantic's does."""

    def __new__(metaclass, name, bases, namespace, **keywords):
        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        made = super().__new__(metaclass, name, bases, namespace, **keywords)
        form = annotationlib.Format.FORWARDREF
        found = annotationlib.call_annotate_function(annotate, form, owner=made) if annotate else {}
        made.fields = {name: getattr(each, "__forward_arg__", each) for name, each in found.items()}
        return made


class Model(metaclass=Modelled):
    def __init__(self, **values):
        vars(self).update(values)


class User(Model):
    name: str
    friend: User | None = None
    unknown: Decimal = None
    later: Later = None


def make_model(x):
    return User(name="a", friend=User(name=x))


def use_model(value):
    texts = annotationlib.get_annotations(User, format=annotationlib.Format.STRING)
    return value.friend.name, list(User.fields), User.fields["unknown"], User.fields["later"], texts


class Registered:
    """Reads them once a class is there."""

    def __init_subclass__(cls):
        cls.fields = annotationlib.get_annotations(cls, format=annotationlib.Format.STRING)


class Entry(Registered):
    user: User
    unknown: nowhere.Type


def make_registered(x):
    return Entry()


def use_registered(value):
    return value.fields


class Wrapped(dict):
    pass


def make_templates(x):
    return {"nested": Wrapped(a=t"one {t'two {x=}'!s:>{x}}"), "empty": t""}


def use_templates(value):
    outer = value["nested"]["a"]
    [inner] = outer.interpolations
    told = inner.value.interpolations[0]
    return (
        outer.strings,
        (inner.expression, inner.conversion, inner.format_spec),
        (inner.value.strings, told.value, told.expression, told.conversion, told.format_spec),
        value["empty"].strings,
        outer.__class__ is string.templatelib.Template,
    )


def make_interpolation(x):
    return string.templatelib.Interpolation(x, "x", "r", ">4")


def use_interpolation(value):
    return value.value, value.expression, value.conversion, value.format_spec
