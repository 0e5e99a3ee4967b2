"""Lets an interpreter load this package from its source, also where it is compiled.

What is compiled keeps its state once for the whole process, so no interpreter but the main one can load it: a module of
task functions that merely imports a pool could not be imported by the workers. They do without the speed.
"""

from __future__ import annotations

from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

__all__ = ["SourceFinder"]


class SourceFinder:
    """Finds the modules of this package by their source alone. To be put first in `sys.meta_path`."""

    def __init__(self) -> None:
        self._finders: dict[str, FileFinder] = {}

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """See `importlib.abc.MetaPathFinder`."""
        if not name.startswith("poolifier."):
            return None
        for directory in path or ():
            finder = self._finders.get(directory)
            if finder is None:
                finder = self._finders[directory] = FileFinder(directory, (SourceFileLoader, SOURCE_SUFFIXES))
            spec = finder.find_spec(name)
            if spec is not None and spec.loader is not None:
                return spec
        return None
