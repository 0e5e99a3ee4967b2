"""Loads of definitions within each other, and what happens where one needs what another one is making.

A class may have its subclass among its attributes, or an object two of which refer to each other: whichever is loaded
first needs the other, which needs the first. Objects are there before what belongs to them is. So one of the two loads
stops, and goes on when the other is done. All of it is for the thread that holds the lock of `namespaces`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from poolifier.wire.scripts.operations import Key

__all__ = ["Circle", "begun", "begun_as", "loading", "put_off", "put_offs"]

loading: list[Key] = []
"""The loads that are under way, outermost first."""

begun: dict[Key, Any] = {}
"""Of these, and of those that were put off, what is there already and has not got all that belongs to it."""

put_offs: dict[Key, tuple[Key, bytes]] = {}
"""Those that were put off: what they need first, and their pickles."""


class Circle(BaseException):
    """A load needs what another one is making, of which it is a part. No `Exception`: reducers of users catch these.

    Attributes:
        at: The load that is put off, with all that it has loaded.
        needs: What is made first.
    """

    def __init__(self, at: Key, needs: Key) -> None:
        super().__init__(at, needs)
        self.at = at
        self.needs = needs


def put_off(key: Key) -> None:
    """Where a name is missing because it is being loaded: what needs it comes after it, if that is possible.

    What stops is a part of something that is there already, and that can get the rest of it later: the innermost of
    these.

    Raises:
        Circle: It stops here.
    """
    if key not in loading or key in begun:
        return
    for other in reversed(loading[loading.index(key) + 1 :]):
        if other in begun:
            raise Circle(other, key)


def begun_as(space: str, name: str) -> Any:
    """What has been made under that name by a load that was put off, and which this one goes on with; or None."""
    top, *path = name.split(".")
    found = begun.get((space, top))
    for part in path:
        found = getattr(found, "__dict__", {}).get(part)
    return found
