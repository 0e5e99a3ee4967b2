import pickle
import re
import sys
from pathlib import Path

import pytest

from poolifier.task_functions import TaskFunction, Worker
from poolifier.wire import codec
from poolifier.wire.scripts import importable
from poolifier.worker.source import WorkerSource


@pytest.fixture(autouse=True)
def clean_modules(monkeypatch):
    monkeypatch.setattr(importable, "marks", list(importable.marks))
    monkeypatch.setattr(importable, "carried", set())
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        if name.startswith("poolifier_"):
            del sys.modules[name]


def write(directory, name, text="def worker(data=None): return data\n"):
    (directory / name).write_text(text)
    return directory / name


@pytest.mark.parametrize("worker", [len, {"a": len}, TaskFunction(len), Worker(len)])
def test_objects(worker):
    source = WorkerSource.from_argument(worker)
    assert isinstance(source.worker, Worker)
    assert source.load() is source.worker
    copy = pickle.loads(pickle.dumps(source)).load()
    assert [p.name for p in copy.list_task_functions_properties()] == list(source.worker.task_functions)


@pytest.mark.parametrize("worker", [1, None, [len]])
def test_what_is_no_worker(worker):
    with pytest.raises(TypeError, match="worker must be"):
        WorkerSource.from_argument(worker)


def test_a_worker_without_functions():
    with pytest.raises(ValueError, match="at least one"):
        WorkerSource.from_argument(Worker())


@pytest.mark.parametrize("worker", ["", "  "])
def test_an_empty_string(worker):
    with pytest.raises(ValueError, match="must name"):
        WorkerSource.from_argument(worker)


@pytest.mark.parametrize("worker", ["missing.py", "./missing", "a/b", Path("missing"), "missing.py:name"])
def test_a_missing_file_is_named(worker):
    with pytest.raises(ValueError, match=r"there is no file.*(missing|a/b)"):
        WorkerSource.from_argument(worker)


@pytest.mark.parametrize("worker", ["no module", "a..b", "1a", "a:", ":b", "a:1b", "a:b c"])
def test_what_is_no_import_string(worker):
    with pytest.raises(ValueError, match="worker must"):
        WorkerSource.from_argument(worker)


def test_making_a_source_imports_nothing():
    source = WorkerSource.from_argument("poolifier_test_absent.module:name")
    assert source.worker is None
    with pytest.raises(ModuleNotFoundError):
        source.load()


def test_import_strings(tmp_path, monkeypatch):
    write(tmp_path, "poolifier_test_named.py", "class Box: inner = len\nother = {'a': len}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(WorkerSource.from_argument("poolifier_test_named:other").load().task_functions) == ["a"]
    assert list(WorkerSource.from_argument("poolifier_test_named:Box.inner").load().task_functions) == ["len"]
    with pytest.raises(ValueError, match="poolifier_test_named has no attribute 'worker'"):
        WorkerSource.from_argument("poolifier_test_named").load()


def test_what_a_module_has_instead_is_named(tmp_path):
    path = write(tmp_path, "poolifier_test_single.py", "from os.path import join\ndef square(number): ...\nsize = 3\n")
    with pytest.raises(ValueError, match=f"it has square: name one as in '{path}:square'"):
        WorkerSource.from_argument(path).load()


def test_names_close_to_the_wanted_one_are_offered_and_private_ones_are_not(tmp_path):
    text = "from os.path import join\ndef _resized(): ...\ndef resize(image): ...\ndef rotate(image): ...\n"
    path = write(tmp_path, "poolifier_test_close.py", text)
    for wanted, offered in (
        ("resizes", f"it has resize, rotate; did you mean '{path}:resize'?"),
        ("joins", f"it has resize, rotate; did you mean '{path}:join'?"),
        ("nothing", f"it has resize, rotate: name one as in '{path}:resize'"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"has no attribute '{wanted}'; {offered}") + "$"):
            WorkerSource.from_argument(f"{path}:{wanted}").load()


def test_of_many_names_some_are_listed(tmp_path):
    path = write(tmp_path, "poolifier_test_many.py", "".join(f"def part_{n}(): ...\n" for n in range(20)))
    names = ", ".join(f"part_{number}" for number in range(12))
    with pytest.raises(ValueError, match=f"; it has {names} and 8 more: name one as in '{path}:part_0'$"):
        WorkerSource.from_argument(path).load()


def test_functions_written_in_c_are_offered_and_names_that_are_not_close_are_not():
    with pytest.raises(ValueError, match=r"math has no attribute 'sqr'; it has .*; did you mean 'math:sqrt'\?"):
        WorkerSource.from_argument("math:sqr").load()
    with pytest.raises(ValueError, match="string has no attribute 'nope'; it has capwords: name one as in"):
        WorkerSource.from_argument("string:nope").load()


def test_files_are_resolved_when_the_source_is_made(tmp_path, monkeypatch):
    write(tmp_path, "poolifier_test_relative.py")
    monkeypatch.chdir(tmp_path)
    source = WorkerSource.from_argument("poolifier_test_relative.py")
    monkeypatch.chdir("/")
    assert list(source.load().task_functions) == ["worker"]


def test_a_file_that_can_be_imported_is(tmp_path, monkeypatch):
    path = write(tmp_path, "poolifier_test_found.py")
    monkeypatch.syspath_prepend(tmp_path)
    worker = WorkerSource.from_argument(path).load()
    import poolifier_test_found

    assert worker.task_functions["worker"].function is poolifier_test_found.worker
    assert importable.carried == set()
    again = WorkerSource.from_argument(str(path)).load()
    assert again.task_functions["worker"].function is poolifier_test_found.worker


def test_a_file_that_cannot_be_imported_travels_by_value(tmp_path):
    path = write(tmp_path, "poolifier_test_apart.py", "other = worker = lambda data: data")
    for argument in (path, f"{path}:other"):
        WorkerSource.from_argument(argument).load()
    assert importable.carried == {"poolifier_test_apart"}
    assert sys.modules["poolifier_test_apart"].__file__ == str(path)


@pytest.mark.parametrize("name", ["json.py", "not-a-name.py", "email.py"])
def test_a_file_whose_name_is_taken(tmp_path, name):
    path = write(tmp_path, name)
    assert WorkerSource.from_argument(path).load().task_functions["worker"].function(5) == 5
    [module] = importable.carried
    assert str(path) in module
    function = WorkerSource.from_argument(path).load().task_functions["worker"].function
    assert function.__module__ == module
    payload = codec.encode(function)
    del sys.modules[module]
    assert codec.decode(payload)(6) == 6


def test_a_file_that_fails_is_not_left_half_loaded(tmp_path):
    path = write(tmp_path, "poolifier_test_broken.py", "1 / 0")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            WorkerSource.from_argument(path).load()
    assert "poolifier_test_broken" not in sys.modules
