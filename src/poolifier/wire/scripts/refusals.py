"""What an error says of something that cannot be sent to workers: which it is, and what needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poolifier.errors import SerializationError
from poolifier.wire.codec import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from poolifier.wire.scripts.operations import Key

__all__ = ["Reasons"]


class Reasons:
    """Why each name is pickled, for as long as that takes.

    Args:
        shown: What a name is called in errors: classes and cells have numbers.
    """

    def __init__(self, shown: Callable[[Key], str]) -> None:
        self._shown = shown
        self._needed: dict[Key, tuple[str, Key | None]] = {}

    def note(self, key: Key, by: str, requester: Key | None) -> None:
        """The definition of `requester` needs it: a function of that name in it, if there is one."""
        self._needed[key] = (by, requester)

    def clear(self) -> None:
        """All have been pickled."""
        self._needed.clear()

    def refusal(self, key: Key, value: Any, error: Exception) -> SerializationError:
        """The error for something that cannot be pickled: names the way to it, its user and what to do."""
        path: list[str] = []
        users: list[str] = []
        at: Key | None = key
        while at is not None:
            by, requester = self._needed.get(at, ("", None))
            path.append(self._shown(at))
            if by:
                users.append(by)
                if requester is None or requester[1] != by:
                    path.append(by)
            at = requester
        way = " -> ".join(dict.fromkeys(reversed(path)))
        user = users[0] if users else key[1]
        return SerializationError(
            f"{way}: {path[0]!r} ({type(value).__module__}.{type(value).__qualname__}), which {user!r} uses, cannot be "
            f"sent to workers: {describe(error)}. Create it in the pool's initializer or in the function, or "
            f"import it from a module"
        )
