"""Errors whose classes do what no handler of errors expects, and task functions that raise them.

`ODD` has a factory of each, `LOST` those that refuse to be pickled: a `RemoteError` stands for them where errors
have to be pickled.
"""

import asyncio
import dataclasses
import threading
import time

from poolifier import TaskAborted


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    key: str


@dataclasses.dataclass
class Unhashable(Exception):
    key: str


class Slotted(Exception):
    __slots__ = ("__private", "code")

    def __init__(self, code):
        super().__init__("slotted")
        self.code = code
        self.__private = code


class SlottedEmpty(Exception):
    __slots__ = ("code",)


class Falsy(Exception):
    def __bool__(self):
        return False


class Empty(Exception):
    def __len__(self):
        return 0


class FalsyExit(SystemExit):
    def __bool__(self):
        return False


class BoolRaises(Exception):
    def __bool__(self):
        raise ValueError("no truth")


class LenRaises(Exception):
    def __len__(self):
        raise ValueError("no length")


class EqualToAll(Exception):
    def __eq__(self, other):
        return True

    __hash__ = None


class EqRaises(Exception):
    def __eq__(self, other):
        raise ValueError("not to be compared")

    def __hash__(self):
        raise ValueError("not to be hashed")


class SetattrRaises(Exception):
    def __setattr__(self, name, value):
        raise AttributeError(f"{name} cannot be set")

    def __delattr__(self, name):
        raise AttributeError(f"{name} cannot be deleted")


class SetattrIgnores(Exception):
    def __setattr__(self, name, value):
        pass


class GetattributeRaises(Exception):
    def __getattribute__(self, name):
        raise ValueError(f"{name} cannot be read")


class GetattrRaises(Exception):
    def __getattr__(self, name):
        raise ValueError(f"{name} cannot be read")


class ReprRaises(Exception):
    def __repr__(self):
        raise ValueError("no repr")


class StrRaises(Exception):
    def __str__(self):
        raise ValueError("no str")

    __repr__ = __str__


class StrExits(Exception):
    def __str__(self):
        raise SystemExit(3)


class Text(str):
    """A string that cannot be pickled."""

    __slots__ = ()

    def __reduce_ex__(self, protocol):
        raise TypeError("not me")


class StrIsOdd(Exception):
    def __str__(self):
        return Text("odd")


class StrIsNone(Exception):
    def __str__(self):
        return None


class ReduceRaises(Exception):
    def __reduce__(self):
        raise TypeError("not me")


class ReduceExits(Exception):
    def __reduce__(self):
        raise SystemExit(3)


class ReduceIsOdd(Exception):
    def __reduce__(self):
        return (int, ("7",))


class SetstateRaises(Exception):
    def __init__(self, *args):
        super().__init__(*args)
        self.code = 7

    def __setstate__(self, state):
        raise ValueError("no state")


class OtherArguments(Exception):
    def __init__(self, first, *, second):
        super().__init__(f"{first} and {second}")
        self.second = second


class HoldsLock(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


def _forbidden(name):
    def refuse(self, *args):
        raise ValueError(f"{name} is not to be used")

    return refuse


def _property(name):
    return property(_forbidden(name), _forbidden(name), _forbidden(name))


class CauseRaises(Exception):
    __cause__ = _property("__cause__")
    __context__ = _property("__context__")
    __suppress_context__ = _property("__suppress_context__")


class TracebackRaises(Exception):
    __traceback__ = _property("__traceback__")
    with_traceback = _forbidden("with_traceback")


class EndlessCause(Exception):
    @property
    def __cause__(self):
        return EndlessCause("again")


class NotesRaise(Exception):
    __notes__ = _property("__notes__")
    add_note = _forbidden("add_note")


class ArgsRaise(Exception):
    args = _property("args")
    __dict__ = _property("__dict__")


class ClassLies(Exception):
    __class__ = StopIteration


class ClassRaises(Exception):
    __class__ = _property("__class__")


class HostileMeta(type):
    def __getattribute__(cls, name):
        if name in {"__name__", "__qualname__", "__module__", "__mro__", "__class__"}:
            raise ValueError(f"{name} of the class cannot be read")
        return super().__getattribute__(name)

    def __instancecheck__(cls, instance):
        raise ValueError("no instance check")

    def __eq__(cls, other):
        raise ValueError("not to be compared")

    __hash__ = None


class OfHostileMeta(Exception, metaclass=HostileMeta):
    pass


class Several(ExceptionGroup):
    def __bool__(self):
        return False

    def derive(self, excs):
        raise ValueError("no deriving")

    split = subgroup = derive

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} cannot be set")


class SeveralHidden(BaseExceptionGroup):
    exceptions = _property("exceptions")
    message = _property("message")


class Stop(StopIteration):
    def __bool__(self):
        return False


class Timeout(TimeoutError):
    def __len__(self):
        return 0


class Cancelled(asyncio.CancelledError):
    def __bool__(self):
        raise ValueError("no truth")


def noted():
    error = Frozen("k")
    error.__dict__["__notes__"] = ["a note"]
    return error


def bad_notes():
    error = ValueError("x")
    error.__notes__ = 7
    return error


