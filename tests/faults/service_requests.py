"""What the service of `test_service` does. In a module of its own, for each worker that is started imports it anew."""

import ctypes
import os
import signal

__all__ = ["HARMS", "handle"]


def take_all_memory():
    import resource

    # What the kernel does where memory runs out is a SIGKILL; the C library, which gets none, often aborts.
    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))
    try:
        bytearray(1 << 30)
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever():
    """Waits in C for a lock that nobody releases, whatever signals come: a library's deadlock.

    With one that spins it would be measured how the system shares out its CPUs.
    """
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    library.pthread_mutex_init(mutex, None)
    for _ in range(2):
        library.pthread_mutex_lock(mutex)


HARMS = {
    "exit": lambda: os._exit(3),
    "segfault": lambda: ctypes.string_at(0),
    "memory": take_all_memory,
    "signal": lambda: os.kill(os.getpid(), signal.SIGTERM),
}


def handle(request):
    """A decoder, say: most requests take a millisecond or so of pure Python."""
    if request in HARMS:
        HARMS[request]()
    elif request == "hang":
        wait_for_ever()
    return sum(range(20_000))
