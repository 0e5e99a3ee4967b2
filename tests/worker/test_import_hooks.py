"""What is to happen when a module is imported."""

import importlib
import sys

import pytest

from poolifier.worker.import_hooks import when_imported


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hooked_on.py").write_text("done = True")
    before = list(sys.meta_path)
    yield "hooked_on"
    sys.modules.pop("hooked_on", None)
    assert sys.meta_path == before, "nothing of it stays once it has happened"


def test_it_happens_once_right_after_the_import(module):
    seen = []
    when_imported(module, lambda found: seen.append((found.__name__, found.done)))
    assert not seen
    found = importlib.import_module(module)
    assert seen == [(module, True)]
    importlib.reload(found)
    assert len(seen) == 1


def test_several_may_wait_for_the_same(module):
    seen = []
    for number in range(3):
        when_imported(module, lambda _, number=number: seen.append(number))
    importlib.import_module(module)
    assert sorted(seen) == [0, 1, 2]


def test_it_happens_at_once_where_the_module_is_there(module):
    importlib.import_module(module)
    seen = []
    when_imported(module, seen.append)
    assert seen == [sys.modules[module]]


def test_the_module_is_as_it_would_be_without(module):
    when_imported(module, lambda _: None)
    found = importlib.import_module(module)
    assert type(found.__loader__).__name__ == "SourceFileLoader"
    assert found.__spec__.loader is found.__loader__
