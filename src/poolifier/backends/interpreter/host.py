"""The thread of this process in which a worker's interpreter lives, from its creation to its end.

**The end of the process.** CPython ends interpreters that are still there, with the state of their threads, whether or
not those still use it: then the process crashes or waits forever, in Python 3.15 often. So whatever is left is asked to
leave before. Where it does not, its code is unwound (see `unwinding`), and is waited for if it is in a call that holds
the interpreter's lock, such as `pow` of huge numbers: the process ends when the call does. One that is in a call which
does not hold it, such as `time.sleep`, does not notice what CPython does. For that only its control thread is ended,
because CPython gives up the process where an interpreter has more than one thread. An interpreter whose worker has
ended but which has threads of its tasks left is waited for, as are threads of the main interpreter.
"""

from __future__ import annotations

import _socket
import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from poolifier.backends import stacks
from poolifier.backends.end_of_process import begin_end
from poolifier.backends.interpreter.far_side import IDENT_SIZE, LEAVES, LEAVING, POKE, RESTING, UNWIND
from poolifier.backends.launch import program_arguments, search_path
from poolifier.wire.sockets import NO_SIGNAL, socket_pair

__all__ = ["InterpreterHost"]

_PATIENCE: Final = 1.0
"""Seconds that the end of the process gives interpreters to leave."""

_MOMENT: Final = 0.1
"""Seconds in which a thread that has said its last word is gone, where that cannot be seen."""

_logger = logging.getLogger("poolifier")

_hosts: set[InterpreterHost] = set()


class InterpreterHost:
    """Creates an interpreter and runs a worker in it, in a thread of its own.

    Args:
        interpreters: The module of PEP 734.
        name: The thread's name.
        fds: The worker's ends of its channel, of the socket for descriptors and of its ledger, to take over.
        given: What else it gets, to take over: the socket for requests, and what the worker inherits.
        ended: Called in the thread when the worker has ended, with what kept it from running or None.

    Raises:
        OSError: The system has no room for it.

    Attributes:
        thread: The thread.
    """

    __slots__ = ("__weakref__", "_control", "_ended", "_fds", "_interpreters", "_lock", "thread")

    def __init__(
        self,
        interpreters: Any,
        name: str,
        fds: tuple[int, int, int],
        given: tuple[int, ...],
        ended: Callable[[BaseException | None], object],
    ) -> None:
        stacks.share()
        self._interpreters = interpreters
        self._ended = ended
        self._lock = threading.RLock()
        try:
            self._control, theirs = socket_pair()
        except OSError:
            for fd in given:
                os.close(fd)
            raise
        self._control.setblocking(False)
        self._fds = (*fds, theirs.detach(), *given)
        # A daemon, for one that is stuck must not keep the process from ending.
        self.thread: threading.Thread = threading.Thread(target=self._run, name=name, daemon=True)
        if not _hosts:
            atexit.unregister(_leave_all)
            atexit.register(_leave_all)
        _hosts.add(self)
        try:
            self.thread.start()
        except RuntimeError as error:
            _hosts.discard(self)
            self._control.close()
            for fd in self._fds[len(fds) :]:
                os.close(fd)
            raise OSError(f"no room for a thread: {error}") from error

    def poke(self) -> None:
        """Makes the worker look at its channel, if it runs a task, and at what the ledger says of leaving."""
        self._tell(POKE)

    def leave(self) -> None:
        """Makes the worker leave, as soon as what it runs lets it."""
        self._tell(LEAVING)

    def unwind(self) -> None:
        """Makes the worker's code unwind, which cannot be undone: for the end of the process."""
        self._tell(UNWIND)

    def end_control(self) -> bool:
        """Ends the control thread of a worker that is being unwound, and waits until there is none.

        Before that, waits until the worker rests or leaves. Returns whether it leaves, so that its thread will end.
        """
        said = b""
        with contextlib.suppress(OSError):
            self._control.setblocking(True)
            while RESTING not in said[IDENT_SIZE:]:
                got = self._control.recv(IDENT_SIZE)
                if not got:
                    return True
                said += got
            self._control.shutdown(_socket.SHUT_WR)
            while got := self._control.recv(IDENT_SIZE):
                said += got
            if LEAVES in said[IDENT_SIZE:]:
                return True
        task = Path("/proc/self/task")
        if said and task.exists():
            thread = task / str(int.from_bytes(said[:IDENT_SIZE], "little"))
            while thread.exists():
                sleep(0.001)
        else:
            sleep(_MOMENT)
        return False

    def _tell(self, what: bytes) -> None:
        lock = self._lock
        # Not by `with`: in Python 3.14 a handler of signals may raise between its beginning and its body, and the
        # interpreter's thread would wait for the lock for ever. That of another thread cannot be released here.
        try:
            lock.acquire()
            self._control.send(what, NO_SIGNAL)
        except OSError:
            # Where there is no room, there are more pokes to come than needed.
            pass
        finally:
            try:  # noqa: SIM105 - that is a call
                lock.release()
            except RuntimeError:
                pass

    def _run(self) -> None:
        fds: tuple[int, ...] = self._fds
        failure: BaseException | None = None
        interpreter = None
        try:
            interpreter = self._interpreters.create()
            interpreter.exec(
                f"import sys; sys.path[:] = {search_path()!r}; sys.argv = {program_arguments()!r}\n"
                # Before anything that may be compiled.
                "from poolifier.backends.interpreter.sources import SourceFinder\n"
                "sys.meta_path.insert(0, SourceFinder())\n"
                "from poolifier.backends.interpreter.far_side import main"
            )
            # From here on the descriptors are the worker's.
            script, fds = f"main({fds}, {self._control.fileno()})", ()
            interpreter.exec(script)
        except BaseException as error:  # noqa: BLE001 - whatever it is, there is no worker
            failure = error
        for fd in fds:
            os.close(fd)
        self._ended(failure)
        try:
            if interpreter is not None:
                # Waits for threads that tasks have left there.
                interpreter.close()
        except Exception:
            _logger.exception("an interpreter of %s was not closed", self.thread.name)
        _hosts.discard(self)
        with self._lock:
            self._control.close()


def _leave_all() -> None:
    """Lets the process end: see the module."""
    # Or the pools would replace those that leave.
    begin_end()
    hosts = list(_hosts)
    for host in hosts:
        host.leave()
    deadline = monotonic() + _PATIENCE
    for host in hosts:
        host.thread.join(max(0.0, deadline - monotonic()))
    left = [host for host in hosts if host.thread.is_alive()]
    for host in left:
        host.unwind()
    for host in left:
        if host.end_control():
            host.thread.join()
