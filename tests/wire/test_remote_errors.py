import sys
import threading

import pytest

from poolifier.error_attributes import (
    cause_of,
    context_of,
    hides_context,
    is_a,
    set_cause,
    set_context,
    text_of,
    traceback_of,
    type_name_of,
)
from poolifier.errors import RemoteError, WorkerCrashedError
from poolifier.wire.remote_errors import RemoteTraceback, decode_error, encode_error
from tests.contract import odd_errors


class TwoNamesError(Exception):
    """Leaves other args than it takes."""

    made = 0

    def __init__(self, first, *, second):
        super().__init__(f"{first} and {second}")
        type(self).made += 1
        self.first = first
        self.second = second


class SlottedError(Exception):
    __slots__ = ("extra",)


class OwnOSError(OSError):
    def __init__(self, path):
        super().__init__(2, "gone", path)


class UnpicklableError(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


class MuteError(Exception):
    def __str__(self):
        raise SystemExit("mute")


class BadReduceError(Exception):
    def __reduce__(self):
        raise KeyboardInterrupt


class CustomGroup(ExceptionGroup):
    def __new__(cls, errors, code):
        self = super().__new__(cls, f"group {code}", errors)
        self.code = code
        return self


def trip(error):
    return decode_error(encode_error(error))


def raised(error, cause=None):
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a", 1),
        KeyError("k"),
        SystemExit(3),
        KeyboardInterrupt(),
        StopIteration(4),
        OSError(2, "gone", "path"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "why"),
        TwoNamesError("x", second=2),
        OwnOSError("file"),
        WorkerCrashedError("m", task_id=3, signal="SIGKILL"),
    ],
)
def test_errors_arrive_as_themselves(error):
    copy = trip(error)
    assert type(copy) is type(error)
    assert copy.args == error.args
    assert copy.__dict__ == error.__dict__
    assert str(copy) == str(error)
    for name in ("code", "value", "errno", "filename", "start"):
        assert getattr(copy, name, None) == getattr(error, name, None)


def test_no_init_of_the_users_runs():
    error = TwoNamesError("x", second=2)
    made = TwoNamesError.made
    trip(error)
    assert TwoNamesError.made == made


def test_slots_travel():
    error = SlottedError("x")
    error.extra = 5
    assert trip(error).extra == 5


def test_notes_travel():
    error = ValueError("x")
    error.add_note("one")
    assert trip(error).__notes__ == ["one"]


def test_the_traceback_is_the_cause():
    error = trip(raised(ValueError("x")))
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "raise error from cause" in str(error.__cause__)
    assert "ValueError: x" in error.__cause__.text


def test_the_traceback_stands_at_the_end_of_the_causes():
    error = trip(raised(ValueError("x"), raised(KeyError("y"))))
    assert type(error.__cause__) is KeyError
    assert isinstance(error.__cause__.__cause__, RemoteTraceback)
    assert error.__suppress_context__


def test_the_context_travels():
    try:
        try:
            raise KeyError("y")
        except KeyError:
            raise ValueError("x")  # noqa: B904
    except ValueError as caught:
        error = trip(caught)
    assert type(error.__context__) is KeyError
    assert not error.__suppress_context__
    assert trip(raised(ValueError("x"), None)).__suppress_context__


def test_groups_travel_with_the_causes_of_their_children():
    child = raised(TwoNamesError("x", second=2), KeyError("y"))
    child.add_note("note")
    inner = ExceptionGroup("inner", [child, UnpicklableError("z")])
    error = trip(raised(BaseExceptionGroup("outer", [inner, SystemExit(1)])))
    assert type(error) is BaseExceptionGroup
    assert error.message == "outer"
    assert type(error.exceptions[1]) is SystemExit
    first, second = error.exceptions[0].exceptions
    assert type(first) is TwoNamesError
    assert type(first.__cause__) is KeyError
    assert first.__notes__ == ["note"]
    assert isinstance(second, RemoteError)
    assert second.message == "z"


def test_a_group_of_ones_own():
    error = trip(CustomGroup([ValueError(1)], 7))
    assert type(error) is CustomGroup
    assert (error.code, error.message) == (7, "group 7")


