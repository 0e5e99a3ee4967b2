"""Classes, and what can be done with them."""

import abc
import collections.abc
import contextlib
import copy
import functools
import numbers
import operator
import types
import weakref


class Diamond:
    def who(self):
        return ["top"]


class Left(Diamond):
    def who(self):
        return ["left", *super().who()]


class Right(Diamond):
    def who(self):
        return ["right", *super().who()]


class Bottom(Left, Right):
    def who(self):
        return ["bottom", *super(Bottom, self).who()]


def make_diamond(x):
    return Bottom()


def use_diamond(value):
    return value.who(), [cls.__name__ for cls in Bottom.__mro__]


class Meta(type):
    registry = {}

    def __new__(mcls, name, bases, namespace, **options):
        cls = super().__new__(mcls, name, bases, namespace)
        cls.options = options
        mcls.registry[name] = cls
        return cls

    def __init__(cls, name, bases, namespace, **options):
        super().__init__(name, bases, namespace)
        cls.initialised = True

    def __call__(cls, *args):
        value = super().__call__(*args)
        value.made_by = "meta"
        return value

    @property
    def shout(cls):
        return cls.__name__.upper()


class Made(metaclass=Meta, colour="red"):
    def __init__(self, x):
        self.x = x


class MadeToo(Made, colour="blue"):
    pass


def make_metaclass(x):
    return MadeToo(x)


def use_metaclass(value):
    return value.x, value.made_by, MadeToo.options, Made.shout, MadeToo.initialised, Meta.registry["Made"] is Made


class Prepared(type):
    @classmethod
    def __prepare__(mcls, name, bases):
        return {"prepared": name}


class Ready(metaclass=Prepared):
    value = prepared + "!"  # noqa: F821


def work_prepared(x):
    return Ready.value, Ready.prepared


class Plugin:
    plugins = []

    def __init_subclass__(cls, /, key=None, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.key = key
        Plugin.plugins.append(cls)


class First(Plugin, key="first"):
    pass


class Second(Plugin, key="second"):
    pass


def make_init_subclass(x):
    return Second()


def use_init_subclass(value):
    return value.key, [cls.__name__ for cls in Plugin.plugins], Plugin.plugins[1] is Second


class Positive:
    def __set_name__(self, owner, name):
        self.name = name
        self.owner = owner

    def __get__(self, instance, owner=None):
        return self if instance is None else vars(instance)[self.name]

    def __set__(self, instance, value):
        if value <= 0:
            raise ValueError(self.name)
        vars(instance)[self.name] = value


class Account:
    balance = Positive()

    def __init__(self, x):
        self.balance = x


def make_descriptor(x):
    return Account(x)


def use_descriptor(value):
    try:
        value.balance = -1
    except ValueError as error:
        return value.balance, error.args, Account.balance.owner is Account
    return None


class Subscribed:
    def __class_getitem__(cls, item):
        return f"{cls.__name__}[{item}]"


def work_class_getitem(x):
    return Subscribed[x]


class Everything:
    constant = [1, 2]
    __private = "p"

    def __init__(self, x):
        self._x = x

    @property
    def x(self):
        """The x."""
        return self._x

    @x.setter
    def x(self, value):
        self._x = value

    @x.deleter
    def x(self):
        self._x = None

    @classmethod
    def build(cls, x):
        return cls(x)

    @staticmethod
    def double(x):
        return x * 2

    @functools.cached_property
    def heavy(self):
        return [self._x] * 2

    def private(self):
        return self.__private

    def __class_cell(self):
        return __class__

    def cell(self):
        return self.__class_cell() is Everything

    def __call__(self, y):
        return self._x + y

    def __len__(self):
        return 4

    def __bool__(self):
        return False

    def __contains__(self, item):
        return item == 1

    def __iter__(self):
        yield from self.constant

    def __enter__(self):
        return "entered"

    def __exit__(self, *exc):
        return True

    def __add__(self, other):
        return Everything(self._x + other._x)

    def __format__(self, spec):
        return f"<{spec}>"

    def __eq__(self, other):
        return isinstance(other, Everything) and self._x == other._x

    __hash__ = None
    alias = double
    add = __add__


def make_everything(x):
    return Everything(x)


def use_everything(value):
    value = value.build(value.x)
    value.x += 1
    with value as entered:
        raise RuntimeError
    try:
        hash(value)
    except TypeError as error:
        hashed = str(error)
    return (
        value.x,
        value.build(3) == Everything(3),
        value.double(4),
        value.alias(5),
        value.heavy,
        value.private(),
        value.cell(),
        value(1),
        len(value),
        bool(value),
        1 in value,
        list(value),
        entered,
        (value + value).x,
        f"{value:abc}",
        hashed,
        Everything.x.__doc__,
    )


WORK_BOUND = Everything(5)
work_callable_instance = Everything(6)
work_bound_method = Everything(7).__call__
work_bound_class_method = Everything.build
work_static_method = Everything.double


class Interface(abc.ABC):
    @abc.abstractmethod
    def act(self): ...

    @property
    @abc.abstractmethod
    def name(self): ...


class Registered:
    pass


Interface.register(Registered)


class Concrete(Interface):
    name = "concrete"

    def act(self):
        return self.name


def make_abstract(x):
    return [Concrete(), Registered()]


def use_abstract(value):
    try:
        Interface()
    except TypeError as error:
        failed = type(error).__name__
    return value[0].act(), [isinstance(one, Interface) for one in value], failed, sorted(Interface.__abstractmethods__)


class Hook(abc.ABC):
    @classmethod
    def __subclasshook__(cls, other):
        return hasattr(other, "hooked") or NotImplemented


def work_subclass_hook(x):
    return issubclass(type("T", (), {"hooked": 1}), Hook), issubclass(int, Hook)


class Instance(type):
    def __instancecheck__(cls, instance):
        return instance == 3

    def __subclasscheck__(cls, subclass):
        return subclass is int


class Checked(metaclass=Instance):
    pass


def work_instance_check(x):
    return isinstance(3, Checked), isinstance(4, Checked), issubclass(int, Checked)


class Outer:
    class Middle:
        class Inner:
            def __init__(self, x):
                self.x = x

            def outer(self):
                return Outer.Middle.Inner is type(self)

    def make(self, x):
        return self.Middle.Inner(x)


def make_nested(x):
    return Outer().make(x)


def use_nested(value):
    return value.x, value.outer(), type(value).__qualname__


class Forwarding:
    def __init__(self, x):
        self.target = [x]

    def __getattr__(self, name):
        if name == "target":
            raise AttributeError(name)
        return getattr(self.target, name)

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)

    def __delattr__(self, name):
        raise AttributeError(name)

    def __dir__(self):
        return ["target"]


def make_getattr(x):
    return Forwarding(x)


def use_getattr(value):
    return value.count(3), value.target, dir(value)


class Strict:
    def __getattribute__(self, name):
        if name == "secret":
            return "known"
        return super().__getattribute__(name)


def make_getattribute(x):
    return Strict()


def use_getattribute(value):
    return value.secret


class Number(int):
    def __new__(cls, x, note="n"):
        self = super().__new__(cls, x)
        self.note = note
        return self

    def __add__(self, other):
        return Number(int(self) + other, self.note)


class Text(str):
    def shout(self):
        return self.upper()


class Numbers(list):
    def total(self):
        return sum(self)


class Table(dict):
    __getattr__ = dict.__getitem__


class Measure(float):
    unit = "m"


class Raw(bytes):
    pass


class Buffer(bytearray):
    pass


class Bag(frozenset):
    pass


class Set(set):
    pass


class Complex(complex):
    pass


class Ellipse(types.SimpleNamespace):
    pass


def make_builtin_subclasses(x):
    numbers = Numbers([x, 1])
    numbers.note = "extra"
    return [
        Number(x, "note"),
        Text("text"),
        numbers,
        Measure(1.5),
        Raw(b"r"),
        Buffer(b"b"),
        Bag([x]),
        Set([x]),
        Complex(1, x),
        Ellipse(a=x),
    ]


