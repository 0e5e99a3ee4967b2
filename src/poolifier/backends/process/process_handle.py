"""A process to signal, which may not exist yet and may be gone: never another that got its number."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

__all__ = ["ProcessHandle"]

_PATIENCE: Final = 1.0


class ProcessHandle:
    """Signals a process through its pidfd, or by its number where there are no pidfds.

    Attributes:
        pid: Its number, once known. It stays readable after the end, when the number may be another's.

    Without a pidfd the number is safe until the fork server reports the end, up to the time that
    report is under way.
    """

    __slots__ = ("_fd", "_gone", "_kill_wanted", "_timer", "pid")

    def __init__(self) -> None:
        self.pid: int | None = None
        self._kill_wanted = False
        self._fd = -1
        self._gone = False
        self._timer: asyncio.TimerHandle | None = None

    def __del__(self) -> None:
        # Of a pool that was forgotten.
        if self._fd >= 0:
            os.close(self._fd)

    def started(self, pid: int, pidfd: int) -> None:
        """Takes the process, and the pidfd (-1 for none) to own."""
        self.pid = pid
        self._fd = pidfd
        if self._kill_wanted:
            self.kill()

    def kill(self) -> None:
        """Kills it, or as soon as it exists."""
        self._kill_wanted = True
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Sends a signal, if there is a process."""
        if self.pid is None or self._gone:
            return
        try:
            if self._fd >= 0:
                signal.pidfd_send_signal(self._fd, number)
            else:
                os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def when_ended(self, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
        """Calls `ended` once the process is gone, or is taken to be."""
        if self._fd < 0:
            loop.call_soon(ended)
            return
        loop.add_reader(self._fd, ended)
        self._timer = loop.call_later(_PATIENCE, ended)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lets go of it."""
        if self._timer is not None:
            self._timer.cancel()
        if self._fd >= 0:
            loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._gone = True
