"""Who takes part. To add one: a file in this folder, with `@contestant` on what opens it."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Contestant", "Open", "Submit", "all_contestants", "contestant"]

Submit: TypeAlias = Callable[[Any], Awaitable[Any]]
Open: TypeAlias = Callable[[Callable[[Any], Any], int], AbstractAsyncContextManager[Submit]]
"""Called with the function to run and the number of workers; gives a started pool's way to submit."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A pool that takes part.

    Attributes:
        key: Its name on the command line and in results.
        title: Its name in tables.
        open: Opens it.
        needs: The module that has to be installed for it, or None.
        scenarios: Keys of the scenarios it takes part in, or None for all.
    """

    key: str
    title: str
    open: Open
    needs: str | None = None
    scenarios: frozenset[str] | None = None

    @property
    def installed(self) -> bool:
        return self.needs is None or importlib.util.find_spec(self.needs) is not None

    def takes_part_in(self, scenario: str) -> bool:
        return self.scenarios is None or scenario in self.scenarios


_contestants: dict[str, Contestant] = {}


def contestant(
    key: str, title: str, *, needs: str | None = None, scenarios: set[str] | None = None
) -> Callable[[Open], Open]:
    """Registers what it decorates: an async context manager that opens a pool and yields its `Submit`."""

    def register(opens: Open) -> Open:
        only = None if scenarios is None else frozenset(scenarios)
        _contestants[key] = Contestant(key, title, opens, needs, only)
        return opens

    return register


def all_contestants() -> dict[str, Contestant]:
    """Every contestant by its key, poolifier first."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_contestants.items(), key=lambda item: not item[0].startswith("poolifier")))
