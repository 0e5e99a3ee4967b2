import collections
import pickle
import sys
import threading
import types

import pytest

from poolifier.errors import SerializationError
from poolifier.wire import codec
from poolifier.wire.scripts import importable


def test_importable_things_travel_by_reference():
    assert codec.encode(collections.Counter) == pickle.dumps(collections.Counter, 5)
    assert codec.decode(codec.encode(collections.Counter)) is collections.Counter


def test_closures_travel_by_value():
    offset = 5
    copy = codec.decode(codec.encode(lambda x: x + offset))
    assert copy(1) == 6


def test_local_classes_come_back_as_themselves_and_unchanged():
    class Local:
        def method(self):
            return 1

    method = Local.__dict__["method"]
    [copy, cls] = codec.decode(codec.encode([Local(), Local]))
    assert type(copy) is cls is Local
    assert Local.__dict__["method"] is method


def test_modules_that_the_other_side_cannot_import_travel_by_value(monkeypatch):
    monkeypatch.setattr(importable, "marks", list(importable.marks))
    monkeypatch.setattr(importable, "carried", set())
    module = types.ModuleType("poolifier_test_hidden")
    exec("def function(): return 41 + 1", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    importable.carry(module.__name__)
    importable.carry(module.__name__)
    payload = codec.encode(module.function)
    monkeypatch.delitem(sys.modules, module.__name__)
    assert codec.decode(payload)() == 42


def test_what_cannot_be_pickled_is_named():
    with pytest.raises(SerializationError, match=r"data of task function 'f' \(lock\).*cannot pickle") as caught:
        codec.encode_data("f", threading.Lock())
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(SerializationError, match=r"result of task function 'f' \(lock\)"):
        codec.encode_result("f", threading.Lock())


class Exits:
    def __reduce__(self):
        raise SystemExit(1)


def test_data_that_exits_when_pickled_is_refused():
    with pytest.raises(SerializationError, match="SystemExit"):
        codec.encode_data("f", Exits())


def test_deep_data_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError, match=r"[Rr]ecursion"):
        codec.encode_data("f", deep)
    while deep:
        deep = deep.pop()


def test_describing_an_error_never_fails():
    class Mute(Exception):
        def __str__(self):
            raise SystemExit

    assert codec.describe(Mute()) == "Mute: () (its str() failed: SystemExit)"
    assert codec.describe(ValueError()) == "ValueError"
    assert codec.describe(ValueError("x")) == "ValueError: x"


def test_subclasses_of_atoms_are_no_atoms():
    class Number(int):
        pass

    assert type(Number(1)) not in codec.ATOMS
    assert bool in codec.ATOMS
