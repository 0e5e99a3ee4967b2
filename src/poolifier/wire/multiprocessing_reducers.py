"""How `multiprocessing` pickles what passes between its processes: connections, sockets, shared values.

Its queues do so, and with them the executors of the standard library. To pickle itself a connection is an object like
any other: it would arrive with the number of a descriptor, which is another one there.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["MARK", "late_reducers", "reducers"]

MARK: Final = b"multiprocessing.connection"
"""Found in the pickle of a connection."""


def reducers() -> dict[type, Any]:
    """The reducers by type; none where this process has not imported it."""
    reduction: Any = sys.modules.get("multiprocessing.reduction")
    if reduction is None:
        return {}
    from functools import partial
    from types import MethodType

    # What it has reducers for from the times when pickle knew nothing of it.
    pickled_anyway = (MethodType, partial, type(list.append), type(int.__add__))
    registered = reduction.ForkingPickler._extra_reducers
    return {each: reduce for each, reduce in registered.items() if each not in pickled_anyway}


def late_reducers() -> dict[type, Any]:
    """The reducers, for a value that could not be pickled without them: imports them if it may be for want of them.

    Workers start without `multiprocessing`, which takes long to import. An object that only it can pickle is there once
    its module has been imported, which brings the reducers along; sockets alone are there without. So whether a worker
    can return one does not depend on what has been imported for other tasks.
    """
    if "socket" in sys.modules:
        import multiprocessing.reduction  # noqa: F401 - it registers them

    return reducers()
