"""A log record as plain values."""

import threading

import pytest

from poolifier.wire.frames import FrameError
from poolifier.wire.log_records import pack_record, unpack_record

FIELDS = {
    "name": "app",
    "levelno": 20,
    "levelname": "INFO",
    "msg": "text",
    "pathname": "/a/b.c.py",
    "lineno": 3,
    "created": 1.5,
    "task_id": 7,
}


class Unreadable:
    def __reduce__(self):
        return (int, ("no number",))


def test_what_is_packed_is_unpacked():
    attributes = unpack_record(pack_record(FIELDS, {"a": None, "b": {"c": [1]}}))
    assert {name: attributes[name] for name in FIELDS} == FIELDS
    assert (attributes["filename"], attributes["module"]) == ("b.c.py", "b.c")
    assert (attributes["a"], attributes["b"]) == (None, {"c": [1]})
    assert attributes["exc_text"] is None


def test_what_cannot_travel_costs_nothing_but_itself():
    attributes = unpack_record(pack_record(FIELDS, {"lock": threading.Lock(), "bad": Unreadable(), "good": (1, 2)}))
    assert attributes["lock"].startswith("<unlocked")
    assert attributes["bad"].startswith("(cannot be unpickled: ValueError")
    assert attributes["good"] == (1, 2)


def test_what_is_added_does_not_take_the_place_of_what_is_there():
    attributes = unpack_record(pack_record(FIELDS, {"msg": "other", "task_id": "mine", "args": 5, "worker_id": 9}))
    assert (attributes["msg"], attributes["task_id"]) == ("text", 7)
    assert not {"args", "worker_id"} & set(attributes)


VALUES, _, _ = pack_record(FIELDS, {})


@pytest.mark.parametrize(
    "body",
    [
        None,
        (),
        (VALUES, {}),
        (VALUES[:-1], {}, {}),
        ([*VALUES, None], {}, {}),
        ([5, *VALUES[1:]], {}, {}),
        ([VALUES[0], True, *VALUES[2:]], {}, {}),
        ([*VALUES[:7], float("nan"), *VALUES[8:]], {}, {}),
        ([*VALUES[:7], 1e300, *VALUES[8:]], {}, {}),
        (VALUES, {"a": [1]}, {}),
        (VALUES, {1: 1}, {}),
        (VALUES, {}, {"a": "no pickle"}),
        (VALUES, [], {}),
    ],
)
def test_anything_else_is_refused(body):
    with pytest.raises(FrameError, match="expected a log record"):
        unpack_record(body)
