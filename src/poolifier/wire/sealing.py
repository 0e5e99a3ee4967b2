"""Memory without a name that several processes map.

Where the kernel seals it, none of them can change its size. Truncated by a task that closes or truncates what it does
not know, it would end by `SIGBUS` whoever touches it.
"""

from __future__ import annotations

import contextlib
import errno
import os

from poolifier.wire.sockets import above_standard

__all__ = ["sealed_file", "shared_file"]

_DIRECTORIES = ("/dev/shm",)

_STEP = 1 << 20
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def sealed_file(name: str, size: int) -> int:
    """Makes such a file in memory; returns its descriptor, which the caller closes.

    Raises:
        OSError: The system has no room for it, or the kernel refuses `memfd_create`.
    """
    try:
        fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        raise OSError(error.errno, f"memfd_create: {error.strerror}") from None
    try:
        os.ftruncate(fd, size)
    except OSError:
        os.close(fd)
        raise
    # Found where there is memfd_create, and nowhere else.
    import fcntl

    # A sandbox may know no seals: then nothing but good manners keeps tasks from truncating it.
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return above_standard(fd)


def shared_file(name: str, size: int) -> int:
    """Likewise, but where there is no `memfd_create` (macOS, seccomp, old kernels) a file that has been removed.

    All its room is taken at once, because to run out of it later is a `SIGBUS`: not for what is mostly empty.

    Raises:
        OSError: The system has no room for it; says what was tried.
    """
    refused = "there is no memfd_create"
    if hasattr(os, "memfd_create"):
        try:
            return sealed_file(name, size)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise
            refused = str(error)
    failed: OSError | None = None
    for directory in (*_DIRECTORIES, None):
        try:
            if directory is None or os.path.isdir(directory):  # noqa: PTH112
                return _removed_file(name, size, directory)
        except OSError as error:
            failed = error
    assert failed is not None
    raise OSError(failed.errno, f"no shared memory: {refused}; a temporary file: {failed.strerror}") from failed


def _removed_file(name: str, size: int, directory: str | None) -> int:
    import tempfile

    fd, path = tempfile.mkstemp(prefix=f"{name}-", dir=directory)
    try:
        os.unlink(path)  # noqa: PTH108 - pathlib would be one more import in every worker
        _reserve(fd, size)
    except OSError:
        os.close(fd)
        raise
    return above_standard(fd)


def _reserve(fd: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP):
                raise
        else:
            return
    at = 0
    while at < size:
        at += os.pwrite(fd, bytes(min(_STEP, size - at)), at)
