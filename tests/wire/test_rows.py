"""Numbers and records of them as rows: what is opened is what was written, and what is none is refused."""

import marshal
from array import array

import pytest

from poolifier.exchange import MAPPED_RUN
from poolifier.wire import messages
from poolifier.wire.frames import FrameError
from poolifier.wire.reply_form import checked_replies
from poolifier.wire.rows import UNWRITTEN, opened, rows_left, written

INTEGERS = array("q", [1, -2, 3, 4]).tobytes()
MIXED = (
    array("q", [1]).tobytes() + array("d", [0.5]).tobytes() + array("q", [2]).tobytes() + array("d", [1.5]).tobytes()
)


@pytest.mark.parametrize(
    ("rows", "results"),
    [
        (("q", None, INTEGERS), [1, -2, 3, 4]),
        (("d", None, array("d", [0.5, float("inf")]).tobytes()), [0.5, float("inf")]),
        (("q", ("i",), INTEGERS), [{"i": 1}, {"i": -2}, {"i": 3}, {"i": 4}]),
        (("qd", ("i", "x"), MIXED), [{"i": 1, "x": 0.5}, {"i": 2, "x": 1.5}]),
        (("qq", ("b", "a"), INTEGERS), [{"b": 1, "a": -2}, {"b": 3, "a": 4}]),
    ],
)
def test_rows_are_opened(rows, results):
    assert written(rows) == len(results)
    assert repr(opened(rows)) == repr(results)
    run = (7, MAPPED_RUN, (rows, [len(results)], [0.25]), 0.25 * len(results))
    [reply] = messages.marshalled_replies(1, marshal.dumps(run, 2))
    assert repr(reply[2][0]) == repr(results)


def test_records_are_objects_of_their_own():
    first, second = opened(("qq", ("a", "b"), array("q", [1, 2, 1, 2]).tobytes()))
    assert first == second
    assert first is not second


@pytest.mark.parametrize(
    "rows",
    [
        None,
        (),
        ("q", None),
        ("q", None, INTEGERS, 1),
        ("q", None, INTEGERS[:-1]),
        ("q", None, INTEGERS + INTEGERS),
        ("q", None, list(INTEGERS)),
        ("", (), b""),
        ("x", None, INTEGERS),
        (["q"], None, INTEGERS),
        (b"q", None, INTEGERS),
        ("qq", None, INTEGERS * 2),
        ("q", (), INTEGERS),
        ("q", (1,), INTEGERS),
        ("q", ([],), INTEGERS),
        ("q", ["i"], INTEGERS),
        ("q" * 9, tuple("abcdefghi"), INTEGERS * 9),
    ],
    ids=lambda rows: repr(rows)[:30],
)
def test_what_is_no_rows_is_refused(rows):
    run = (7, MAPPED_RUN, (rows, [4], [0.25]), 1.0)
    with pytest.raises(FrameError):
        checked_replies([run], 0.0, 0.0)


def memory_of(*numbers):
    return array("q", [*numbers, *[UNWRITTEN] * (16 - len(numbers))]).tobytes()


@pytest.mark.parametrize(
    ("form", "numbers", "results"),
    [
        (("q", None), (), []),
        (("q", None), (5, 6), [5, 6]),
        (("q", ("i",)), range(16), [{"i": n} for n in range(16)]),
        (("qq", ("a", "b")), (1, 2, 3), [{"a": 1, "b": 2}]),
        (("qq", ("a", "b")), (1, 2, 3, 4), [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        (("qqq", ("a", "b", "c")), (1, 2, 3), [{"a": 1, "b": 2, "c": 3}]),
    ],
)
def test_a_row_counts_once_its_last_number_is_written(form, numbers, results):
    assert opened(rows_left(marshal.dumps(form, 2), memory_of(*numbers))) == results


@pytest.mark.parametrize("form", [b"", b"garbage", marshal.dumps(1), marshal.dumps(("q", None))[:-1], b"\0" * 40])
def test_what_is_no_form_is_refused(form):
    with pytest.raises(FrameError):
        rows_left(form, memory_of(1))


@pytest.mark.parametrize("form", [("x", None), ("qq", None), ("q", 1), ("q", ("a", "b")), ("", None), 5])
def test_what_is_no_form_of_rows_is_refused(form):
    with pytest.raises(FrameError):
        rows_left(marshal.dumps(form, 2), memory_of(1))
