"""Workers that are child processes, made by a fork server of the pool's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from poolifier.backends.copier import Copier
from poolifier.backends.inheritance import Inheritance
from poolifier.backends.launch import CarriedFunction, Launch, program_arguments
from poolifier.backends.portions import Portions
from poolifier.backends.process.boot import Interpreter, astray
from poolifier.backends.process.channel import ProcessChannel
from poolifier.backends.process.child import WorkerRequest, current_directory
from poolifier.backends.process.fork_server import Setup
from poolifier.backends.process.output import OutputPipe
from poolifier.backends.process.process_handle import ProcessHandle
from poolifier.backends.process.python import interpreter
from poolifier.backends.process.server_client import ServerClient, ServerReports
from poolifier.backends.request_server import RequestServer
from poolifier.errors import UnsupportedError
from poolifier.exchange import WorkerSettings
from poolifier.options import ProcessOptions
from poolifier.protocols import WorkerListener
from poolifier.wire.scripts.definitions import Definitions
from poolifier.wire.sockets import pipe_pair, socket_pair
from poolifier.worker.ledger import Ledger, create_ledger
from poolifier.worker.loading import check_loaded
from poolifier.worker.source import WorkerSource

__all__ = ["ProcessBackend"]

_PATIENCE: Final = 1.0
_OUTPUT_BUFFER: Final = 32 * 1024
_SERVER_BUFFER: Final = 4 * 1024


class ProcessBackend:
    """A `Backend` whose workers are processes of this machine. Making one does no I/O.

    Args:
        source: Where the task functions come from.
        options: What only processes have.
        initializer: Called in each worker before it is ready.
        initargs: What it is called with.
        pool: The name of the pool.
        leave_timeout: Seconds that a worker with nothing left to do has to end, before it is killed.

    Attributes:
        leave_timeout: As given.
    """

    def __init__(
        self,
        source: WorkerSource,
        options: ProcessOptions,
        initializer: Callable[..., object] | None = None,
        initargs: Sequence[Any] = (),
        pool: str = "process",
        leave_timeout: float = 5.0,
    ) -> None:
        self.listener: WorkerListener
        self.portions: Portions
        self.definitions: Definitions
        self.copier: Copier
        self._source = source
        self._options = options
        self._initializer = initializer
        self._initargs = tuple(initargs)
        self._pool = pool
        self.leave_timeout = leave_timeout
        self._launch: Launch
        # The last definition that the fork server has loaded for the workers.
        self._served = 0
        self._inheritance = Inheritance()
        self._requests: RequestServer | None = None
        self._output_buffer = bytearray()
        self._channels: dict[int, ProcessChannel] = {}
        self._server: ServerClient | None = None
        self._empty: asyncio.Event | None = None
        self._started = False

    async def start(self, listener: WorkerListener) -> None:
        """Starts the fork server, on the running event loop.

        Raises:
            SerializationError: The worker or the initializer cannot be pickled.
            UnsupportedError: The platform has no such processes, or there is no Python to run them.
            RuntimeError: This is a worker, which is still importing what it runs.
            OSError: The system has no room for it.
        """
        check_loaded()
        if astray():
            raise UnsupportedError(
                "this program was started for a worker of its own and runs as itself, so it starts no workers: "
                "call multiprocessing.freeze_support() first thing in its main script"
            )
        if sys.platform == "win32":
            raise UnsupportedError("process workers need a Unix: Windows has no fork and passes no descriptors")
        if self._options.cpu_affinity is not None and not hasattr(os, "sched_setaffinity"):
            raise UnsupportedError("cpu_affinity: this platform does not bind processes to CPUs")
        self._requests = RequestServer(self._inheritance.locks)
        try:
            # First of all, for it takes longest; what follows here happens while it loads.
            server = self._server = self._new_server()
            self._launch = Launch(self._source, self._initializer, self._initargs, self._inheritance)
            self.definitions = self._launch.definitions
            self._launch.payload()
            self._requests.begin()
            setup = self._setup()
        except BaseException:
            await self.close()
            raise
        server.prepare(setup)
        self.listener = listener
        self.portions = Portions(asyncio.get_running_loop())
        self.copier = Copier(asyncio.get_running_loop())
        self._output_buffer = bytearray(_OUTPUT_BUFFER)
        self._empty = asyncio.Event()
        self._started = True

    def start_worker(self, worker_id: int, slot: int, settings: WorkerSettings) -> ProcessChannel:
        """Begins to start a worker; `worker_ready` or `worker_exited` follows.

        Raises:
            OSError: The system has no room for it.
            RuntimeError: The backend has not been started, or has been closed.
        """
        if not self._started:
            raise RuntimeError("the backend has not been started, or has been closed")
        cpus = self._options.cpus_of(slot)
        request = WorkerRequest(worker_id, current_directory(), self._options.nice, cpus, self._pool)
        if self._server is None:
            self._server = self._new_server()
            self._server.prepare(self._setup())
        channel, theirs = self._open_channel(worker_id)
        self._channels[worker_id] = channel
        self._server.request(request, theirs)
        launch, settings = self._launch.begin(settings)
        # What was met when that was pickled.
        channel.give(self._inheritance.descriptors)
        # Where it is preloaded, workers inherit it from the fork server.
        preloaded = self._preloaded and not self._inheritance.needed
        channel.begin(b"" if preloaded else launch, settings, self._served)
        return channel

    def carry_function(self, name: str, function: Callable[..., Any]) -> CarriedFunction:
        """Pickles a task function.

        Raises:
            SerializationError: It cannot be pickled; says why.
        """
        return self._launch.carry(name, function)

    async def close(self) -> None:
        """Kills what is left of the workers, ends the fork server and leaves nothing behind."""
        self._started = False
        if self._empty is not None and self._channels:
            self._empty.clear()
            for channel in list(self._channels.values()):
                channel.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), _PATIENCE)
        server, self._server = self._server, None
        if server is not None:
            await server.close()
        for channel in list(self._channels.values()):
            channel.process_lost("was ended")
        if self._empty is not None and self._channels:
            self._empty.clear()
            await self._empty.wait()
        self._inheritance.close()
        requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()

    def channel_ended(self, worker_id: int) -> None:
        """A channel of this backend has closed."""
        del self._channels[worker_id]
        if not self._channels and self._empty is not None:
            self._empty.set()

    def _open_channel(self, worker_id: int) -> tuple[ProcessChannel, tuple[int, ...]]:
        """Makes everything that pool and worker share; returns the worker's ends as descriptors."""
        loop = asyncio.get_running_loop()
        ours: list[int] = []
        theirs: list[int] = []
        ledger = None
        sock = beside = None
        try:
            sock, other = socket_pair()
            theirs.append(other.detach())
            beside, other = socket_pair()
            theirs.append(other.detach())
            theirs.append(create_ledger())
            ledger = Ledger(theirs[2])
            for _ in range(2):
                read, write = pipe_pair()
                ours.append(read)
                theirs.append(write)
            sock.setblocking(False)
        except OSError:
            for fd in (*ours, *theirs):
                os.close(fd)
            for opened in (sock, beside):
                if opened is not None:
                    opened.close()
            if ledger is not None:
                ledger.close()
            raise
        outputs = (
            OutputPipe(loop, ours[0], "stdout", self._output_buffer),
            OutputPipe(loop, ours[1], "stderr", self._output_buffer),
        )
        return ProcessChannel(self, worker_id, sock, ledger, outputs, beside), tuple(theirs)

    def _setup(self) -> Setup:
        options = self._options
        self._served = self.definitions.last if self._preloaded else 0
        return Setup(
            parent=os.getpid(),
            argv=program_arguments(),
            spawn=self._interpreter() if options.start_method == "spawn" else None,
            launch=self._launch.for_server() if self._preloaded else None,
            operations=self.definitions.since(0) if self._preloaded else [],
            scripts=self._launch.has_scripts,
            pool=self._pool,
        )

    @property
    def _preloaded(self) -> bool:
        return self._options.preload and self._options.start_method != "spawn"

    def _new_server(self) -> ServerClient:
        assert self._requests is not None
        reports = ServerReports(self._worker_started, self._worker_exited, self._worker_refused, self._server_lost)
        requests = self._requests.fileno()
        buffer = bytearray(_SERVER_BUFFER)
        return ServerClient(self._interpreter(), self._options.env or {}, reports, requests, buffer)

    def _interpreter(self) -> Interpreter:
        executable = self._options.executable
        return interpreter(None if executable is None else os.fspath(executable))

    def _worker_started(self, worker_id: int, pid: int, pidfd: int) -> None:
        channel = self._channels.get(worker_id)
        if channel is not None:
            channel.process_started(pid, pidfd)
        elif pidfd >= 0:
            # It was given up before it existed.
            given_up = ProcessHandle()
            given_up.started(pid, pidfd)
            given_up.kill()
            given_up.close(asyncio.get_running_loop())

    def _worker_exited(self, worker_id: int, status: int, groups: str) -> None:
        channel = self._channels.get(worker_id)
        if channel is not None:
            channel.process_ended(status, groups)

    def _worker_refused(self, worker_id: int, error: OSError) -> None:
        channel = self._channels.get(worker_id)
        if channel is not None:
            channel.process_refused(error)

    def _server_lost(self, how: str, stderr: str, error: Exception | None) -> None:
        self._server = None
        for channel in list(self._channels.values()):
            if error is not None:
                channel.process_refused(error)
            else:
                channel.process_lost(how, stderr)
