"""Whether this worker is loading the modules of its task functions.

A module whose body runs a pool, without a guard, would start workers that import it, whose workers import it, and so
on without end. So a worker that is loading may not start workers: neither while it starts, nor while it reads a
function or its data, for which the module is imported later. In tasks and initializers it may. A pool of threads
imports nothing anew, and is not concerned.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

from poolifier.wire import codec
from poolifier.wire.scripts import namespaces
from poolifier.worker.imports import IMPORT_SYSTEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_loaded", "loading"]

_loading = 0
_is_worker = False

_READERS = frozenset({codec.decode.__code__, namespaces.define.__code__})


@contextmanager
def loading() -> Iterator[None]:
    """What runs meanwhile may not start workers, in whatever thread."""
    global _loading, _is_worker
    _is_worker = True
    _loading += 1
    try:
        yield
    finally:
        _loading -= 1


def check_loaded() -> None:
    """Raises `RuntimeError` where starting workers would never end: while this worker imports what called this."""
    if _loading or (_is_worker and _imported_for_a_task()):
        raise RuntimeError(
            "A pool is being started by a worker that is still importing the module of its task functions, so that "
            "each worker would start workers of its own, without end. This module runs a pool when it is imported; "
            "have it do so only as a program, or when it is asked to:\n\n"
            "    if __name__ == '__main__':\n"
            "        asyncio.run(main())"
        )


def _imported_for_a_task() -> bool:
    """Whether this is called from the body of a module that is imported because a pickle refers to it."""
    importing = False
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_filename in IMPORT_SYSTEM:
            importing = True
        elif importing and frame.f_code in _READERS:
            return True
    return False
