"""Which modules workers cannot import: their functions and classes travel as those of the main script do."""

from __future__ import annotations

import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["carried", "carry", "is_script", "marks", "scan"]

_MAINS: Final = frozenset({"__main__", "__mp_main__"})

carried: set[str] = set()
"""Modules that this process has loaded by their path, under a name that nobody else knows."""

marks: list[bytes] = [b"_main__"]
"""What stands in each pickle that refers to such a module: its name."""

_looked_at: dict[str, ModuleType | None] = {}
_scripts: set[str] = set()
_seen = 0


def is_script(name: str) -> bool:
    """Whether a module is one that other processes cannot import."""
    if name in _MAINS or name in carried:
        return True
    if name not in sys.modules:
        return True
    scan()
    return name in _scripts


def carry(name: str) -> None:
    """Counts a loaded module as a script."""
    if name not in carried:
        carried.add(name)
        marks.append(name.encode())


def scan() -> None:
    """Looks at modules that have been loaded since the last time. Nothing to do as long as their number is the same."""
    global _seen
    modules = sys.modules
    if len(modules) == _seen:
        return
    for name, module in list(modules.items()):
        if _looked_at.get(name, _looked_at) is module:
            continue
        _looked_at[name] = module
        if name in _MAINS or not isinstance(module, ModuleType):
            continue
        if _is_unknown(name, module):
            if name not in _scripts:
                _scripts.add(name)
                marks.append(name.encode())
        elif name in _scripts:
            _scripts.discard(name)
            marks.remove(name.encode())
    _seen = len(modules)


def _is_unknown(name: str, module: ModuleType) -> bool:
    """Whether looking for the module by its name would not find what it was made from."""
    spec: Any = module.__dict__.get("__spec__")
    if spec is None:
        # Made by hand, of a script's text say, or by `runpy`; or of an extension module, which has another file.
        file = module.__dict__.get("__file__") or ".py"
        if not str(file).endswith(".py") or hasattr(module, "__path__") or not _has_code(name, module):
            return False
        parent = name.rpartition(".")[0]
        return _find(name, parent) is None
    origin = getattr(spec, "origin", None)
    if not isinstance(origin, str) or not origin.endswith(".py") or not getattr(spec, "has_location", False):
        return False
    parent, _, stem = name.rpartition(".")
    folder, file = os.path.split(origin)
    if file == "__init__.py":
        folder, file = os.path.split(folder)
        file += ".py"
    if file == f"{stem}.py":
        path: Any = getattr(sys.modules.get(parent), "__path__", ()) if parent else sys.path
        try:
            if folder in path or (not parent and folder == os.getcwd() and "" in path):  # noqa: PTH109
                return False
        except (OSError, TypeError):
            return False
    # Where the path does not say, those who find modules do: editable installs, zip files.
    found = _find(name, parent)
    return found is None or (found.origin != origin and not _same(found.origin, origin))


def _find(name: str, parent: str) -> Any:
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path, None)
        except Exception:  # noqa: BLE001 - finders are anybody's
            continue
        if spec is not None:
            return spec
    return None


def _same(one: str | None, other: str) -> bool:
    try:
        return one is not None and os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False


def _has_code(name: str, module: ModuleType) -> bool:
    return any(getattr(value, "__module__", None) == name for value in list(module.__dict__.values()))
