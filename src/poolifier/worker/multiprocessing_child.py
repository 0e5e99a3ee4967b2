"""Makes `multiprocessing` take a worker for what it is: a child of the program.

Nothing of it is imported before a task imports it.

**The resource tracker.** It is a process that unlinks what has a name in the system (shared memory, semaphores) once
all processes that have told it of something have ended. There must be one for a program and all its children: a worker
with one of its own would unlink, at its end, what the program goes on using. So a worker uses the program's, which it
asks for when it first needs it, and which the program starts then if it has not: many programs never need one.
"""

from __future__ import annotations

import os
from functools import partial

from poolifier.wire.sockets import recv_fds
from poolifier.worker.import_hooks import when_imported
from poolifier.worker.program_requests import RESOURCE_TRACKER, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from poolifier.exchange import Program

__all__ = [
    "be_child",
    "share_descriptors_without_daemons",
    "share_resource_tracker",
    "stop_sharing_descriptors",
    "trust",
]


def trust(program: Program) -> None:
    """Lets managers and listeners of the program take this worker for one of its own, wherever it lives."""
    when_imported("multiprocessing.process", partial(_take_key, program))


def be_child(program: Program, number: int, sentinel: int) -> None:
    """Makes this process a child of the program; `sentinel` is a descriptor that can be read once that has ended."""
    when_imported("multiprocessing.process", partial(_be_child, program, number, sentinel))
    if program.start_method is not None:
        when_imported("multiprocessing.context", partial(_start_alike, program.start_method))


def share_resource_tracker() -> None:
    """Uses the program's resource tracker, which `program_requests` must be able to ask for."""
    when_imported("multiprocessing.resource_tracker", _share)


def share_descriptors_without_daemons() -> None:
    """Lets an interpreter send sockets and connections: a thread gives them to who reads the pickle.

    `multiprocessing` makes that thread a daemon, which interpreters with a lock of their own cannot have.
    """
    when_imported("multiprocessing.resource_sharer", _share_by_joined_thread)


def stop_sharing_descriptors() -> None:
    """Ends that thread, if there is one: the worker sends nothing any more."""
    import sys

    module: Any = sys.modules.get("multiprocessing.resource_sharer")
    if module is not None:
        module.stop()


def _take_key(program: Program, process: Any) -> None:
    process.current_process().authkey = program.authkey


def _be_child(program: Program, number: int, sentinel: int, process: Any) -> None:
    # As `BaseProcess._bootstrap` does in a child that is forked or spawned: there is no public way to it.
    import sys
    from itertools import count

    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        # What modules that the fork server has loaded for all workers are to clean up is the fork server's.
        util._finalizer_registry.clear()
    before = process._current_process
    me = _worker_process(process, number)
    me._identity = (number,)
    me._parent_pid = program.pid
    me._parent_name = program.name
    me.authkey = program.authkey
    process._current_process = me
    process._parent_process = process._ParentProcess(program.name, program.pid, sentinel)
    process._process_counter = count(1)
    process._children = set()
    if util is not None:
        util._run_after_forkers()
    del before  # not before those have run


def _worker_process(process: Any, number: int) -> Any:
    class WorkerProcess(process.BaseProcess):  # type: ignore[misc]
        """A worker of a pool, as `multiprocessing.current_process()` shows it to tasks."""

        def _Popen(self) -> None:  # noqa: N802 - the name that the base class calls
            raise AssertionError("a worker is started by its pool")

    return WorkerProcess(name=f"poolifier-{number}")


def _start_alike(method: str, context: Any) -> None:
    context._force_start_method(method)


def _share_by_joined_thread(module: Any) -> None:
    import threading
    from types import SimpleNamespace

    class JoinedThread(threading.Thread):
        """Is never a daemon, whatever it is told."""

        @property
        def daemon(self) -> bool:
            return False

        @daemon.setter
        def daemon(self, _: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
            pass

        def start(self) -> None:
            super().start()
            # For one that threads of tasks start after the worker's end: its interpreter would wait for it forever.
            threading._register_atexit(module.stop)  # type: ignore[attr-defined]

    # The name by which that module makes its thread.
    module.threading = SimpleNamespace(Thread=JoinedThread, Lock=threading.Lock)


def _share(module: Any) -> None:
    tracker = module._resource_tracker
    tracker.__class__ = _shared_tracker(module)
    # The module has these as methods that were bound before.
    for name in ("ensure_running", "register", "unregister", "getfd"):
        setattr(module, name, getattr(tracker, name))


def _shared_tracker(module: ModuleType) -> type:
    base: Any = module.ResourceTracker

    class SharedResourceTracker(base):  # type: ignore[misc]
        """Asks for the program's before it would start one of its own."""

        _fd: int | None

        def getfd(self) -> int:
            self._ask()
            fd: int = super().getfd()
            return fd

        def ensure_running(self) -> None:
            self._ask()
            super().ensure_running()

        # What registers calls this in Python 3.14 and later, and `ensure_running` before.
        if hasattr(base, "_ensure_running_and_write"):

            def _ensure_running_and_write(self, *arguments: Any) -> Any:
                self._ask()
                return super()._ensure_running_and_write(*arguments)

        def _ask(self) -> None:
            if self._fd is not None:
                return
            fd = _tracker_of_program()
            if fd is None:
                return
            if self._fd is None:
                self._fd = fd
            else:
                # Another thread, or a finalizer that was run meanwhile, has asked as well.
                os.close(fd)

    return SharedResourceTracker


def _tracker_of_program() -> int | None:
    try:
        answer = request(RESOURCE_TRACKER)
        try:
            _, fds, _ = recv_fds(answer, 1, 1)
        finally:
            answer.close()
    except OSError:
        return None  # there is no program any more, so one of its own it is
    return fds[0] if fds else None
