"""Composes classes at random: bases, slots, decorators, descriptors, enum members, ways of pickling.

What a seed gives is the same on every run. What Python itself refuses (layouts that conflict, slots that hide a default,
frozen dataclasses that inherit from others) is left out as it is met.
"""

import copy
import random

__all__ = ["fragment"]

PRELUDE = '''
"""Made at random."""

import abc
import copyreg
import dataclasses
import enum
import functools
import typing
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
SEEN = []


class Meta(type):
    def __new__(mcls, name, bases, namespace, **options):
        cls = super().__new__(mcls, name, bases, namespace)
        cls.by_meta = name.lower()
        return cls


class Tagged:
    __slots__ = ()

    def __init_subclass__(cls, tag="none", **options):
        super().__init_subclass__(**options)
        cls.tag = tag


class Ten:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return self if instance is None else 10 * instance.x


def decorated(cls):
    cls.decorated = cls.__name__
    return cls


def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ["logged", function(*args)]

    return wrapper
'''

MEMBERS = {
    "property": ["@property", "def prop(self):", "    return self.x + 1"],
    "cached": ["@functools.cached_property", "def cached(self):", "    return [self.x]"],
    "classmethod": ["@classmethod", "def of(cls):", "    return cls.__name__"],
    "static": ["@staticmethod", "def static(y=2):", "    return y"],
    "partial": [
        "def scaled(self, by, offset=0):",
        "    return self.x * by + offset",
        "twice = functools.partialmethod(scaled, 2)",
    ],
    "dispatch": [
        "@functools.singledispatchmethod",
        "def shown(self, value):",
        "    return 'any'",
        "",
        "@shown.register",
        "def _(self, value: int):",
        "    return value + self.x",
    ],
    "descriptor": ["ten = Ten()"],
    "super": [
        "def mro(self):",
        "    return [cls.__name__ for cls in type(self).__mro__], super().__hash__() is not None",
    ],
    "cell": ["def cell(self):", "    return __class__.__name__"],
    "logged": ["@logged", "def told(self):", "    return self.x"],
    "private": ["__hidden = 'h'", "def hidden(self):", "    return self.__hidden"],
    "nested": [
        "class Inner:",
        "    def __init__(self, y):",
        "        self.y = y",
        "",
        "def inner(self):",
        "    return self.Inner(self.x).y",
    ],
    "mutable": ["table = {'a': [1]}"],
    "call": ["def __call__(self, y):", "    return self.x + y"],
    "eq": [
        "def __eq__(self, other):",
        "    return type(self) is type(other) and self.x == other.x",
        "__hash__ = object.__hash__",
    ],
    "lru": ["@functools.lru_cache(maxsize=3)", "def slow(self, y):", "    return y * 2"],
    "annotated": ["note: 'int | None' = None"],
}
USES = {
    "property": "value.prop",
    "cached": "value.cached",
    "classmethod": "value.of()",
    "static": "value.static()",
    "partial": "(value.twice(), value.twice(offset=1))",
    "dispatch": "(value.shown(1), value.shown('a'))",
    "descriptor": "value.ten",
    "super": "value.mro()",
    "cell": "value.cell()",
    "logged": "value.told()",
    "private": "value.hidden()",
    "nested": "value.inner()",
    "mutable": "value.table",
    "call": "value(5)",
    "eq": "value == value",
    "lru": "value.slow(4)",
    "annotated": "value.note",
}
PICKLED = {
    "plain": [],
    "state": [
        "def __getstate__(self):",
        "    return {'x': self.x}",
        "",
        "def __setstate__(self, state):",
        "    self.__init__(state['x'])",
    ],
    "reduce": ["def __reduce__(self):", "    return type(self), (self.x,)"],
}


class _Made:
    def __init__(self, name, lines, use, base, instance):
        self.name, self.lines, self.use, self.base, self.instance = name, lines, use, base, instance


def fragment(seed, count=24):
    """A fragment of the corpus with that many classes, which are made and used."""
    chance = random.Random(seed)
    namespace = {"__name__": "generated"}
    exec(compile(PRELUDE, "<prelude>", "exec", dont_inherit=True), namespace)
    made, text = [], PRELUDE
    while len(made) < count:
        one = _class(chance, f"c{len(made)}", made)
        source = _source(one)
        try:
            trial = dict(namespace)
            exec(compile(source, "<class>", "exec", dont_inherit=True), trial)
            # By way of a copy, as pickle makes it.
            trial[f"use_{one.name}"](copy.copy(trial[f"make_{one.name}"](3)))
        except (TypeError, ValueError, AttributeError):
            continue
        namespace = trial
        made.append(one)
        text += source
    return text


def _source(one):
    lines = [*one.lines, "", "", f"def make_{one.name}(x):", f"    return {one.instance}"]
    lines += ["", "", f"def use_{one.name}(value):", f"    return ({', '.join(one.use)},)"]
    return "\n\n" + "\n".join(lines) + "\n"


def _class(chance, name, made):
    kind = chance.choice(["plain", "plain", "dataclass", "dataclass", "enum", "enum", "named", "error"])
    return {"plain": _plain, "dataclass": _dataclass, "enum": _enum, "named": _named, "error": _error}[kind](
        chance, name, made
    )


def _bases(chance, made, *others):
    known = [one.name.upper() for one in made if one.base]
    bases = chance.sample(known, min(len(known), chance.choice([0, 0, 1, 1, 2])))
    return [*bases, *(other for other in others if chance.random() < 0.15)]


def _members(chance, most=4):
    return chance.sample(sorted(MEMBERS), chance.randint(1, most))


def _indented(lines):
    return [f"    {line}" if line else "" for line in lines]


