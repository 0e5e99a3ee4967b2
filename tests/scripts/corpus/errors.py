"""Errors that tasks of a script raise."""

import dataclasses
import enum


class Plain(Exception):
    pass


def work_plain(x):
    raise Plain("message", x)


class Keywords(Exception):
    def __init__(self, *, code, detail=None):
        super().__init__(f"code {code}")
        self.code = code
        self.detail = detail

    def __reduce__(self):
        return _keywords, (self.code, self.detail)


def _keywords(code, detail):
    return Keywords(code=code, detail=detail)


def work_keywords(x):
    raise Keywords(code=x, detail=[1])


class Attributes(ValueError):
    def __init__(self, message, code=7):
        super().__init__(message)
        self.code = code


def work_attributes(x):
    error = Attributes("m", x)
    error.extra = {"a": x}
    raise error


class Noted(Exception):
    pass


def work_notes(x):
    error = Noted(x)
    error.add_note("first")
    error.add_note("second")
    raise error


def work_group(x):
    raise ExceptionGroup("several", [Plain(x), Attributes("a"), ExceptionGroup("inner", [ValueError(1)])])


class Group(ExceptionGroup):
    def derive(self, excs):
        return Group(self.message, excs)


def work_own_group(x):
    raise Group("own", [Plain(x), KeyError("k")])


class Status(enum.Enum):
    BAD = ("bad", 400)

    def __init__(self, label, code):
        self.label = label
        self.code = code


class HttpError(OSError):
    status = Status.BAD

    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.reason_text = reason


def work_os_error(x):
    raise HttpError(2, "no such")


@dataclasses.dataclass
class DataError(Exception):
    code: int
    tags: list = dataclasses.field(default_factory=list)


def work_dataclass(x):
    raise DataError(x, ["t"])


class Outer:
    class Inner(LookupError):
        pass


def work_nested(x):
    raise Outer.Inner(x)


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, message):
        super().__init__(message)
        self.code = 5


def work_slots(x):
    raise Slotted("s")


class Carrier(Exception):
    pass


class Thing:
    def __init__(self, x):
        self.x = x


def work_carries_instances(x):
    raise Carrier(Thing(x), [Thing], Status.BAD)


class Multi(KeyError, AttributeError):
    pass


def work_two_bases(x):
    raise Multi(x)


class Meta(type(Exception)):
    pass


class Metaclassed(Exception, metaclass=Meta):
    pass


def work_metaclass(x):
    raise Metaclassed(x)


class Stated(Exception):
    def __init__(self, message):
        super().__init__(message)
        self.kept, self.dropped = "kept", lambda: None

    def __getstate__(self):
        return {"kept": self.kept}

    def __setstate__(self, state):
        self.__dict__.update(state)

    def __reduce__(self):
        return type(self), self.args, self.__getstate__()


def work_state(x):
    raise Stated(x)


def work_caught_in_the_task(x):
    found = []
    for function in (work_plain, work_keywords, work_nested, work_slots):
        try:
            function(x)
        except (Plain, Keywords, Slotted) as error:
            found.append((type(error).__name__, str(error)))
        except Outer.Inner as error:
            found.append(error.args)
    return found


def work_caught_as_group(x):
    found = []
    try:
        work_own_group(x)
    except* Plain as group:
        found.append((type(group) is Group, len(group.exceptions)))
    except* KeyError as group:
        found.append(group.message)
    return found


def work_assertion(x):
    assert x == 99, Thing  # noqa: S101


def work_system_exit(x):
    raise SystemExit(x)


def make_error_as_value(x):
    return [Attributes("m", 3), Keywords(code=1), DataError(4), Group("g", [Plain(1)])]


def use_error_as_value(value):
    return value[0].code, value[1].code, value[2], value[3].exceptions[0].args, isinstance(value[3], Group)
