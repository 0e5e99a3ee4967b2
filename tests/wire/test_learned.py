"""How often values that refer to a script's classes are pickled, and that nothing stale is used."""

import functools
import sys
from types import ModuleType

import pytest

from poolifier.wire import codec
from poolifier.wire.scripts import encoding
from poolifier.wire.scripts.active import active
from poolifier.wire.scripts.definitions import Definitions

TEXT = """
class Point:
    def __init__(self, x):
        self.x = x
    def moved(self, by):
        return self.x + by

class Other:
    pass

def add(one, other):
    return one + other
"""


@pytest.fixture
def script(monkeypatch):
    """A module that workers cannot import."""
    module = ModuleType("made_by_hand")
    exec(compile(TEXT, "made_by_hand.py", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "made_by_hand", module)
    monkeypatch.setattr(active, "definitions", Definitions())
    monkeypatch.setattr(codec, "_again", set())
    return module


def values(script):
    yield script.Point(script.Point(1))
    yield script.Point(1).moved, 2
    yield functools.partial(script.add, 1), 2
    yield [script.Point(number) for number in range(1000)]
    yield {"point": script.Point(147), "class": script.Other, "path": script.add}


def test_the_second_of_a_kind_needs_no_more_than_pickle(script, monkeypatch):
    first = [codec.encode(value) for value in values(script)]
    monkeypatch.setattr(encoding, "Pickler", None)
    assert [codec.encode(value) for value in values(script)] == first


def test_large_values_of_one_class_are_pickled_once(script, monkeypatch):
    codec.encode([script.Point(1), script.Point(2)])
    monkeypatch.setattr(encoding, "Repeating", None)
    monkeypatch.setattr(encoding, "Pickler", None)
    value = [script.Point(number) for number in range(1000)]
    assert codec.encode(value).count(b"\x93") > 1


def test_what_comes_with_known_types_is_sent_ahead(script):
    definitions = active.definitions
    for _ in range(2):
        codec.encode((script.Point(1), script.add))
    before = definitions.last
    codec.encode((script.Point(1), script.Other()))
    assert [operation[1] for operation in definitions.since(before)] == ["Other"]


def test_a_class_that_has_been_replaced_goes_by_value(script):
    point = script.Point(script.Point(1))
    for _ in range(2):
        codec.encode(point)
    exec(TEXT, script.__dict__)
    assert b"keyed" in codec.encode(point)
    active.definitions.look()
    assert b"keyed" in codec.encode(point)
    assert b"keyed" not in codec.encode(script.Point(script.Point(1)))


def test_other_values_are_pickled_plainly_again(script):
    codec.encode((script.Point(1), script.add))
    assert codec._again == {id(tuple)}
    codec.encode(({}, functools.partial(len)))
    codec.encode((1, 2))
    assert codec._again == set()
