"""When an abort that is due is raised in a process: not in the middle of an import, nor of a `with` statement's ends.

See `imports` and `patience`. Until it can be raised the worker pokes itself, from a thread of its own. In a `with` it
pokes itself at once, too, so that the handler runs wherever the abort could be raised next.
"""

from __future__ import annotations

import signal
import threading
from functools import partial

from poolifier.worker.imports import importing, look_until
from poolifier.worker.patience import SignalPatience
from poolifier.worker.with_statements import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["DueAbort"]


class DueAbort:
    """Used by the handler of the poke.

    Args:
        poke: The signal.
        is_over: Whether there is nothing left to raise for the task of that sequence; called in any thread.

    Attributes:
        steps: The handler is to run again as soon as the task's code has got on.
    """

    __slots__ = ("_held", "_is_over", "_looks", "_patience", "_poke", "steps")

    def __init__(self, poke: int, is_over: Callable[[int], bool]) -> None:
        self._poke = poke
        self._is_over = is_over
        self._patience = SignalPatience()
        self._held = 0
        self._looks = 0
        self.steps: bool = False
        # Not in the handler, which may have interrupted anything.
        load()

    def can_raise(self, sequence: int, frame: FrameType) -> bool:
        """Whether the abort of that task can be raised in that frame; sees to it that it is asked again if not."""
        self.steps = False
        try:
            if not importing(frame):
                if self._patience.allows(frame, self._looks):
                    return True
                self.steps = True
            if self._held != sequence:
                if look_until(partial(self._look, sequence)):
                    self._held = sequence
                else:
                    # There is no room for a thread: slower for the task, but no abort is lost for that.
                    self.steps = True
        except Exception:  # noqa: BLE001 - the task may be too deep for it; no abort is lost for that
            self.steps = False
            return True
        return False

    def _look(self, sequence: int) -> bool:
        """Pokes the worker, unless the task's code or the abort is over. In a thread of its own."""
        if self._is_over(sequence):
            return True
        self._looks += 1
        signal.pthread_kill(threading.main_thread().ident or 0, self._poke)
        return False
