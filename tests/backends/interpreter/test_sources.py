"""An interpreter loads the Python source of this package, whatever is compiled beside it."""

from importlib.machinery import EXTENSION_SUFFIXES, SourceFileLoader

import poolifier
import poolifier.scheduler
from poolifier.backends.interpreter.sources import SourceFinder


def test_the_source_goes_before_what_is_compiled(tmp_path):
    (tmp_path / "both.py").write_text("")
    (tmp_path / f"both{EXTENSION_SUFFIXES[0]}").write_bytes(b"machine code")
    spec = SourceFinder().find_spec("poolifier.both", [str(tmp_path)])

    assert spec.origin == str(tmp_path / "both.py")
    assert isinstance(spec.loader, SourceFileLoader)


def test_modules_and_packages_are_found():
    finder = SourceFinder()
    module = finder.find_spec("poolifier.scheduler.scheduler", poolifier.scheduler.__path__)
    package = finder.find_spec("poolifier.scheduler", poolifier.__path__)

    assert module.origin.endswith("scheduler.py")
    assert package.submodule_search_locations == list(poolifier.scheduler.__path__)


def test_everything_else_is_left_to_others(tmp_path):
    (tmp_path / "namespace").mkdir()
    finder = SourceFinder()

    assert finder.find_spec("json.decoder", [str(tmp_path)]) is None
    assert finder.find_spec("poolifier", None) is None
    assert finder.find_spec("poolifier.nothing", [str(tmp_path)]) is None
    assert finder.find_spec("poolifier.namespace", [str(tmp_path)]) is None
