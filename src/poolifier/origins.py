"""Where a function is defined: what tells it from others of its name in another process.

Imported by every worker process, so it imports nothing heavy.
"""

from __future__ import annotations

import os
import sys
from types import MethodType

from poolifier.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Origin", "origin_of"]


class Origin(Record):
    """Where a function or a class can be imported from.

    Attributes:
        module: The module's name, which is another one where a file is run as a script or found by its path.
        file: The module's file, or None where it has none.
        name: The qualified name within the module.
    """

    module: str
    file: str | None
    name: str

    def matches(self, other: Origin) -> bool:
        """Whether both are the same; the files of two machines may lie in different places."""
        if self.name != other.name:
            return False
        return self.module == other.module or (self.file is not None and self.file == other.file)

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def origin_of(function: Any) -> Origin | None:
    """Where a function can be imported from; None for lambdas, closures, bound methods and other objects."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    home = sys.modules.get(module) if isinstance(module, str) else None
    if home is None or not isinstance(module, str) or not isinstance(name, str):
        return None
    found: Any = home
    for part in name.split("."):
        found = getattr(found, part, None)
    # A class method is a new object whenever it is looked up.
    if found is not function and not (isinstance(found, MethodType) and found == function):
        return None
    file = getattr(home, "__file__", None)
    return Origin(module, os.path.realpath(file) if isinstance(file, str) else None, name)
