"""What tests of memory share."""

import contextlib
import ctypes
import operator
import sys
import threading
from functools import partial

import pytest


class Stroke(BaseException):
    """What an abort is in the tests."""


@pytest.fixture
def struck(monkeypatch):
    """Calls C code at the end of a block, with an exception on its way that is raised at the first Python code.

    Where that is in a finalizer, it goes no further than the hook for such.
    """
    unheard = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: unheard.append(unraisable.exc_type))
    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    ident, stroke = ctypes.c_ulong(threading.get_ident()), ctypes.py_object(Stroke)

    @contextlib.contextmanager
    def strike(code):
        unheard.clear()
        yield
        calls = [partial(set_exception, ident, stroke), code]
        # One instruction: Python raises what is on its way between instructions only.
        _ = [*map(operator.call, calls)]
        assert unheard == [Stroke]

    return strike