def test_what_cannot_be_pickled_is_a_remote_error():
    error = trip(raised(UnpicklableError("text"), KeyError("y")))
    assert isinstance(error, RemoteError)
    assert error.type_name.endswith("UnpicklableError")
    assert error.message == "text"
    assert "raise error from cause" in error.traceback
    assert type(error.__cause__) is KeyError


def test_a_class_that_refuses_to_be_pickled_is_a_remote_error():
    error = trip(raised(BadReduceError("x")))
    assert isinstance(error, RemoteError)
    assert error.message == "x"


def test_an_unpicklable_cause_spoils_no_other():
    error = trip(raised(ValueError("x"), raised(UnpicklableError("y"))))
    assert type(error) is ValueError
    assert isinstance(error.__cause__, RemoteError)


def test_a_mute_error():
    assert type(trip(raised(MuteError()))) is MuteError


def test_circles_are_cut():
    one, two = ValueError(1), ValueError(2)
    one.__cause__, two.__cause__ = two, one
    one.__context__ = two.__context__ = one
    error = trip(one)
    assert error.__cause__.args == (2,)
    assert isinstance(error.__cause__.__cause__, RemoteTraceback)


def test_long_chains_are_cut():
    error = ValueError(0)
    for number in range(1, 2000):
        error = raised(ValueError(number), error)
    assert trip(error).args == (1999,)


def test_a_class_that_is_not_known_here(monkeypatch):
    payload = encode_error(raised(TwoNamesError("x", second=2)))
    monkeypatch.delattr(f"{__name__}.TwoNamesError", raising=False)
    monkeypatch.delitem(globals(), "TwoNamesError", raising=False)
    error = decode_error(payload)
    assert isinstance(error, RemoteError)
    assert error.message == "x and 2"
    assert "Traceback" in error.traceback


@pytest.mark.parametrize("payload", [b"", b"x", b"\x80\x05N."])
def test_garbage_is_a_remote_error(payload):
    assert isinstance(decode_error(payload), RemoteError)


def test_of_a_huge_traceback_the_ends_are_told():
    def one(depth):
        return two(depth - 1)

    def two(depth):
        if not depth:
            raise ValueError("deep")
        return one(depth - 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_100)
    try:
        one(10_001)
    except ValueError as caught:
        error = trip(caught)
    finally:
        sys.setrecursionlimit(limit)
    text = error.__cause__.text
    assert text.count("in one") + text.count("in two") == 999
    assert "[9003 frames left out]" in text
    assert text.index("test_of_a_huge_traceback") < text.index("frames left out") < text.index("ValueError: deep")


@pytest.mark.parametrize("odd", ["frozen", "falsy", "getattribute_raises", "cause_raises", "endless_cause"])
def test_causes_and_contexts_of_odd_errors_travel(odd):
    error = odd_errors.ODD[odd]()
    set_cause(error, KeyError("y"))
    set_context(error, raised(ValueError("z")))

    def tell():
        try:
            raise error
        except BaseException as caught:
            return encode_error(caught)

    arrived = decode_error(tell())
    assert type(arrived) is type(error)
    assert type(cause_of(arrived)) is KeyError
    assert type(context_of(arrived)) is ValueError
    assert hides_context(arrived)
    told = cause_of(cause_of(arrived)).text
    assert "in tell" in told
    assert "KeyError: 'y'" in told
    assert "direct cause" in told


def test_slots_travel_whatever_their_names():
    error = trip(odd_errors.Slotted(7))
    assert (error.code, error._Slotted__private) == (7, 7)
    with pytest.raises(AttributeError):
        _ = trip(odd_errors.SlottedEmpty("x")).code


def test_what_a_class_hides_is_not_asked_for():
    class Proxy(Exception):
        def __getattribute__(self, name):
            raise AssertionError(f"{name} was read")

    assert is_a(Proxy(), Exception)
    assert type_name_of(Proxy()).endswith("Proxy")
    assert text_of(Proxy("x")) == "x"
    assert traceback_of(Proxy()) is None
