"""Makes the Python code of a worker's thread unwind, whatever it catches: for the end of the process.

An exception that is set in a thread can be caught, and the code goes on. So here one is raised at every line, jump and
call that the thread comes to, until it is back in the worker's own code. It is not raised there, so that the worker
leaves as ever. A call into C is not reached: the thread *rests* while it is in one that needs no interpreter.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from poolifier import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["LOOK_PAUSE", "Unwinding"]

_SPARED: Final = (errors.__file__.rpartition(os.sep)[0] + os.sep, "<frozen ")
"""Where code begins that is not unwound: ours, and that of imports, which has callbacks that Python calls."""

_TOOLS: Final = range(5, -1, -1)
LOOK_PAUSE: Final = 0.005
"""Seconds between two looks at the thread."""

_LOOKS: Final = 20
"""Looks in a row that have to find the thread asleep: others sleep for a moment now and then, and go on."""

_TICKS: Final = 5
"""Ticks of CPU time, of 10 ms each, in which Python code would have come to a line."""


class Unwinding:
    """Unwinds the thread that makes it. Its other methods are for another thread of the same interpreter.

    Args:
        error: What is raised there.
        wanted: Whether it still is to be.
    """

    __slots__ = ("_asleep", "_error", "_ident", "_since", "_stat", "_strikes", "_struck", "_tool", "_wanted")

    def __init__(self, error: type[BaseException], wanted: Callable[[], bool]) -> None:
        self._error = error
        self._wanted = wanted
        self._ident = threading.get_ident()
        self._stat = f"/proc/self/task/{threading.get_native_id()}/stat"
        self._tool = -1
        self._strikes = 0
        self._struck = 0
        self._asleep = 0
        self._since = -1

    @property
    def has_begun(self) -> bool:
        """Whether it is under way."""
        return self._tool >= 0

    def begin(self) -> None:
        """Begins to raise. Does nothing where six others watch this interpreter already, as debuggers do."""
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        free = [tool for tool in _TOOLS if monitoring.get_tool(tool) is None]
        if self.has_begun or not free:
            return
        self._tool = free[0]
        monitoring.use_tool_id(self._tool, "poolifier")
        events = (monitoring.events.LINE, monitoring.events.JUMP, monitoring.events.PY_START)
        for event in events:
            monitoring.register_callback(self._tool, event, self._strike)
        monitoring.set_events(self._tool, sum(events))

    def end(self) -> None:
        """Raises no more."""
        if self.has_begun:
            monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            monitoring.set_events(self._tool, 0)
            monitoring.free_tool_id(self._tool)

    def rests(self) -> bool:
        """Whether the thread is in a call that does not hold the interpreter's lock. To be asked again and again.

        This releases the lock to look. A thread that waits for it is woken by that, and so is not asleep when seen.
        """
        if self._strikes != self._struck:
            self._struck, self._asleep, self._since = self._strikes, 0, -1
            return False
        try:
            fd = os.open(self._stat, os.O_RDONLY)
            try:
                # Behind the name, which may have blanks.
                fields = os.read(fd, 1024).rpartition(b")")[2].split()
            finally:
                os.close(fd)
            state, ticks = fields[0], int(fields[11]) + int(fields[12])
        except (OSError, IndexError, ValueError):
            # It cannot be seen here: asleep if nothing comes.
            state, ticks = b"S", 0
        self._asleep = self._asleep + 1 if state in {b"S", b"D"} else 0
        if self._since < 0:
            self._since = ticks
        return self._asleep >= _LOOKS or ticks - self._since >= _TICKS

    def _strike(self, code: Any, *_: object) -> None:
        if threading.get_ident() == self._ident and self._wanted() and not code.co_filename.startswith(_SPARED):
            self._strikes += 1
            raise self._error
