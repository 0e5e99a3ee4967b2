"""What to do about a module that CPython does not load in a sub-interpreter."""

from __future__ import annotations

import re
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["advise"]

# CPython's own words. The error has the module's name as an attribute only where the library has not wrapped it.
_REFUSAL: Final = re.compile(r"module (\S+) does not support loading in subinterpreters")

_DEEPEST: Final = 20
"""Causes that are looked at: numpy's is the first, that of pandas the second. A chain may be a circle."""


def advise(error: BaseException) -> None:
    """Adds a note to an `ImportError` that comes from such a module: names it, and says what to use. Never raises."""
    # Not `isinstance`, which asks the error itself.
    if not issubclass(type(error), ImportError):
        return
    with suppress(Exception):
        cause: BaseException | None = error
        for _ in range(_DEEPEST):
            if cause is None:
                return
            if refusal := _REFUSAL.search(str(cause)):
                text = f"{refusal[1]} cannot be loaded in interpreters: use a pool of processes for what imports it"
                if text not in getattr(error, "__notes__", ()):
                    BaseException.add_note(error, text)
                return
            cause = cause.__cause__ or cause.__context__
