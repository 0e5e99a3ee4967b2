"""Memory without a name that several processes map, whose size none of them can change.

Truncated by a task that closes or truncates what it does not know, it would end by `SIGBUS` whoever touches it.
"""

from __future__ import annotations

import os

__all__ = ["sealed_file"]


def sealed_file(name: str, size: int) -> int:
    """Makes such a file; returns its descriptor, which the caller closes.

    Raises:
        OSError: The system has no room for it.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        # Found where there is memfd_create, and nowhere else.
        import fcntl

        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(fd)
        raise
    return fd
