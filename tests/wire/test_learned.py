"""How often values that refer to a script's classes are pickled, and that nothing stale is used."""

import functools
import sys
from types import ModuleType

import pytest

from poolifier.wire import codec
from poolifier.wire.scripts import encoding, importable
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


@pytest.fixture
def main(monkeypatch):
    """A main script, which is the only one."""
    module = ModuleType("__main__")
    exec(compile(TEXT, "main.py", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.setattr(importable, "marks", [b"_main__"])
    monkeypatch.setattr(active, "definitions", Definitions())
    monkeypatch.setattr(codec, "_again", set())
    return module


def named_several(main):
    yield main.Point(1).moved
    yield functools.partial(main.add, 1)
    yield functools.partial(main.add, main.Point(149))
    yield main.Point(1), main.Other()
    yield {"point": main.Point(148), "class": main.Other, "path": main.add}


def test_the_second_of_several_names_needs_one_pickle(main, monkeypatch):
    first = [codec.encode(value) for value in named_several(main)]
    monkeypatch.setattr(encoding, "Pickler", None)
    monkeypatch.setattr(encoding, "Repeating", None)
    monkeypatch.setattr(codec, "_encode_globals", None)
    assert [codec.encode(value) for value in named_several(main)] == first


def test_one_whose_data_looks_like_names_slows_down_no_others(main, monkeypatch):
    for number in (1, 147, 2):
        codec.encode(functools.partial(main.add, number))
    assert codec._again == set()
    monkeypatch.setattr(encoding, "Repeating", None)
    assert codec.decode(codec.encode(functools.partial(main.add, 3)))(4) == 7


def test_a_name_of_a_module_that_becomes_the_scripts_is_sent(main):
    definitions = active.definitions
    for _ in range(2):
        codec.encode(functools.partial(main.add, 1))
    main.partial = type("partial", (), {"__module__": "__main__"})
    before = definitions.last
    codec.encode((main.Point(1), main.partial()))
    assert "partial" in [operation[1] for operation in definitions.since(before)]


def test_a_name_that_has_been_replaced_is_sent_again(main):
    definitions = active.definitions
    for _ in range(2):
        codec.encode((main.Point(1), main.Other()))
    exec(TEXT, main.__dict__)
    before = definitions.last
    assert definitions.look()
    codec.encode((main.Point(1), main.Other()))
    assert {"Point", "Other"} <= {operation[1] for operation in definitions.since(before)}


def test_several_scripts_may_have_the_same_names(main, script, monkeypatch):
    monkeypatch.setattr(importable, "marks", [b"_main__"])
    definitions = active.definitions
    for _ in range(2):
        codec.encode((main.Point(1), main.Other()))
    monkeypatch.setattr(importable, "marks", [b"_main__", b"made_by_hand"])
    before = definitions.last
    codec.encode((script.Point(1), script.Other()))
    assert {("made_by_hand", "Point"), ("made_by_hand", "Other")} <= {
        operation[:2] for operation in definitions.since(before)
    }


def test_a_method_by_another_name_is_not_taken_for_known(main):
    """Compiled coroutine methods have the name of their class in their own."""
    for _ in range(2):
        codec.encode(main.Point(1).moved)
    main.Point.moved.__name__ = "Point.moved"
    assert codec.decode(codec.encode(main.Point(1).moved))(2) == 3
