"""Who takes part. To add one: a file in this folder, with `@contestant` on what opens it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Contestant", "Open", "Opened", "Submit", "Unavailable", "all_contestants", "contestant", "library", "node"]

Submit: TypeAlias = Callable[[Any], Awaitable[Any]]
Open: TypeAlias = Callable[[Callable[[Any], Any], int], AbstractAsyncContextManager["Opened"]]
"""Called with the function to run and the number of workers; gives a started pool."""

NODE = Path(".bench/node")
INTERPRETERS = Path(".bench/interpreters/bin/python")


class Unavailable(Exception):  # noqa: N818 - nothing went wrong
    """A contestant cannot take part here; the message says why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A started pool.

    Attributes:
        submit: Runs the function over one argument, somewhere else.
        map: Runs it over many, in the pool's own way for that; None where it has none.
        put: Queues one argument as cheaply as the pool can, and gives whatever handle it gives.
        give: Hands a block of so many bytes to a worker and back without copying it.
        beside: Runs the function on the pool that this one is compared with in turns.
    """

    submit: Submit
    map: Callable[[Iterable[Any]], Awaitable[list[Any]]] | None = None
    put: Callable[[Any], Any] | None = None
    give: Callable[[int], Awaitable[int]] | None = None
    beside: Submit | None = None


@dataclass(frozen=True, slots=True)
class Contestant:
    """A pool that takes part.

    Attributes:
        key: Its name on the command line and in results.
        title: Its name in tables.
        scenarios: Keys of the scenarios it takes part in.
        open: Opens it; None for a pool of another language.
        needs: What is imported before anything is timed, as at the top of a program: a package, or a `package:name`
            where the package imports its names when they are used.
        python: The interpreter it runs in.
        slow: Whether a quick run does without it.
    """

    key: str
    title: str
    scenarios: frozenset[str]
    open: Open | None = None
    needs: str | None = None
    python: Path = Path(sys.executable)
    slow: bool = False

    def command(self, scenario: str, parameters: str) -> list[str]:
        """What takes a sample and prints it as JSON.

        Raises:
            Unavailable: There is nothing here to run it with.
        """
        if self.open is None:
            node = NODE / "node_modules/node/bin/node"
            package = NODE / "node_modules" / (self.needs or "")
            for path in (node, package):
                if not path.exists():
                    raise Unavailable(f"the npm package {path.relative_to(NODE).parts[1]} could not be installed")
            return [str(node), str(NODE / "main.mjs"), self.key, scenario, parameters]
        if not self.python.exists():
            raise Unavailable("no Python 3.13 or later was found here")
        return [str(self.python), "-m", "benchmarks.versus.probe", self.key, scenario, parameters]


_contestants: dict[str, Contestant] = {}


def contestant(
    key: str,
    title: str,
    *,
    scenarios: set[str],
    needs: str | None = None,
    python: Path = Path(sys.executable),
    slow: bool = False,
) -> Callable[[Open], Open]:
    """Registers what it decorates: an async context manager that opens a pool."""

    def register(opens: Open) -> Open:
        _contestants[key] = Contestant(key, title, frozenset(scenarios), opens, needs, python, slow)
        return opens

    return register


def node(key: str, title: str, *, package: str, scenarios: set[str], slow: bool = False) -> None:
    """Registers a pool of Node's, which `node/contestants.mjs` opens."""
    _contestants[key] = Contestant(key, title, frozenset(scenarios), needs=package, slow=slow)


def library(name: str) -> Any:
    """Imports a peer, or a `peer:name` from it: by name, for type checkers run where no peer is installed.

    Raises:
        Unavailable: It is not installed, or has no such name.
    """
    module, _, attribute = name.partition(":")
    try:
        imported = importlib.import_module(module)
        return getattr(imported, attribute) if attribute else imported
    except (ImportError, AttributeError) as error:
        raise Unavailable(f"{name} cannot be imported: {error}") from None


def all_contestants() -> dict[str, Contestant]:
    """Every contestant by its key, poolifier first."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_contestants.items(), key=lambda item: not item[0].startswith("poolifier")))
