"""Has the kernel refuse system calls to this process and its children, as sandboxes and old kernels do."""

import ctypes
import os
import platform
import struct

__all__ = ["NUMBERS", "refuse"]

NUMBERS = {
    "x86_64": {
        "chdir": 80,
        "close_range": 436,
        "fallocate": 285,
        "fcntl": 72,
        "madvise": 28,
        "memfd_create": 319,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "sched_getaffinity": 204,
        "sched_setaffinity": 203,
        "setpgid": 109,
        "setpriority": 141,
        "setsid": 112,
    },
    "aarch64": {
        "chdir": 49,
        "close_range": 436,
        "fallocate": 47,
        "fcntl": 25,
        "madvise": 233,
        "memfd_create": 279,
        "pidfd_open": 434,
        "pidfd_send_signal": 424,
        "sched_getaffinity": 123,
        "sched_setaffinity": 122,
        "setpgid": 154,
        "setpriority": 140,
        "setsid": 157,
    },
}
"""Of the system calls, by machine."""

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_FILTER = 2

_LOAD = 0x20
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_SECOND_ARGUMENT = 24
_THIRD_ARGUMENT = 32


def refuse(calls, error):
    """From now on these calls fail with that error number.

    One may be written `fcntl:1033`, or `madvise::9`: refused only where its second, or its third, argument is that.
    """
    program = b""
    for call in calls:
        name, *values = call.split(":")
        program += _step(_LOAD, 0, 0, 0)
        if not values:
            program += _step(_JUMP_IF_EQUAL, 0, 1, NUMBERS[platform.machine()][name])
        else:
            place = _SECOND_ARGUMENT if len(values) == 1 else _THIRD_ARGUMENT
            program += _step(_JUMP_IF_EQUAL, 0, 3, NUMBERS[platform.machine()][name])
            program += _step(_LOAD, 0, 0, place) + _step(_JUMP_IF_EQUAL, 0, 1, int(values[-1]))
        program += _step(_RETURN, 0, 0, _ERRNO | error)
    program += _step(_RETURN, 0, 0, _ALLOW)
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _FILTER, ctypes.c_char_p(described), 0, 0),
    ):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _step(code, if_true, if_false, value):
    return struct.pack("HBBI", code, if_true, if_false, value)
