"""The fork server: a small clean process that makes the workers of one pool and sees them end.

It has one thread and few modules, so forking it is quick, and safe where forking the parent (with its
threads, locks and event loop) is not. It is also the workers' parent, so its word on how one ended is
the truth: a worker's channel may be held open by processes that its tasks left behind.

Control messages (see `control`) to the server are first a `Setup`, then a `WorkerRequest` with the
worker's five descriptors for each worker. To the pool:
`(STARTED, worker id, pid, whether a pidfd comes with it)`, `(EXITED, worker id, wait status, the control groups that
it was in)`, `(REFUSED, worker id, OSError)` and, first of all, `(SERVING, 0, None)`.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import pickle
import select
import signal
import sys

# Under these names, because what a preloaded module patches (gevent, eventlet) is not for the server.
from os import fork, read, waitpid
from time import monotonic, sleep

from poolifier.backends.process.boot import Interpreter, marked, ready
from poolifier.backends.process.child import WorkerFds, WorkerRequest, become_worker
from poolifier.backends.process.control import ControlReader, control_message
from poolifier.backends.process.death import die_with_parent
from poolifier.backends.process.title import set_title
from poolifier.records import Record
from poolifier.wire import codec
from poolifier.wire.scripts import namespaces
from poolifier.wire.sockets import NO_SIGNAL, Socket, open_socket, send_fds
from poolifier.worker import program_requests, relay, with_statements
from poolifier.worker.loading import loading
from poolifier.worker.multiprocessing_child import share_resource_tracker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, NoReturn

    from poolifier.worker.start import Launch

__all__ = ["EXITED", "REFUSED", "SERVING", "STARTED", "Setup", "main"]

STARTED: Final = 0
EXITED: Final = 1
REFUSED: Final = 2
SERVING: Final = 3

_FDS_EACH: Final = 5


class Setup(Record):
    """What the server is told once.

    Attributes:
        parent: The pool's process.
        argv: Its `sys.argv`.
        spawn: What starts a fresh interpreter per worker; None to fork.
        launch: What workers start from, to be read and imported here once for all of them; None to leave that to
            each of them.
        operations: What it needs of the program's scripts.
        scripts: Import what reads functions and classes of scripts, which the workers will need.
        pool: The name of the pool.
    """

    parent: int
    argv: list[str]
    spawn: Interpreter | None
    launch: bytes | None
    operations: list[Any]
    scripts: bool
    pool: str


def main(control_fd: int, death: int, requests: int) -> NoReturn:
    """Serves until the pool closes the control socket or goes away."""
    ready()
    _open_standard_streams()
    os.set_inheritable(requests, False)
    program_requests.use(requests)
    share_resource_tracker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not under the name of a class that is gone: pickles of it refer to this module.
    _Server(open_socket(control_fd), die_with_parent(death), requests).serve()


class _Server:
    def __init__(self, control: Socket, death: int, requests: int) -> None:
        self._control = control
        self._death = death
        self._requests = requests
        self._workers: dict[int, int] = {}
        self._reader = ControlReader(control)
        self._fds: list[int] = []
        self._setup: Setup | None = None
        # What all workers inherit: as it was read here, or, where reading it failed, as it came.
        self._launch: Launch | None = None
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._parent_fd = -1
        # The pool's process, or a launcher that stands between: a script that runs Python, one that unpacks.
        self._parent = os.getppid()
        self._watches = False
        self._listen()

    def serve(self) -> NoReturn:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        code = 0
        try:
            self._send((SERVING, 0, None))
            # Once for all workers, while the pool makes up its mind.
            with_statements.load()
            while True:
                # Whoever else holds the pool's end of the control socket, the pool's process is what counts.
                ready = dict(poll.poll(1000))
                self._check_parent(poll)
                if self._parent_fd in ready:
                    break
                if self._wake_read in ready or not ready:
                    # Also once in a while: a module that was preloaded may have taken the signal for itself.
                    self._drain_wakeups()
                    self._reap()
                if self._control.fileno() in ready and not self._receive():
                    break
        except (BrokenPipeError, ConnectionResetError):
            pass  # the pool is gone
        except BaseException as error:  # noqa: BLE001 - the pool is told by what stands on standard error
            code = 1
            sys.__excepthook__(type(error), error, error.__traceback__)
        finally:
            self._kill_all()
            os._exit(code)

    def _listen(self) -> None:
        """Hears of children that end."""
        # Blocked signals are inherited: a program whose threads wait for them with `sigwait` has all of them blocked.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _receive(self) -> bool:
        received = self._reader.read()
        if received is None:
            return False
        # One read brings the descriptors of one request at most.
        requests, fds, lost = received
        if lost:
            for fd in fds:
                os.close(fd)
            fds = [-1] * _FDS_EACH
        self._fds += fds
        # Taken out one by one: a worker that is forked here would keep the large `Setup` before its request for ever.
        while requests:
            self._act_on(requests.pop(0))
        return True

    def _act_on(self, message: Setup | WorkerRequest) -> None:
        if isinstance(message, Setup):
            self._prepare(message)
        else:
            self._start(message)

    def _prepare(self, setup: Setup) -> None:
        # Without what is large: where it has been read, nobody needs the pickle any more.
        self._setup = Setup(setup.parent, setup.argv, setup.spawn, None, [], setup.scripts, setup.pool)
        set_title(setup.pool, "fork server", "server")
        sys.argv = setup.argv
        if setup.spawn is not None:
            return
        # Before anything else: what imports `logging` here is not to configure it for the workers.
        relay.look_out()
        if setup.scripts:
            import poolifier.wire.scripts.rebuild  # noqa: F401
        if setup.launch is not None:
            self._launch = setup.launch
            # Each worker meets what this raises again, and reports it.
            with contextlib.suppress(BaseException), loading():
                namespaces.define(setup.operations)
                launch = codec.decode(setup.launch)
                launch[0].load()
                self._launch = launch
            self._listen()
        gc.collect()
        # Keeps collections in the workers from touching, and so copying, what they share.
        gc.freeze()

    def _start(self, request: WorkerRequest) -> None:
        fds = WorkerFds(*self._fds[:_FDS_EACH])
        del self._fds[:_FDS_EACH]
        if fds.channel < 0:
            self._send((REFUSED, request.worker_id, OSError(errno.EMFILE, "Too many open files in the fork server")))
            return
        for stream in (sys.stdout, sys.stderr):
            # A module that was preloaded may have put anything there.
            with contextlib.suppress(Exception):
                stream.flush()
        try:
            pid = fork()
        except OSError as error:
            self._send((REFUSED, request.worker_id, error))
        else:
            if pid == 0:
                self._become(request, fds)
            self._workers[pid] = request.worker_id
            self._report_started(request.worker_id, pid)
        for fd in (fds.channel, fds.passing, fds.ledger, fds.stdout, fds.stderr):
            os.close(fd)

    def _become(self, request: WorkerRequest, fds: WorkerFds) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            for fd in (self._wake_read, self._wake_write, *self._fds):
                os.close(fd)
            if self._parent_fd >= 0:
                os.close(self._parent_fd)
            setup = self._setup
            if setup is not None and setup.spawn is not None:
                self._exec(setup, request, fds, setup.spawn)
            become_worker(fds, self._death, request, self._launch)
        except BaseException:  # noqa: BLE001
            pass
        finally:
            os._exit(127)

    def _exec(self, setup: Setup, request: WorkerRequest, fds: WorkerFds, interpreter: Interpreter) -> NoReturn:
        os.dup2(fds.stdout, 1)
        os.dup2(fds.stderr, 2)
        given = (fds.channel, fds.passing, fds.ledger, self._death, self._requests)
        for fd in given:
            os.set_inheritable(fd, True)
        told = interpreter.prepare(
            "poolifier.backends.process.child", (list(given), pickle.dumps(request, 5), setup.argv), sys.path
        )
        os.set_inheritable(told, True)
        environment = {**os.environ, **marked(fds.channel)}
        os.execve(interpreter.command[0], interpreter.arguments(told), environment)

    def _report_started(self, worker_id: int, pid: int) -> None:
        if hasattr(os, "pidfd_open"):
            # Made here, where the child cannot have been reaped, so it is surely this process.
            try:
                fd = os.pidfd_open(pid)
            except OSError:
                pass  # refused by an old kernel or a sandbox: then workers are known by their number
            else:
                try:
                    self._send((STARTED, worker_id, pid, True), fd)
                finally:
                    os.close(fd)
                return
        self._send((STARTED, worker_id, pid, False))

    def _send(self, message: tuple[Any, ...], *fds: int) -> None:
        data = control_message(message)
        sent = send_fds(self._control, data, fds) if fds else 0
        self._control.sendall(data[sent:], NO_SIGNAL)

    def _reap(self) -> None:
        while True:
            groups = _groups_of_next()
            try:
                pid, status = self._next_ended()
                if not pid:
                    return
            except ChildProcessError:
                return
            worker_id = self._workers.pop(pid, None)
            if worker_id is not None:
                self._send((EXITED, worker_id, status, groups.get(pid, "")))

    def _next_ended(self) -> tuple[int, int]:
        """Reaps a child: its number, or 0, and its wait status. Of a worker that did not end by itself nothing is left.

        Its processes would wait forever for who is not there any more, as those of an executor that a task has kept do.
        Those of a worker that has ended in good order have been waited for, or are meant to go on.
        """
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return waitpid(-1, os.WNOHANG)
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return 0, 0
        if ended.si_status and ended.si_pid in self._workers:
            # While it is not reaped nothing else has its number.
            _kill_group(ended.si_pid)
        return waitpid(ended.si_pid, 0)

    def _drain_wakeups(self) -> None:
        try:
            while read(self._wake_read, 512):
                pass
        except BlockingIOError:
            pass

    def _check_parent(self, poll: select.poll) -> None:
        setup = self._setup
        if setup is None:
            return
        if os.getppid() != self._parent:
            raise BrokenPipeError
        if self._watches or self._parent != setup.parent or not hasattr(os, "pidfd_open"):
            return
        self._watches = True
        try:
            self._parent_fd = os.pidfd_open(setup.parent)
        except OSError:
            return  # refused by an old kernel or a sandbox: then it is looked once a second
        poll.register(self._parent_fd, select.POLLIN)
        if os.getppid() != self._parent:
            raise BrokenPipeError

    def _kill_all(self) -> None:
        for pid in self._workers:
            _kill_group(pid)
            os.kill(pid, signal.SIGKILL)
        give_up = monotonic() + 1.0
        while self._workers and monotonic() < give_up:
            try:
                pid, _ = waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            self._workers.pop(pid, None)
            if not pid:
                sleep(0.001)


def _groups_of_next() -> dict[int, str]:
    """The control groups of a child that was killed, by its pid: it may have been moved since it was started.

    Only while it has not been waited for can they be read.
    """
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None or ended.si_status != signal.SIGKILL:
            return {}
        path = f"/proc/{ended.si_pid}/cgroup"
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - one import less
            return {ended.si_pid: file.read()}
    except (AttributeError, OSError):  # macOS has had `waitid` since Python 3.13 only
        return {}


def _kill_group(leader: int) -> None:
    """Kills what a worker has started, but for what has left its process group."""
    # It may have ended before it had one.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _open_standard_streams() -> None:
    """Gives descriptors 0 to 2 a file where the program had closed them, or others would get these numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