def circular():
    one, two = Frozen("one"), ValueError("two")
    BaseException.__cause__.__set__(one, two)
    two.__cause__ = one
    BaseException.__context__.__set__(one, two)
    two.__context__ = one
    return one


def endless_chain():
    error = ValueError(0)
    for number in range(1, 1200):
        later = ValueError(number)
        later.__cause__ = error
        error = later
    return error


def unpicklable_cause():
    error = SetattrRaises("x")
    BaseException.__cause__.__set__(error, ReduceRaises("y"))
    return error


def slotted_with_cause():
    error = Slotted(7)
    error.__cause__ = GetattributeRaises("why")
    return error


def named(cls, *args, **keywords):
    return lambda: cls(*args, **keywords)


ODD = {
    "frozen": named(Frozen, "k"),
    "unhashable": named(Unhashable, "k"),
    "slots": named(Slotted, 7),
    "empty_slots": named(SlottedEmpty, "x"),
    "falsy": named(Falsy, "x"),
    "empty": named(Empty, "x"),
    "falsy_exit": named(FalsyExit, 3),
    "bool_raises": named(BoolRaises, "x"),
    "len_raises": named(LenRaises, "x"),
    "equal_to_all": named(EqualToAll, "x"),
    "eq_raises": named(EqRaises, "x"),
    "setattr_raises": named(SetattrRaises, "x"),
    "setattr_ignores": named(SetattrIgnores, "x"),
    "getattribute_raises": named(GetattributeRaises, "x"),
    "getattr_raises": named(GetattrRaises, "x"),
    "repr_raises": named(ReprRaises, "x"),
    "str_raises": named(StrRaises, "x"),
    "str_exits": named(StrExits, "x"),
    "str_is_odd": named(StrIsOdd, "x"),
    "str_is_none": named(StrIsNone, "x"),
    "arguments_raise": named(ValueError, "x", StrRaises("y")),
    "reduce_raises": named(ReduceRaises, "x"),
    "reduce_exits": named(ReduceExits, "x"),
    "reduce_is_odd": named(ReduceIsOdd, "x"),
    "setstate_raises": named(SetstateRaises, "x"),
    "other_arguments": named(OtherArguments, "x", second=2),
    "holds_lock": named(HoldsLock, "x"),
    "cause_raises": named(CauseRaises, "x"),
    "traceback_raises": named(TracebackRaises, "x"),
    "endless_cause": named(EndlessCause, "x"),
    "notes_raise": named(NotesRaise, "x"),
    "args_raise": named(ArgsRaise, "x"),
    "class_lies": named(ClassLies, "x"),
    "class_raises": named(ClassRaises, "x"),
    "hostile_meta": named(OfHostileMeta, "x"),
    "group": named(Several, "both", [Falsy(1), Frozen("k"), Several("inner", [ReduceRaises(2)])]),
    "hidden_group": named(SeveralHidden, "both", [KeyboardInterrupt(1), SetattrRaises(2)]),
    "noted": noted,
    "bad_notes": bad_notes,
    "circular": circular,
    "endless_chain": endless_chain,
    "unpicklable_cause": unpicklable_cause,
    "slotted_with_cause": slotted_with_cause,
    "stop": named(StopIteration, 5),
    "falsy_stop": named(Stop, 5),
    "stop_async": named(StopAsyncIteration, 5),
    "generator_exit": named(GeneratorExit, 5),
    "cancelled": named(asyncio.CancelledError, "x"),
    "odd_cancelled": named(Cancelled, "x"),
    "timeout": named(TimeoutError, "x"),
    "empty_timeout": named(Timeout, "x"),
    "interrupt": named(KeyboardInterrupt, "x"),
    "class": lambda: Falsy,
    "deep": named(RecursionError, "deep"),
}

LOST = {"reduce_raises", "reduce_exits", "holds_lock", "hostile_meta"}


def made(name):
    return ODD[name]()


def raise_odd(name):
    if name == "deep":
        recurse_one(400)
    raise made(name)


def recurse_one(depth):
    return recurse_two(depth - 1)


def recurse_two(depth):
    if depth <= 0:
        raise made("deep")
    return recurse_one(depth - 1)


def generate_odd(name):
    yield 1
    raise_odd(name)


async def raise_odd_async(name):
    await asyncio.sleep(0)
    raise_odd(name)


async def generate_odd_async(name):
    yield 1
    await asyncio.sleep(0)
    raise_odd(name)


def stop_oddly(name):
    try:
        wait_for_the_abort()
    finally:
        raise_odd(name)


async def stop_oddly_async(name):
    try:
        await asyncio.sleep(60)
    finally:
        raise_odd(name)


def return_at_an_abort(name):
    try:
        wait_for_the_abort()
    except TaskAborted:
        return made(name)


def wait_for_the_abort():
    while True:
        time.sleep(0.001)


def echo(data):
    return data


PLAIN = {
    "raise_odd": raise_odd,
    "generate_odd": generate_odd,
    "stop_oddly": stop_oddly,
    "return_at_an_abort": return_at_an_abort,
    "echo": echo,
}
MIXED = {
    "raise_odd_async": raise_odd_async,
    "generate_odd_async": generate_odd_async,
    "stop_oddly_async": stop_oddly_async,
    **PLAIN,
}
