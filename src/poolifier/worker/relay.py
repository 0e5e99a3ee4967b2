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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, TextIO

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
    if "logging" in sys.modules:
        _logging_is_there()
    else:
        sys.meta_path.insert(0, _Finder())
        warnings.showwarning = _first_warning


def connect(tell: Callable[[bytes], object], levels: Sequence[tuple[str, int]], disabled: int) -> None:
    """Sends the records to a pool that has those levels; `tell` sends a frame, from any thread."""
    global _target
    _target = Target(tell, levels, disabled)
    look_out()
    if _attach is not None:
        _attach(_target)


def _logging_is_there() -> None:
    global _attach
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


class _Finder:
    """Notices the import of `logging`, and then is no more."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "logging" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        for finder in list(sys.meta_path):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Loads as the module's own loader does, and attaches the relay."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _logging_is_there()
