"""The terms in which definitions travel: what is defined where, in which version."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

__all__ = ["CELL", "FORGET", "KEYED", "SOURCE", "Key", "Operation"]

Key: TypeAlias = "tuple[str, str]"
"""A namespace and a name in it."""

Operation: TypeAlias = "tuple[str, str, int, Any]"
"""(namespace, name, version, pickle of the value). A name of `""` describes the namespace itself."""

KEYED: Final = ":keyed"
"""In the place of a namespace: the name is the number of a class that has no name which leads to it."""

CELL: Final = ":cell"
"""In the place of a namespace: the name is the number of a closure's cell."""

SOURCE: Final = ":source"
"""In the place of a namespace: the name is a file's, and the value its text, for tracebacks and `inspect`."""

FORGET: Final = -1
"""In the place of a version: nobody needs it any more."""
