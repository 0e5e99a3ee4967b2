"""Where sub-interpreters come from: the standard library since Python 3.14, a backport on 3.13."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from poolifier.backends.native_threads import threads_are_native
from poolifier.errors import UnsupportedError

__all__ = ["interpreters_module"]

_MODULE: Final = "concurrent.interpreters" if sys.version_info >= (3, 14) else "interpreters_backport.interpreters"

_FIRST_HERE: Final = ("_datetime", "ctypes")
"""Modules with something that all interpreters share and the first to import them prepares.

Both end the process, by an abort or a segmentation fault. The types of `_datetime` are gone with the interpreter that
was first (python/cpython#136421 and #136423). `ctypes`, which every worker imports, says that its table of types is
prepared before it is: of two interpreters that import it at once, one may find nothing there. The whole package
has to be imported, for it is not the C module's import that fills the table.
"""


def interpreters_module() -> Any:
    """The module of PEP 734, of which `create`, and an interpreter's `exec` and `close`, are used.

    Raises:
        UnsupportedError: There is none here; says what to do.
    """
    version = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < (3, 13):
        raise UnsupportedError(
            "interpreter workers need Python 3.14, or Python 3.13 with `pip install 'poolifier[interpreters]'`; "
            f"this is {version}: use a process pool"
        )
    if not threads_are_native():
        raise UnsupportedError(
            "interpreter workers need threads of the system, in place of which gevent or eventlet has put its own: "
            "leave threads out, as in monkey.patch_all(thread=False), or use a process pool"
        )
    if _is_traced():
        raise UnsupportedError(
            f"interpreter workers do not go together with tracemalloc on {version}: it crashes when an interpreter "
            "ends of which it has traced something (python/cpython#134604, mended in 3.15); call tracemalloc.stop() "
            "before, or use a process pool"
        )
    for name in _FIRST_HERE:
        with suppress(ImportError):
            import_module(name)
    try:
        return import_module(_MODULE)
    except ImportError as error:
        if sys.version_info >= (3, 14):
            advice = f"this {version} has no module {_MODULE!r}: use a process pool"
        else:
            advice = f"on {version} run `pip install 'poolifier[interpreters]'`, or use a process pool"
        raise UnsupportedError(f"there are no interpreter workers here ({error}): {advice}") from error


def _is_traced() -> bool:
    """Whether memory is traced, where that ends the process."""
    if sys.version_info >= (3, 15):
        return False
    # Not by what is loaded: with `-X tracemalloc` the module need not be.
    with suppress(ImportError):
        return bool(import_module("tracemalloc").is_tracing())
    return False
