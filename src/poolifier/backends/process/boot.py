"""How a fresh Python process is told what it is to run: the fork server, and each worker where those are spawned.

What it is told is in a file without a name, whose descriptor it inherits, not in its arguments, because the kernel
limits those: 128 KiB for each on Linux. A Python is started by `-c`. In a frozen program (PyInstaller, cx_Freeze,
Nuitka) there is no Python to start but the program itself, to which `-c` means nothing. It is started as
`multiprocessing` starts it there, by the arguments that `multiprocessing.freeze_support()` looks for; that function
then reads from the file, in place of a process of its own, a `Boot`.

A program that does not call it, or a host that embeds Python and is no Python, runs as itself instead. That must not
start workers, whose fork server would be the program again, and so on without end. So the environment of what is
started has a *mark*, which is removed as soon as the process is what it was meant to be. Where a pool finds the mark it
starts nothing, tells the pool that started the process so, over the descriptor that the mark names, and raises.
"""

from __future__ import annotations

import os
import sys

from poolifier.backends.process.control import control_message
from poolifier.records import Record
from poolifier.wire.sealing import shared_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, NoReturn

__all__ = ["ASTRAY", "MARK", "Boot", "Interpreter", "astray", "marked", "ready"]

MARK: Final = "POOLIFIER_STARTS"
"""The environment variable: descriptor and inode of the control socket, where the pool listens."""

ASTRAY: Final = 4
"""What is said over the control socket by a program that runs as itself: `(ASTRAY, 0, None)`."""

_CODE: Final = (
    "import marshal, sys; f = open(int(sys.argv[1]), 'rb'); p, m, a = marshal.load(f); f.close(); sys.path[:] = p; "
    "__import__(m, fromlist=['main']).main(*a)"
)


class Interpreter(Record):
    """How to start what runs Python.

    Attributes:
        command: The program and its options.
        frozen: It is a frozen program, not a Python.
    """

    command: list[str]
    frozen: bool = False

    def arguments(self, fd: int) -> list[str]:
        """The command line, where `fd` is what `prepare` returned, which the process has to inherit."""
        if self.frozen:
            return [*self.command, "--multiprocessing-fork", "tracker_fd=None", f"pipe_handle={fd}"]
        return [*self.command, "-c", _CODE, str(fd)]

    def prepare(self, module: str, arguments: tuple[Any, ...], path: list[str]) -> int:
        """Writes down that `main` of that module is to be called, and with what; returns a descriptor to close.

        Args:
            module: One of this package.
            arguments: Numbers, strings, bytes, and lists of these.
            path: The `sys.path` to find modules in.

        Raises:
            OSError: The system has no room for it.
        """
        if self.frozen:
            import pickle

            # `multiprocessing` reads what it is to prepare, which is nothing here, and then its process.
            told = pickle.dumps({}, 4) + pickle.dumps(Boot(module, arguments, path), 4)
        else:
            import marshal

            told = marshal.dumps((path, module, arguments))
        fd = shared_file("poolifier-boot", len(told))
        written = 0
        while written < len(told):
            written += os.pwrite(fd, told[written:], written)
        return fd


class Boot:
    """Stands for a process of `multiprocessing`'s in a frozen program that has just been started."""

    def __init__(self, module: str, arguments: tuple[Any, ...], path: list[str]) -> None:
        self._module = module
        self._arguments = arguments
        self._path = path

    def _bootstrap(self, parent_sentinel: int) -> NoReturn:
        """Called by `multiprocessing.spawn`, once it has read this."""
        os.close(parent_sentinel)
        # A program in one file may have been unpacked to another place, so its own come first.
        sys.path.extend(entry for entry in self._path if entry not in sys.path)
        __import__(self._module, fromlist=["main"]).main(*self._arguments)
        raise SystemExit(0)


def marked(control_fd: int) -> dict[str, str]:
    """The mark, for the environment of a process that inherits this control socket."""
    return {MARK: f"{control_fd}:{os.fstat(control_fd).st_ino}"}


def ready() -> None:
    """This process is what it was started for."""
    os.environ.pop(MARK, None)


def astray() -> bool:
    """Whether this process was started for a pool and runs as something else; the pool is told."""
    mark = os.environ.get(MARK)
    if mark is None:
        return False
    fd, _, inode = mark.partition(":")
    try:
        # The number may be another descriptor's by now.
        if os.fstat(int(fd)).st_ino == int(inode):
            os.write(int(fd), control_message((ASTRAY, 0, None)))
    except (OSError, ValueError):
        pass  # it is gone
    return True
