"""How an import that is under way is told from its stack."""

import importlib
import importlib.util
import sys
import threading

import pytest

from poolifier import FixedProcessPool
from poolifier.worker.imports import FIRST_PAUSE, importing, longer, look_until

MODULE = """
import sys
from poolifier.worker.imports import importing

def look():
    return importing(sys._getframe())

during = look()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that notes it, from within a function."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "looked_at.py").write_text(MODULE)
    yield tmp_path / "looked_at.py"
    sys.modules.pop("looked_at", None)


def by_statement(_):
    import looked_at

    return looked_at


def by_name(_):
    return importlib.import_module("looked_at")


def by_file(path):
    spec = importlib.util.spec_from_file_location("looked_at", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def again(_):
    found = by_name(None)
    del found.during
    return importlib.reload(found)


@pytest.mark.parametrize("way", [by_statement, by_name, by_file, again])
def test_the_body_of_a_module_is_part_of_its_import(module, way):
    found = way(module)
    assert found.during
    assert not found.look(), "a function of it is none afterwards"


def test_outside_of_imports_none_is_under_way():
    assert not importing(sys._getframe())
    assert not importing(None)


def test_the_pauses_get_longer_to_a_limit():
    pauses = [FIRST_PAUSE]
    for _ in range(100):
        pauses.append(longer(pauses[-1]))
    assert pauses == sorted(pauses)
    assert pauses[-1] == 0.05


@pytest.mark.usefixtures("no_leaks")
def test_it_is_looked_until_it_is_over_and_in_another_thread():
    looks = []
    end = threading.Event()

    def over():
        looks.append(threading.get_ident())
        if len(looks) == 3:
            end.set()
        return len(looks) == 3

    look_until(over)
    assert end.wait(120)
    assert threading.get_ident() not in looks


def foreign(_):
    return sorted({name.partition(".")[0] for name in sys.modules} & {"pytest", "_pytest"})


def test_workers_of_these_tests_do_without_the_real_pytest(run):
    """They import the module of their function, this one, and are thousands: see `in_workers`."""

    async def main():
        async with FixedProcessPool(1, foreign) as pool:
            assert await pool.execute() == ["pytest"]

    run(main())
    assert "_pytest" in sys.modules
