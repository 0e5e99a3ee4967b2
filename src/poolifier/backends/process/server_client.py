"""The pool's end of the fork server."""

from __future__ import annotations

import _socket
import asyncio
import errno
import os
import signal
import subprocess
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from poolifier.backends.launch import search_path
from poolifier.backends.process.boot import ASTRAY, Interpreter, marked
from poolifier.backends.process.child import WorkerRequest
from poolifier.backends.process.control import ControlReader, control_message
from poolifier.backends.process.fork_server import EXITED, SERVING, STARTED, Setup
from poolifier.backends.process.output import OutputPipe
from poolifier.backends.process.python import is_no_python, is_trusted, stray
from poolifier.wire.sockets import NO_SIGNAL, pipe_pair, send_fds, socket_pair

__all__ = ["ServerClient", "ServerReports"]

_RETRY: Final = 0.01
_PATIENCE: Final = 0.5

_MOMENT: Final = 0.2
"""Seconds between the end of a process's descriptors and its own, for which the event loop is kept waiting."""

_BEGIN: Final = 60.0
"""Seconds in which what may be no Python has to begin. A program in one file may have to be unpacked first."""


class ServerReports:
    """Whom the client tells what the server reports: four callables.

    Attributes:
        started: Called with worker id, pid and a pidfd (-1 where there are none) to own.
        exited: Called with worker id, wait status and the control groups that it was in, where they are known.
        refused: Called with worker id and the `OSError` that kept it from starting.
        lost: Called once when the server is gone: with how it ended, as the end of a sentence, the last lines of its
            standard error, and the error where it never was a server.
    """

    __slots__ = ("exited", "lost", "refused", "started")

    def __init__(
        self,
        started: Callable[[int, int, int], None],
        exited: Callable[[int, int, str], None],
        refused: Callable[[int, OSError], None],
        lost: Callable[[str, str, Exception | None], None],
    ) -> None:
        self.started: Callable[[int, int, int], None] = started
        self.exited: Callable[[int, int, str], None] = exited
        self.refused: Callable[[int, OSError], None] = refused
        self.lost: Callable[[str, str, Exception | None], None] = lost


class ServerClient:
    """Starts one fork server and talks to it, on the running event loop.

    The server loads while its owner goes on, and then waits for `prepare`. `requests` is the descriptor by which the
    workers reach the program, see `program_requests`; it stays the caller's.

    Raises:
        OSError: The system has no room for it.
        UnsupportedError: The interpreter is no program that can be started.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        env: Mapping[str, str | None],
        reports: ServerReports,
        requests: int,
        buffer: bytearray,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._interpreter = interpreter
        self._reports = reports
        self._outgoing: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._pidfds: deque[int] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._ended = self._loop.create_future()
        self._serves = False
        self.alive: bool = True
        self._sock, theirs = socket_pair()
        # What the server is to have and this process is not to keep.
        given: list[int] = [theirs.detach()]
        self._death = said = -1
        try:
            death, self._death = pipe_pair()
            given.append(death)
            said, errors = pipe_pair()
            given.append(errors)
            fds = (given[0], death, requests)
            told = interpreter.prepare("poolifier.backends.process.fork_server", fds, search_path())
            given.append(told)
            self._process = _started(
                interpreter,
                told,
                env={**_merged(env), **marked(given[0])},
                stderr=errors,
                pass_fds=(*fds, told),
            )
        except BaseException:
            self._sock.close()
            for fd in (self._death, said):
                if fd >= 0:
                    os.close(fd)
            raise
        finally:
            for fd in given:
                os.close(fd)
        self._sock.setblocking(False)
        self._reader = ControlReader(self._sock)
        # Also where the pool is forgotten: with the server go its workers.
        self._forgotten = weakref.finalize(self, _end_forgotten, self._process, self._death, os.getpid())
        self._errors = OutputPipe(self._loop, said, "stderr", buffer)
        self._loop.add_reader(self._sock.fileno(), self._readable)
        self._late: asyncio.TimerHandle | None = None
        if not is_trusted(interpreter):
            self._late = self._loop.call_later(
                _BEGIN, self._lose, f"did not begin to serve within {_BEGIN:.0f} seconds"
            )

    def prepare(self, setup: Setup) -> None:
        """Tells the server what all workers have in common; comes before the first request."""
        self._queue(setup)

    def request(self, request: WorkerRequest, fds: tuple[int, ...]) -> None:
        """Asks for a worker; takes over the descriptors."""
        self._queue(request, fds)

    async def close(self) -> None:
        """Ends the server, and with it what is left of its workers."""
        if self.alive:
            self._sock.shutdown(_socket.SHUT_WR)
            await asyncio.wait([self._ended], timeout=_PATIENCE)
        if self.alive:
            self._end()

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
                sent = send_fds(self._sock, data, fds) if fds else self._sock.send(data, NO_SIGNAL)
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
            self._lose("")
            return
        reports, fds, _ = received
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
        elif what == SERVING:
            self._serves = True
            if self._late is not None:
                self._late.cancel()
        elif what == ASTRAY:
            self._lose("ran as itself again, and was about to start workers of its own")
        else:
            self._reports.refused(worker_id, value)

    def _lose(self, why: str) -> None:
        """The server is gone, or of no use: then `why` says so."""
        if self.alive:
            how = self._end(why)
            if self._serves:
                self._reports.lost(how, self._errors.tail, None)
            elif why or not is_trusted(self._interpreter):
                self._reports.lost(how, self._errors.tail, stray(self._interpreter, how, self._errors.tail))
            else:
                self._reports.lost(f"{how} before it served", self._errors.tail, None)

    def _end(self, why: str = "") -> str:
        """Lets go of the server, and ends it where it is still there; returns how it ended."""
        self.alive = False
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        for timer in (self._retry, self._late):
            if timer is not None:
                timer.cancel()
        self._sock.close()
        # At the end of the process it has been called, while a loop in a daemon thread goes on.
        forgotten = self._forgotten.detach() is None
        # Its descriptors are closed a moment before it can be waited for. It is asked how it ended before it is killed.
        how = why or _how_ended(self._process)
        if not forgotten:
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
        self._errors.close()
        if not self._ended.done():
            self._ended.set_result(None)
        return how


def _started(
    interpreter: Interpreter, told: int, *, env: dict[str, str], stderr: int, pass_fds: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    for session in (True, False):
        try:
            return subprocess.Popen(
                interpreter.arguments(told),
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                env=env,
                pass_fds=pass_fds,
                # Out of reach of the terminal's signals. A sandbox may refuse `setsid`, which is told as though the
                # program had been refused.
                start_new_session=session,
            )
        except OSError as error:
            if session and error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES):
                continue
            if is_no_python(error):
                raise stray(interpreter, f"is no program that can be started: {error.strerror}") from error
            raise
    raise AssertionError


def _how_ended(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(_MOMENT)
    except subprocess.TimeoutExpired:
        return "closed its connection to the pool"
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _end_forgotten(process: subprocess.Popen[bytes], death: int, owner: int) -> None:
    if os.getpid() == owner:
        os.close(death)
        process.kill()
        process.wait()


def _merged(env: Mapping[str, str | None]) -> dict[str, str]:
    merged = dict(os.environ)
    for name, value in env.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged
