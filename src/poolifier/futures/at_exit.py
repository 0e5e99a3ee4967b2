"""What becomes of executors at the end of the interpreter, and in a process that is forked from this one."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from poolifier.futures.engine import Engine

__all__ = ["is_exiting", "watch"]

_engines: WeakSet[Engine] = WeakSet()
_exiting = False


def is_exiting() -> bool:
    """Whether the interpreter is about to end, so that nothing new can be begun."""
    return _exiting


def watch(engine: Engine) -> None:
    """Has an engine end before the interpreter does, with all its calls, and forgotten where this process forks."""
    _engines.add(engine)


def _end() -> None:
    global _exiting
    _exiting = True
    engines = list(_engines)
    for engine in engines:
        engine.close()
    for engine in engines:
        if engine.owns:
            engine.wait()


def _forget() -> None:
    for engine in list(_engines):
        engine.forget()


# As in the standard library's executors: before threads are waited for, while everything still works. There is no
# public way to it; `atexit` comes after the threads, when no new ones can be started.
threading._register_atexit(_end)  # type: ignore[attr-defined]
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