def use_builtin_subclasses(value):
    number, text, numbers, measure, raw, buffer, bag, some, complex_, ellipse = value
    return (
        number + 1,
        (number + 1).note,
        text.shout(),
        numbers.total(),
        numbers.note,
        measure.unit,
        measure,
        raw,
        buffer,
        bag,
        some,
        complex_,
        ellipse.a,
    )


def make_dict_subclass(x):
    return Table(a=x)


def use_dict_subclass(value):
    return dict(value), Table(b=2).b


class Point:
    def __init__(self, x):
        self.x = x

    def __repr__(self):
        return f"Point({self.x})"

    def norm(self):
        return abs(self.x)

    def with_default(self, y=2):
        return self.x * y


class Counted:
    instances = 0
    known = weakref.WeakSet()

    def __init__(self):
        type(self).instances += 1
        self.known.add(self)


def work_class_attributes_that_change(x):
    before = Counted.instances
    kept = [Counted(), Counted()]
    return Counted.instances - before, kept[0] in Counted.known


class Weak:
    def __init__(self, x):
        self.x = x
        self._ref = None

    def __getstate__(self):
        return {"x": self.x}

    def __setstate__(self, state):
        self.__init__(state["x"])


def make_weak_reference(x):
    value = Weak(x)
    value._ref = weakref.ref(value)
    return value


def use_weak_reference(value):
    return value.x, value._ref is None


def make_class_itself(x):
    return [Bottom, Outer.Middle, Meta, Concrete, Point]


def use_class_itself(value):
    return [cls.__name__ for cls in value], value[0]().who(), value[4](3).norm(), value[0] is Bottom


def make_bound_method(x):
    return Point(-x).norm


def use_bound_method(value):
    return value(), value.__self__.x, value.__func__ is Point.norm


def make_bound_class_method(x):
    return Everything.build


def use_bound_class_method(value):
    return value(2)._x, value.__self__ is Everything


def make_unbound_method(x):
    return [Point.norm, Outer.make]


def use_unbound_method(value):
    return value[0](Point(-2)), value[0] is Point.norm


def make_partial_of_a_method(x):
    return functools.partial(Point(x).with_default, y=5)


def use_partial_of_a_method(value):
    return value(), value.keywords


class Patched:
    def first(self):
        return 1


def second(self):
    return 2


Patched.first = second
Patched.third = lambda self: 3
Patched.count = 0
setattr(Patched, "fourth", property(lambda self: 4))  # noqa: B010


def make_patched_class(x):
    return Patched()


def use_patched_class(value):
    return value.first(), value.third(), value.fourth, Patched.count


def registered(cls):
    cls.registered = True
    return cls


def counted(name):
    def decorate(cls):
        class Wrapper(cls):
            decorated = name

        Wrapper.__name__ = cls.__name__
        Wrapper.__qualname__ = cls.__qualname__
        Wrapper.__module__ = cls.__module__
        return Wrapper

    return decorate


@registered
@counted("twice")
class Decorated:
    def __init__(self, x):
        self.x = x


def make_class_decorator(x):
    return Decorated(x)


def use_class_decorator(value):
    return value.x, value.decorated, value.registered, isinstance(value, Decorated)


Dynamic = type("Dynamic", (Point,), {"extra": lambda self: self.x + 1, "__module__": __name__})


def make_type_call(x):
    return Dynamic(x)


def use_type_call(value):
    return value.extra(), value.norm(), type(value) is Dynamic


Base = types.new_class("Base", (), {}, lambda namespace: namespace.update(a=1, __module__=__name__))


def make_new_class(x):
    return Base()


def use_new_class(value):
    return value.a, Base.__name__


@functools.total_ordering
class Ordered:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x

    def __lt__(self, other):
        return self.x < other.x

    __hash__ = object.__hash__


def make_total_ordering(x):
    return [Ordered(x), Ordered(1)]


def use_total_ordering(value):
    return value[0] >= value[1], max(value).x


class Managed(contextlib.ContextDecorator):
    def __enter__(self):
        self.entered = True
        return self

    def __exit__(self, *exc):
        return False


