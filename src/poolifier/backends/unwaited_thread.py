"""A thread that the interpreter does not wait for at its end, while it waits for those that are started in it."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["UnwaitedThread"]


class UnwaitedThread(threading.Thread):
    """A daemon, but what runs in it is told otherwise.

    A thread takes over `daemon` from the one that starts it, unless it is given. Those that a task or a callback starts
    and leaves at work would be cut off at the end of the program, silently, while the standard library's executors,
    whose threads are no daemons, have them finish. Python looks whether to wait for a thread when that starts.

    Args:
        target: What to run.
        name: The thread's name.
        args: What to run it with.
    """

    def __init__(self, target: Callable[..., object], name: str, args: tuple[Any, ...] = ()) -> None:
        super().__init__(name=name, daemon=True)
        self._work = target, args
        self._runs = False

    @property
    def daemon(self) -> bool:  # type: ignore[override]
        """Whether the interpreter does not wait for it; false for what runs in it."""
        return not self._runs

    def run(self) -> None:
        """Runs the target: not by `Thread.run`, whose frame would be taken for one of the task's."""
        target, args = self._work
        # The thread may live on as an object, for a long time.
        del self._work
        self._runs = True
        try:
            target(*args)
        finally:
            self._runs = False
