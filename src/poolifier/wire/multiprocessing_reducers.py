"""How `multiprocessing` pickles what passes between its processes: connections, sockets, shared values.

Its queues do so, and with them the executors of the standard library. To pickle itself a connection is an object like
any other: it would arrive with the number of a descriptor, which is another one there.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["MARK", "reducers"]

MARK: Final = b"multiprocessing.connection"
"""Found in the pickle of a connection."""


def reducers(*, load: bool = False) -> dict[type, Any]:
    """The reducers by type; none where this process has not imported it, which `load` does in some milliseconds."""
    if load and "socket" in sys.modules:
        # Whoever has a socket need not have that. All else that it has reducers for has imported it.
        import multiprocessing.reduction  # noqa: F401 - found below
    reduction: Any = sys.modules.get("multiprocessing.reduction")
    if reduction is None:
        return {}
    from functools import partial
    from types import MethodType

    # What it has reducers for from the times when pickle knew nothing of it.
    pickled_anyway = (MethodType, partial, type(list.append), type(int.__add__))
    registered = reduction.ForkingPickler._extra_reducers
    return {each: reduce for each, reduce in registered.items() if each not in pickled_anyway}
