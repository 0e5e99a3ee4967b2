"""The pool's end of the fork server."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from poolifier.backends.launch import search_path
from poolifier.backends.process.child import WorkerRequest
from poolifier.backends.process.control import ControlReader, control_message
from poolifier.backends.process.fork_server import EXITED, STARTED, Setup

__all__ = ["ServerClient", "ServerReports"]

_CODE: Final = (
    "import sys; sys.path[:] = sys.argv[4:]; "
    "from poolifier.backends.process.fork_server import main; main(*map(int, sys.argv[1:4]))"
)
_RETRY: Final = 0.01
_PATIENCE: Final = 0.5


class ServerReports:
    """Whom the client tells what the server reports: four callables.

    Attributes:
        started: Called with worker id, pid and a pidfd (-1 where there are none) to own.
        exited: Called with worker id, wait status and the control groups that it was in, where they are known.
        refused: Called with worker id and the `OSError` that kept it from starting.
        lost: Called once when the server is gone.
    """

    __slots__ = ("exited", "lost", "refused", "started")

    def __init__(
        self,
        started: Callable[[int, int, int], None],
        exited: Callable[[int, int, str], None],
        refused: Callable[[int, OSError], None],
        lost: Callable[[], None],
    ) -> None:
        self.started: Callable[[int, int, int], None] = started
        self.exited: Callable[[int, int, str], None] = exited
        self.refused: Callable[[int, OSError], None] = refused
        self.lost: Callable[[], None] = lost


class ServerClient:
    """Starts one fork server and talks to it, on the running event loop.

    The server loads while its owner goes on, and then waits for `prepare`. `requests` is the descriptor by which the
    workers reach the program, see `program_requests`; it stays the caller's.

    Raises:
        OSError: The system has no room for it.
    """

    def __init__(self, env: Mapping[str, str | None], reports: ServerReports, requests: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._reports = reports
        self._outgoing: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._pidfds: deque[int] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._ended = self._loop.create_future()
        self.alive: bool = True
        self._sock, theirs = socket.socketpair()
        self._death = death = -1
        try:
            death, self._death = os.pipe()
            self._process = subprocess.Popen(
                [*interpreter(), "-c", _CODE, str(theirs.fileno()), str(death), str(requests), *search_path()],
                stdin=subprocess.DEVNULL,
                env=_merged(env),
                pass_fds=(theirs.fileno(), death, requests),
                start_new_session=True,
            )
        except BaseException:
            self._sock.close()
            if self._death >= 0:
                os.close(self._death)
            raise
        finally:
            theirs.close()
            if death >= 0:
                os.close(death)
        self._sock.setblocking(False)
        self._reader = ControlReader(self._sock)
        # Also where the pool is forgotten: with the server go its workers.
        self._forgotten = weakref.finalize(self, _end_forgotten, self._process, self._death, os.getpid())
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def prepare(self, setup: Setup) -> None:
        """Tells the server what all workers have in common; comes before the first request."""
        self._queue(setup)

    def request(self, request: WorkerRequest, fds: tuple[int, ...]) -> None:
        """Asks for a worker; takes over the descriptors."""
        self._queue(request, fds)

    async def close(self) -> None:
        """Ends the server, and with it what is left of its workers."""
        if self.alive:
            self._sock.shutdown(socket.SHUT_WR)
            await asyncio.wait([self._ended], timeout=_PATIENCE)
        self._lose(report=False)

    def _queue(self, message: Setup | WorkerRequest, fds: tuple[int, ...] = ()) -> None:
        # A view, for what is left of a large message is cut off again and again.
        self._outgoing.append((memoryview(control_message(message)), fds))
        if len(self._outgoing) == 1:
            self._write()

    def _write(self) -> None:
        self._retry = None
        outgoing = self._outgoing
        while outgoing and self.alive:
            data, fds = outgoing[0]
            try:
                sent = socket.send_fds(self._sock, [data], fds) if fds else self._sock.send(data)
            except BlockingIOError:
                self._loop.add_writer(self._sock.fileno(), self._write)
                return
            except OSError as error:
                # Too many descriptors are on their way; the server is about to take some.
                if error.errno == errno.ETOOMANYREFS:
                    self._loop.remove_writer(self._sock.fileno())
                    self._retry = self._loop.call_later(_RETRY, self._write)
                # Otherwise the server is gone, which the reader will find and report.
                return
            for fd in fds:
                os.close(fd)
            outgoing.popleft()
            if sent < len(data):
                outgoing.appendleft((data[sent:], ()))
        self._loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        try:
            received = self._reader.read()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received = None
        if received is None:
            self._lose(report=True)
            return
        reports, fds = received
        self._pidfds += fds
        for report in reports:
            self._report(report)

    def _report(self, message: tuple[Any, ...]) -> None:
        what, worker_id, value = message[:3]
        if what == STARTED:
            # One read brings the descriptor of one message at most; where this process has no room
            # for it, the kernel leaves it out.
            pidfd = self._pidfds.popleft() if message[3] and self._pidfds else -1
            self._reports.started(worker_id, value, pidfd)
        elif what == EXITED:
            self._reports.exited(worker_id, value, message[3])
        else:
            self._reports.refused(worker_id, value)

    def _lose(self, *, report: bool) -> None:
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        if self._retry is not None:
            self._retry.cancel()
        self._sock.close()
        self._forgotten.detach()
        # Where the server still runs, this is what ends it.
        os.close(self._death)
        for _, fds in self._outgoing:
            for fd in fds:
                os.close(fd)
        self._outgoing.clear()
        for fd in self._pidfds:
            os.close(fd)
        self._pidfds.clear()
        self._process.kill()
        self._process.wait()
        if not self._ended.done():
            self._ended.set_result(None)
        if report:
            self._reports.lost()


def _end_forgotten(process: subprocess.Popen[bytes], death: int, owner: int) -> None:
    if os.getpid() == owner:
        os.close(death)
        process.kill()
        process.wait()


def interpreter() -> list[str]:
    """The command that starts an interpreter like this one."""
    # Also used by multiprocessing; there is no public way to it.
    return [sys.executable, *subprocess._args_from_interpreter_flags()]  # type: ignore[attr-defined]


def _merged(env: Mapping[str, str | None]) -> dict[str, str]:
    merged = dict(os.environ)
    for name, value in env.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged
