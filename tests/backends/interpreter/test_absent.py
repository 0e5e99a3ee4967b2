"""Where there are no sub-interpreters, the constructor says so, and what to do."""

import sys

import pytest

from poolifier import DynamicInterpreterPool, FixedInterpreterPool, UnsupportedError
from poolifier.backends.interpreter import support


def expect(match):
    with pytest.raises(UnsupportedError, match=match):
        FixedInterpreterPool(1, len)
    with pytest.raises(UnsupportedError, match=match):
        DynamicInterpreterPool(0, 1, len)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="they are there")
def test_an_old_python_is_told_what_is_needed():
    expect(
        r"need Python 3\.14, or Python 3\.13 with `pip install 'poolifier\[interpreters\]'`; this is Python 3\.1[12]"
    )


@pytest.mark.skipif(sys.version_info < (3, 13), reason="they can be nowhere")
def test_a_missing_module_is_named(monkeypatch):
    monkeypatch.setattr(support, "_MODULE", "interpreters_that_nobody_installed")
    expect(r"No module named 'interpreters_that_nobody_installed'.*process pool")


@pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the backport is for 3.13")
def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "interpreters_backport.interpreters", None)
    expect(r"on Python 3\.13 run `pip install 'poolifier\[interpreters\]'`")
