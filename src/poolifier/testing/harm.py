"""What harmed workers do themselves: suffer a fault, and note what has started.

Workers import this, so it imports nothing heavy.
"""

from __future__ import annotations

import atexit
import os
import signal
import struct
from collections import Counter
from enum import StrEnum
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

__all__ = ["EXIT_CODE", "SIGNALS", "Fault", "StartLog", "arm", "armed_signal", "probe", "suffer"]

EXIT_CODE: Final = 86
"""The exit code of a worker that suffers `Fault.EXIT`."""

FIRST_SIGNAL: Final = 8
NUMBER: Final = struct.Struct("<q")


class Fault(StrEnum):
    """A way to harm a process."""

    KILL = "kill"
    """`SIGKILL`: no code of the process runs any more."""
    TERMINATE = "terminate"
    """`SIGTERM`."""
    SEGFAULT = "segfault"
    """`SIGSEGV`, as after a read from address 0."""
    EXIT = "exit"
    """`os._exit(EXIT_CODE)`, between any two steps of the interpreter."""
    PAUSE = "pause"
    """`SIGSTOP`; `Chaos` lets it go on after a while."""
    MEMORY = "memory"
    """`RLIMIT_AS`: it gets no more memory from the system than it has."""


SIGNALS: Final = {
    Fault.KILL: signal.SIGKILL,
    Fault.TERMINATE: signal.SIGTERM,
    Fault.SEGFAULT: signal.SIGSEGV,
    Fault.PAUSE: signal.SIGSTOP,
}
ARMED: Final = (Fault.EXIT, Fault.MEMORY)


def suffer(fault: str) -> None:
    """Does that to the process that calls it. A task function, or part of one.

    Args:
        fault: One of `Fault`, or its name.
    """
    fault = Fault(fault)
    if fault is Fault.EXIT:
        os._exit(EXIT_CODE)
    elif fault is Fault.MEMORY:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), hard))
    else:
        os.kill(os.getpid(), SIGNALS[fault])


def arm() -> None:
    """Lets `Chaos` inject into this process what it has to do to itself; an `initializer` for pools.

    Takes the real-time signals `SIGRTMIN + 8` and `SIGRTMIN + 9`.
    """
    for fault in ARMED:
        signal.signal(armed_signal(fault), lambda *_, fault=fault: suffer(fault))


def armed_signal(fault: Fault) -> int:
    """The signal that makes an armed process suffer what it has to do to itself."""
    return signal.SIGRTMIN + FIRST_SIGNAL + ARMED.index(fault)


class StartLog:
    """Counts how often each task has started, in a file that outlives the workers.

    It travels to workers of any kind, by its path: with a task or once with the `initializer`. Each process and
    each interpreter opens the file once. One write of eight bytes to a file that is opened for appending is atomic,
    so a worker that dies leaves whole numbers only.

    Args:
        path: The file; made by the first number that is noted.
    """

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = os.fspath(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return (StartLog, (self.path,))

    def note(self, number: int) -> None:
        """Notes that a task has started."""
        opened = _opened.get(self.path)
        if opened is None or opened.owner != os.getpid():
            # Where several threads come here at once, the files of all but one are closed with what holds them.
            opened = _opened[self.path] = _Appended(self.path)
        os.write(opened.fd, NUMBER.pack(number))

    def close(self) -> None:
        """Closes the file where this process, or this interpreter, has opened it, once no task notes anything more."""
        opened = _opened.pop(self.path, None)
        if opened is not None:
            opened.close()

    def counts(self) -> Counter[int]:
        """How often each number was noted."""
        path = Path(self.path)
        data = path.read_bytes() if path.exists() else b""
        return Counter(number for (number,) in NUMBER.iter_unpack(data))


class _Appended:
    """A file that is open for appending until nothing refers to this any more: an interpreter's end closes none."""

    def __init__(self, path: str) -> None:
        self.owner = os.getpid()
        self.fd = -1
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)

    def close(self, close: Callable[[int], None] = os.close, getpid: Callable[[], int] = os.getpid) -> None:
        # In a process that was forked off since, the number may be another file's by now.
        fd, self.fd = self.fd, -1
        if fd >= 0 and self.owner == getpid():
            close(fd)

    __del__ = close


_opened: dict[str, _Appended] = {}


@atexit.register
def _close_all() -> None:
    # What an interpreter leaves behind it may never delete.
    while _opened:
        _opened.popitem()[1].close()


def probe(slot: int) -> int:
    """Says which slot it was asked for: a sign of life. Here, for interpreters cannot import what `faults` does."""
    return slot