def _values(chance, made):
    """Class attributes that are of classes made before."""
    picked = chance.sample(made, min(len(made), chance.choice([0, 0, 1])))
    return [
        f"other = {one.instance.replace('(x', '(1')}" for one in picked if "x" not in one.instance.replace("(x", "(1")
    ]


def _plain(chance, name, made):
    cls, members = name.upper(), _members(chance)
    bases = _bases(chance, made, "Tagged", "Generic[T]", "abc.ABC")
    keywords = [", metaclass=Meta"] if chance.random() < 0.2 and not bases else []
    if "Tagged" in bases:
        keywords.append(", tag='t'")
    slots = chance.choice([None, None, "('x',)", "('x', 'extra', '__dict__')", "('x', '__weakref__')"])
    lines = ["@decorated"] if chance.random() < 0.2 else []
    lines += [f"class {cls}({', '.join(bases) or 'object'}{''.join(keywords)}):"]
    body = [f"__slots__ = {slots}"] if slots else []
    body += ["def __init__(self, x=1):", "    self.x = x"]
    for member in members:
        body += MEMBERS[member]
    body += PICKLED[chance.choice(["plain", "plain", "plain", "state", "reduce"])]
    body += _values(chance, made)
    use = ["value.x", f"type(value) is {cls}", *(USES[member] for member in members)]
    use += [f"isinstance(value, {base.partition('[')[0]})" for base in bases]
    use += ["hasattr(value, '__dict__')", f"getattr({cls}, 'tag', 0)", f"getattr({cls}, 'by_meta', 0)"]
    return _Made(name, [*lines, *_indented(body)], use, base=True, instance=f"{cls}(x)")


def _dataclass(chance, name, made):
    cls, members = name.upper(), _members(chance, 2)
    flags = [
        f"{flag}=True" for flag in ("frozen", "slots", "order", "kw_only", "unsafe_hash") if chance.random() < 0.35
    ]
    bases = _bases(chance, made) if chance.random() < 0.3 else []
    lines = [f"@dataclasses.dataclass({', '.join(flags)})", f"class {cls}({', '.join(bases) or 'object'}):"]
    body = [
        "x: int = 0",
        "items: list = dataclasses.field(default_factory=list, hash=False)",
        "kind: typing.ClassVar[str] = 'k'",
    ]
    for member in members:
        body += MEMBERS[member]
    if chance.random() < 0.3 and "frozen=True" not in flags:
        body += ["def __post_init__(self):", "    self.items = [*self.items, 1]"]
    use = [f"type(value) is {cls}", "value.x", "value.items", "dataclasses.asdict(value)", f"value == {cls}(x=value.x)"]
    use += [f"repr({cls}(x=2))", f"{cls}.kind", "hasattr(value, '__dict__')", *(USES[member] for member in members)]
    return _Made(name, [*lines, *_indented(body)], use, base=False, instance=f"{cls}(x=x)")


def _enum(chance, name, made):
    cls = name.upper()
    base = chance.choice(
        ["enum.Enum", "enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag", "str, enum.Enum"]
    )
    values = {
        "enum.Enum": ["'first'", "('second', 2)", "[3]", "None"],
        "str, enum.Enum": ["'first'", "'second'", "'third'"],
        "enum.StrEnum": ["'first'", "enum.auto()"],
    }.get(base, ["1", "2", "4"])
    if base not in ("enum.Enum", "str, enum.Enum", "enum.StrEnum") and chance.random() < 0.5:
        values = ["enum.auto()"] * 3
    body = [f"M{number} = {value}" for number, value in enumerate(values)]
    if chance.random() < 0.3:
        body += ["ALIAS = M0"]
    use = [f"value is {cls}.M1", "value.name", "value.value", f"list({cls}.__members__)", f"{cls}['M0']"]
    initialised = base == "enum.Enum" and chance.random() < 0.6
    if initialised:
        body += ["def __init__(self, *args):", "    self.args_of = args", "    self.length = len(args)"]
        use += ["value.length", "value.args_of"]
    if chance.random() < 0.5:
        body += [
            "@property",
            "def shown(self):",
            "    return self.name.lower()",
            "@classmethod",
            "def first(cls):",
            "    return cls.M0",
        ]
        use += ["value.shown", f"{cls}.first() is {cls}.M0"]
    if chance.random() < 0.3:
        body += ["def __call__(self):", f"    return {cls}.M0"]
        use += ["value()"]
    if "lag" in base:
        use += [f"value | {cls}.M0", f"{cls}.M1 in value"]
    return _Made(name, [f"class {cls}({base}):", *_indented(body)], use, base=False, instance=f"{cls}.M1")


def _named(chance, name, made):
    cls = name.upper()
    lines = [f"class {cls}(NamedTuple):", "    x: int", "    y: str = 'y'"]
    use = ["value.x", "value.y", "value._asdict()", f"type(value) is {cls}", f"{cls}._field_defaults"]
    for member in sorted({"property", "classmethod", "static"} & set(_members(chance, 6))):
        lines += ["", *_indented(MEMBERS[member])]
        use.append(USES[member])
    return _Made(name, lines, use, base=False, instance=f"{cls}(x)")


def _error(chance, name, made):
    cls = name.upper()
    base = chance.choice(["Exception", "ValueError", "KeyError", "OSError", "LookupError"])
    lines = [f"class {cls}({base}):"]
    if chance.random() < 0.5:
        lines += ["    def __init__(self, x, note='n'):", "        super().__init__(x)", "        self.note = note"]
    else:
        lines += ["    note = 'class'"]
    use = ["value.args", "value.note", f"type(value) is {cls}", f"isinstance(value, {base})"]
    return _Made(name, lines, use, base=False, instance=f"{cls}(x)")
