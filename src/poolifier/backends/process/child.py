"""The first things that a worker process does, forked or spawned."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
from functools import partial
from io import TextIOWrapper

from poolifier.backends.process.death import die_with_parent
from poolifier.backends.process.title import set_title
from poolifier.exchange import WorkerSettings
from poolifier.records import Record
from poolifier.wire.passing import Passing
from poolifier.worker import inherited, program_requests
from poolifier.worker.ledger import Ledger
from poolifier.worker.link import Link
from poolifier.worker.multiprocessing_child import be_child, share_resource_tracker
from poolifier.worker.session import Session
from poolifier.worker.start import run_worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, NoReturn

    from poolifier.worker.start import Launch

__all__ = ["INHERITED", "WorkerFds", "WorkerRequest", "become_worker", "main"]

INHERITED: Final = 1 << 63
"""Number of the first descriptor that the worker inherits, among those that are passed; no other has one so high."""


class WorkerRequest(Record):
    """What the pool asks the fork server for, besides the descriptors.

    Attributes:
        worker_id: The worker's number in its pool.
        cwd: The directory to start in, or None to stay.
        nice: The nice level to take, or None.
        cpus: The CPUs to keep to, or None for all.
        pool: The name of its pool.
    """

    worker_id: int
    cwd: str | None
    nice: int | None
    cpus: tuple[int, ...] | None
    pool: str

    def apply(self) -> None:
        """Gives this process what was asked for.

        Raises:
            OSError: The system refuses it.
        """
        if self.cwd is not None:
            os.chdir(self.cwd)
        if self.cpus is not None:
            try:
                os.sched_setaffinity(0, self.cpus)
            except OSError as error:
                what = f"cpu_affinity {self.cpus} has no CPU that this process may use: {error.strerror}"
                raise OSError(error.errno, what) from None
        if self.nice is not None:
            os.setpriority(os.PRIO_PROCESS, 0, self.nice)


class WorkerFds(Record):
    """The descriptors of a worker: its channel, where descriptors pass, its ledger, its standard output and error."""

    channel: int
    passing: int
    ledger: int
    stdout: int
    stderr: int


def become_worker(fds: WorkerFds, death: int, request: WorkerRequest, launch: Launch | None = None) -> NoReturn:
    """Runs a worker in this process and ends it. It starts from `launch`, where it inherits that and is not sent it."""
    code = 1
    try:
        set_title(request.pool, f"worker {request.worker_id}", str(request.worker_id))
        # A task that signals its own process group must not reach its neighbours.
        os.setpgid(0, 0)
        # Kept open for as long as the process lives.
        sentinel = die_with_parent(death, group=True)
        for number, action in (
            (signal.SIGINT, signal.SIG_IGN),
            (signal.SIGTERM, signal.SIG_DFL),
            (signal.SIGCHLD, signal.SIG_DFL),
        ):
            signal.signal(number, action)
        _take_output(fds.stdout, fds.stderr)
        # Never closed: the pool takes the end of the channel for a worker gone astray, and kills it.
        sock = socket.socket(fileno=fds.channel)
        ledger = Ledger(fds.ledger)
        ledger.dumps_fd = fds.ledger
        passing = Passing(socket.socket(fileno=fds.passing), waits=True)
        inherited.receive(lambda index: passing.take(INHERITED + index))
        prepare = partial(_prepare, request, sentinel)
        new_session = partial(Session, passing=passing)
        code = run_worker(Link(sock), ledger, prepare, os.getpid(), new_session, launch)
    except BaseException as error:  # noqa: BLE001 - above this is the fork server, which must not go on here
        sys.excepthook(type(error), error, error.__traceback__)
        sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> NoReturn:
    """Entry of a spawned worker: `argv` holds five descriptors and, pickled, the request and the parent's argv."""
    channel, passing, ledger, death, requests = (int(argument) for argument in sys.argv[1:6])
    request, argv = pickle.loads(bytes.fromhex(sys.argv[6]))
    sys.argv = argv
    for fd in (channel, passing, ledger, death, requests):
        os.set_inheritable(fd, False)
    program_requests.use(requests)
    share_resource_tracker()
    become_worker(WorkerFds(channel, passing, ledger, 1, 2), death, request)


def _prepare(request: WorkerRequest, sentinel: int, settings: WorkerSettings) -> None:
    if settings.program is not None:
        be_child(settings.program, request.worker_id, sentinel)
    request.apply()


def _take_output(stdout: int, stderr: int) -> None:
    for fd, target in ((stdout, 1), (stderr, 2)):
        if fd != target:
            os.dup2(fd, target)
            os.close(fd)
    # Line by line, as the parent passes it on.
    sys.stdout = sys.__stdout__ = _line_writer(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _line_writer(2)  # type: ignore[misc]


def _line_writer(fd: int) -> TextIOWrapper:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
