"""Brings what a worker logs, and its warnings, to the logging of its pool.

A handler on the worker's root logger does it (see `relay_handler`), as soon as there is a root logger: workers
start in less time without `logging`, so it is not imported here but looked out for. Before a logging call
returns, its record is in the worker's channel, from where not even the worker's death takes it back (or, in an actor
of Ray, among what it answers next).
"""

from __future__ import annotations

import os
import sys
import warnings

from poolifier.worker.import_hooks import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

__all__ = ["Target", "connect", "look_out", "target"]


class Target:
    """Where the records of this process or interpreter go.

    Attributes:
        levels: The levels of the pool's loggers, by name; the root's is that of `""`.
        disabled: The level up to which the pool has disabled logging.
    """

    __slots__ = ("_pid", "_tell", "disabled", "levels")

    def __init__(self, tell: Callable[[bytes], object], levels: Sequence[tuple[str, int]], disabled: int) -> None:
        self._tell = tell
        self._pid = os.getpid()
        self.levels: dict[str, int] = dict(levels)
        self.disabled: int = disabled

    @property
    def here(self) -> bool:
        """Whether this is the worker, and not a child that one of its tasks has forked off."""
        return os.getpid() == self._pid

    def tell(self, frame: bytes) -> None:
        """Sends a frame."""
        self._tell(frame)


_target: Target | None = None
_looking_out = False
_attach: Callable[[Target], object] | None = None

_show_warning = warnings.showwarning


def target() -> Target | None:
    """Where records go, or None where there is no pool to send them to."""
    return _target


def look_out() -> None:
    """Sees to it that from the first record on all are relayed. Does nothing the second time."""
    global _looking_out
    if _looking_out:
        return
    _looking_out = True
    if "logging" not in sys.modules:
        warnings.showwarning = _first_warning
    when_imported("logging", lambda _: _logging_is_there())


def connect(tell: Callable[[bytes], object], levels: Sequence[tuple[str, int]], disabled: int) -> None:
    """Sends the records to a pool that has those levels; `tell` sends a frame, from any thread."""
    global _target
    _target = Target(tell, levels, disabled)
    look_out()
    if _attach is not None:
        _attach(_target)


def _logging_is_there() -> None:
    global _attach
    # A record asks it for `processName`, and takes this for the main process where it has not been imported.
    import multiprocessing.process  # noqa: F401

    from poolifier.worker.relay_handler import attach

    warnings.showwarning = _show_warning
    _attach = attach
    attach(_target)


def _first_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    import logging  # noqa: F401 - which is what is looked out for

    warnings.showwarning(message, category, filename, lineno, file, line)
