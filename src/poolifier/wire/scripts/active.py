"""Which pool the pickles of a thread are made for. A module of its own, for workers need no more of `definitions`."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from poolifier.wire.scripts.definitions import Definitions

__all__ = ["active"]


class _Active(threading.local):
    """Of one thread.

    Attributes:
        definitions: What is told what the pickles need, or None where nothing can be sent ahead.
    """

    definitions: Definitions | None = None


active: Final = _Active()
