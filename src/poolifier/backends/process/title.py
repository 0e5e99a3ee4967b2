"""What `ps`, `top` and the like call a process of a pool."""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["set_title"]

_SHORT: Final = 15
"""Bytes of a thread's name that Linux keeps, TASK_COMM_LEN less the end."""

_ARGUMENTS: Final = slice(45, 48)
"""`arg_start`, `arg_end` and `env_start` in /proc/self/stat, behind the name: fields 48 to 50, see proc(5)."""


def set_title(pool: str, role: str, short: str) -> None:
    """Names this process after its pool and its role there, as far as the system allows.

    `ps -o args` shows `poolifier: POOL ROLE`, cut to the room that the command line has, and `ps -o comm` the name of
    the pool and `short` in 15 bytes. What cannot be written is left as it is. Linux only: elsewhere there is no way
    that is safe.
    """
    if not sys.platform.startswith("linux"):
        return
    name = "".join(character if character.isprintable() else "?" for character in pool)
    mark = f":{short}".encode()
    # The kernel's own way for a process to name its main thread, as PR_SET_NAME is for any thread.
    with contextlib.suppress(OSError):
        _write("/proc/self/comm", _cut(name, _SHORT - len(mark)) + mark, 0)
    with contextlib.suppress(OSError, ValueError):
        _overwrite_arguments(f"poolifier: {name} {role}")


def _overwrite_arguments(title: str) -> None:
    """Puts the title where the kernel reads the command line, within the arguments: the environment is behind them.

    The interpreter has copied them long before this runs. The kernel writes it, so where an address is not what it was
    taken for the process gets an error and not a fault. A last byte that is not 0 tells the kernel that this is a
    title, of which it shows what comes before the first 0; otherwise it would show all the room, to its end.
    """
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - one import less
        fields = file.read().rpartition(b")")[2].split()
    start, end, environment = (int(field) for field in fields[_ARGUMENTS])
    if 0 < start < end <= environment:
        room = end - start - 1
        _write("/proc/self/mem", _cut(title, room - 1).ljust(room, b"\0") + b" ", start)


def _cut(text: str, length: int) -> bytes:
    return text.encode(errors="replace")[: max(0, length)].decode(errors="ignore").encode()


def _write(path: str, data: bytes, offset: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, data, offset) if offset else os.write(fd, data)
    finally:
        os.close(fd)