@Managed()
def work_context_decorator(x):
    return x + 1


class Lazy:
    @property
    def missing(self):
        raise AttributeError("inner")

    def __getattr__(self, name):
        return "fallback " + name


def make_property_that_raises(x):
    return Lazy()


def use_property_that_raises(value):
    return value.missing


class Iterator:
    def __init__(self, x):
        self.left = x

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


def make_iterator(x):
    value = Iterator(x)
    next(value)
    return value


def use_iterator(value):
    return list(copy.copy(value))


def work_operators(x):
    get = operator.attrgetter("x")
    call = operator.methodcaller("with_default", y=3)
    return get(Point(x)), call(Point(x)), operator.itemgetter(0)([Point(x)]).x


def make_shared_identity(x):
    point = Point(x)
    return {"a": point, "b": point, "c": [point, Point]}


def use_shared_identity(value):
    return value["a"] is value["b"] is value["c"][0], value["c"][1] is Point


class Self:
    def __init__(self, x):
        self.me = self
        self.all = [self, {"me": self}]
        self.x = x


def make_refers_to_itself(x):
    return Self(x)


def use_refers_to_itself(value):
    return value.me is value, value.all[0] is value, value.all[1]["me"] is value, value.x


class Annotated:
    x: int = 1
    y: "Annotated"


def work_docs_and_names(x):
    return (
        Everything.__name__,
        Everything.__qualname__,
        Outer.Middle.__qualname__,
        Diamond.__doc__,
        sorted(Annotated.__annotations__),
        Bottom.__bases__ == (Left, Right),
        Diamond.__subclasses__() == [Left, Right],
        Everything.__module__ == work_docs_and_names.__module__,
    )


def work_class_is_the_same_everywhere(x):
    return type(Outer().make(x)) is Outer.Middle.Inner, Everything(1).__class__ is Everything, Left.__mro__[1] is Diamond


class Finalised:
    ended = []

    def __del__(self):
        self.ended.append(1)


def work_finaliser(x):
    before = len(Finalised.ended)
    Finalised()
    return len(Finalised.ended) - before


class Static:
    helper = staticmethod(lambda x: x + 1)
    of_class = classmethod(lambda cls, x: (cls.__name__, x))
    made = functools.partial(max, 3)
    built_in = len


def work_lambdas_in_a_class(x):
    return Static.helper(x), Static.of_class(x), Static.made(x), Static().built_in([x])


class of_class(property):
    def __get__(self, instance, owner=None):
        return self.fget(owner)


class Noted(classmethod):
    def __init__(self, function, note="a note"):
        super().__init__(function)
        self.note = note


class Slotted(staticmethod):
    __slots__ = ("extra",)

    def __init__(self, function):
        super().__init__(function)
        self.extra = 5


class Twice(functools.cached_property):
    def __get__(self, instance, owner=None):
        found = super().__get__(instance, owner)
        return found if instance is None else [found] * 2


class Described:
    @of_class
    def name(cls):
        """Of the class."""
        return cls.__name__.lower()

    @Noted
    def noted(cls, x):
        return cls.__name__, x

    @Slotted
    def slotted(x):
        return x

    @Twice
    def computed(self):
        return 7


def make_own_kinds_of_property(x):
    return Described()


def use_own_kinds_of_property(value):
    there = vars(Described)
    return (
        value.name,
        Described.name,
        value.noted(1),
        there["noted"].note,
        value.slotted(2),
        there["slotted"].extra,
        Described().computed,
        type(there["name"]) is of_class,
        there["name"].__doc__,
    )


class Amount:
    def __init__(self, x):
        self.x = x


@collections.abc.Sequence.register
class Row:
    pass


numbers.Number.register(Amount)
Interface.register(complex)


def make_registered_with_others(x):
    return Amount(x)


def use_registered_with_others(value):
    return (
        isinstance(value, numbers.Number),
        isinstance(Row(), collections.abc.Sequence),
        isinstance(Row(), collections.abc.Iterable),
        isinstance(1j, Interface),
    )
