"""The source of code is found whatever its globals say of their loader."""

import zipfile
from importlib.machinery import ModuleSpec
from zipimport import zipimporter

import pytest

from poolifier.wire.scripts.sources import source_of

TEXT = "def twice(x):\n    return 2 * x\n"


@pytest.fixture
def loader(tmp_path):
    with zipfile.ZipFile(tmp_path / "library.zip", "w") as archive:
        archive.writestr("doubling.py", TEXT)
    return zipimporter(str(tmp_path / "library.zip"))


@pytest.mark.parametrize(
    "made",
    [
        lambda loader: {"__name__": "doubling", "__loader__": loader, "__spec__": ModuleSpec("doubling", loader)},
        lambda loader: {"__name__": "doubling", "__loader__": loader, "__spec__": ModuleSpec("doubling", None)},
        lambda loader: {"__name__": "doubling", "__loader__": loader, "__spec__": None},
        lambda loader: {"__name__": "doubling", "__loader__": loader},
        lambda loader: {"__name__": "__main__", "__loader__": None, "__spec__": ModuleSpec("doubling", loader)},
    ],
)
def test_by_the_loader_without_a_warning(loader, made):
    assert source_of("no-such-directory/doubling.py", made(loader)) == TEXT


@pytest.mark.parametrize("globals_", [None, {}, {"__name__": "made_by_hand", "__loader__": None, "__spec__": None}])
def test_there_need_not_be_one(globals_):
    assert source_of("no-such-directory/made_by_hand.py", globals_) is None
