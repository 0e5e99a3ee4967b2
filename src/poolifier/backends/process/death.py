"""How a process of the pool ends with the parent, whatever it is doing and however the parent ended.

The parent alone holds the write end of a pipe, the *death pipe*. Its workers and its fork server ask
the kernel to kill them when the read end hangs up, which works even where they are stuck in C code.
"""

from __future__ import annotations

import os
import select
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["die_with_parent"]

_F_SETSIG: Final = 10


def die_with_parent(fd: int, *, group: bool = False) -> int:
    """Ties this process to the death pipe whose read end is `fd`; returns the descriptor to keep open.

    With `group` its process group as well, which it must lead: what tasks have forked ends with the worker that it
    belongs to. (What runs another program does so only as long as the worker is there to keep the descriptor open.)

    `fd` itself is closed. Where the kernel cannot do this (it is Linux's way) nothing happens: there
    the fork server, which watches its control socket, kills the workers.
    """
    if not sys.platform.startswith("linux"):
        return fd
    import fcntl

    # Whom to signal belongs to the open file, not to the descriptor: each process opens its own.
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return fd
    os.close(fd)
    fcntl.fcntl(own, fcntl.F_SETOWN, -os.getpid() if group else os.getpid())
    fcntl.fcntl(own, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(own, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    poll = select.poll()
    poll.register(own, 0)
    # The parent may have gone before the kernel was asked.
    if poll.poll(0):
        os._exit(1)
    return own
