"""The source text of functions that travel by value, for tracebacks, warnings and `inspect` in workers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

__all__ = ["Source", "keep", "line_of", "source_of"]

Source: TypeAlias = "str | tuple[str, list[tuple[str, int]]]"
"""The text of a file; of what has none the text, and (qualified name, first line) of all code that is made of it."""


def source_of(filename: str, there: dict[str, Any] | None = None) -> Source | None:
    """What is known here of the source of the code that has that file name, and those globals."""
    import linecache

    if lines := linecache.getlines(filename, None if there is None else _loaded_by(there)):
        return "".join(lines)
    # Since Python 3.14 (and in late releases of 3.13) `linecache` keeps the source of `python -c` and of the
    # interactive interpreter by code, because names such as <string> are not unique: what `exec` ran has that one, too.
    places = []
    for (name, qualified_name, line), entry in list(_by_code().items()):
        if name == filename:
            places.append((qualified_name, line))
            lines = entry[2]
    return ("".join(lines), places) if lines else None


def _loaded_by(there: dict[str, Any]) -> dict[str, Any] | None:
    """What `linecache` reads of globals. Python 3.15 warns of those that say of their loader one thing or another."""
    known = there.get("__spec__")
    name = getattr(known, "name", None) or there.get("__name__")
    loader = getattr(known, "loader", None) or there.get("__loader__")
    if name is None or loader is None:
        return None
    from importlib.machinery import ModuleSpec

    return {
        "__name__": name,
        "__loader__": loader,
        "__spec__": ModuleSpec(name, loader),
        "__file__": there.get("__file__"),
    }


def line_of(filename: str, line: int, function: str) -> str | None:
    """A line of code that has no file, in a function of that name; None if it is not known, or is that of a file."""
    import linecache

    if not filename.startswith("<") or linecache.getline(filename, line):
        return None
    for (name, qualified_name, first), entry in list(_by_code().items()):
        if name == filename and first <= line <= len(entry[2]) and qualified_name.rpartition(".")[2] == function:
            return str(entry[2][line - 1])
    return None


def keep(filename: str, source: Source) -> None:
    """Has `linecache` know that source, unless there is such a file here."""
    from os.path import exists

    if exists(filename):  # noqa: PTH110 - pathlib is slow to import
        return
    import linecache

    text, places = (source, None) if isinstance(source, str) else source
    entry = (len(text), None, text.splitlines(keepends=True), filename)
    if places is None:
        linecache.cache[filename] = entry
    else:
        _by_code().update({(filename, name, line): entry for name, line in places})


def _by_code() -> dict[tuple[str, str, int], Any]:
    import linecache

    found: dict[tuple[str, str, int], Any] = getattr(linecache, "_interactive_cache", {})
    return found
