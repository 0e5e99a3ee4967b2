"""The scripts that workers have been told of, and where an object stands among their globals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from poolifier.wire.scripts.script_globals import ATOMS, globals_in
from poolifier.wire.scripts.shared_containers import referred_to

if TYPE_CHECKING:
    from types import ModuleType

    from poolifier.wire.scripts.operations import Key

__all__ = ["NOT_SENT", "SentScripts"]

NOT_SENT: Final = frozenset(
    {"__name__", "__builtins__", "__spec__", "__loader__", "__package__", "__cached__", "__file__", "__doc__"}
)
"""Names of a module that the worker's has of its own."""


class SentScripts(dict[str, dict[str, Any]]):
    """The globals of scripts by the names of their namespaces.

    Attributes:
        containers: Those of the globals that something else may refer to, by identity, since `global_with` was asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.containers: dict[int, Any] = {}
        self._found: dict[int, Key] | None = None

    def add(self, space: str, module: ModuleType) -> None:
        """Workers are told of one more."""
        self[space] = globals_in(module)
        self._found = None

    def rebound(self) -> None:
        """Some name has got another object."""
        self._found = None

    def global_with(self, value: Any) -> Key | None:
        """The global that has that very object, which can be told from others like it."""
        found = self._found
        if found is None:
            found = self._found = {}
            # The same dictionary, which a pickler that is at work has.
            self.containers.clear()
            for space, there in self.items():
                self.containers.update(referred_to(there))
                for name, each in list(there.items()):
                    if type(each) not in ATOMS and name not in NOT_SENT:
                        found.setdefault(id(each), (space, name))
        where = found.get(id(value))
        if where is None or self[where[0]].get(where[1]) is not value:
            return None
        return where
