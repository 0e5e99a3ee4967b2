"""The pool that an executor has: opened on its event loop, tried again where no worker can be started, and left.

One that is not started is the executor's own: it runs on an event loop in a thread of its own, and is destroyed at the
end. One that somebody else has started stays on that one's event loop, and with him.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol

from poolifier.backends.unwaited_thread import UnwaitedThread
from poolifier.errors import PoolifierError, PoolNotStartedError
from poolifier.futures.errors import BrokenPoolError
from poolifier.pool.base import Pool
from poolifier.pool.driver import Driver
from poolifier.scheduler.functions import Function
from poolifier.scheduler.restarts import FIRST_BACK_OFF, LONGEST_BACK_OFF
from poolifier.task_functions import TaskFunction
from poolifier.wire.codec import describe
from poolifier.worker.calls import call, call_here
from poolifier.worker.lazy_tasks import create_lazy_task

__all__ = ["Client", "PoolSession"]


class Client(Protocol):
    """Whoever makes calls. All but `pending` and `refuse` is called on the event loop."""

    @property
    def pending(self) -> bool:
        """Whether there are calls that have yet to become tasks."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more calls, and all that it took have ended."""
        ...

    def refuse(self) -> None:
        """Has calls fail that are made from now on: the pool is being left."""

    def drain(self) -> None:
        """Makes tasks of the calls, or fails them where no worker can be started."""

    def failing(self, error: BaseException) -> None:
        """No worker can be started."""

    def able(self) -> None:
        """Workers can be started, for the first time or again."""

    def stop(self) -> None:
        """The session is over: nothing that is left will ever run."""


class PoolSession:
    """One executor's use of a pool, from its first call on.

    Args:
        pool: The pool.
        name: The task function that makes calls.
        adds: The pool has yet to be given it.

    Attributes:
        pool: The pool.
        name: The task function that makes calls.
        owns: The pool is the session's own.
        here: Workers are threads of this process.
        admitted: The pool took calls when this began: those that were made until then it takes while it is left, too.
        driver: That of the pool, once it is started.
        loop: Its event loop, once it runs there.
        thread: Its thread, where the pool is its own.
        failing: No worker can be started for now.
    """

    def __init__(self, pool: Pool[Any, Any], name: str, *, adds: bool) -> None:
        self.pool = pool
        self.name = name
        self.owns: bool = True
        self.here: bool = pool.kind == "thread"
        self.admitted: bool = True
        self.driver: Driver | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self.failing: bool = False
        self._client: Client | None = None
        self._adds = adds
        self._opened = False
        self._finished: asyncio.Event | None = None
        self._over = threading.Event()
        self._lasting: asyncio.Task[None] | None = None

    # ---- from any thread --------------------------------------------------------------------------

    def begin(self, client: Client) -> None:
        """Begins, on the loop that the pool is on or is to be on. Does not wait."""
        self._client = client
        driver = self.pool._driver
        self.owns = driver is None
        if driver is None:
            # Here and not in that thread: a process that is forked meanwhile would have half of the module for ever.
            import_module(f"poolifier.backends.{self.pool.kind}.backend")
            # It is waited for before other threads are, and one that is stuck is not waited for twice.
            thread = UnwaitedThread(lambda: asyncio.run(self._run(client)), "poolifier-executor")
            thread.start()
            self.thread = thread
        else:
            self.admitted = not driver.refuses
            # Here, for the pool may be left before that is run.
            driver.consumers.add(self)
            driver.loop.call_soon_threadsafe(self._run_there, client)

    def wait(self) -> None:
        """Returns when it is over. On the loop, which must not wait, it returns at once."""
        if self.thread is not None:
            if self.thread is not threading.current_thread():
                self.thread.join()
            return
        with suppress(RuntimeError):
            if asyncio.get_running_loop() is self.loop:
                return
        self._over.wait()

    def refusal(self) -> BaseException:
        """Why a call that comes while the pool is being left is not taken."""
        return self.pool._life.refusal()

    # ---- for a pool that somebody else has started, while it is left: see `pool.leaving` -----------------

    @property
    def awaited(self) -> bool:
        """Whether calls have yet to become tasks."""
        # While it is broken it waits for the pool, and nobody for it.
        return (not self._opened and not self.failing) or (self._client is not None and self._client.pending)

    @property
    def reader(self) -> None:
        """None: calls come from any thread."""
        return None

    @property
    def under_way(self) -> int:
        """None: its tasks are there for themselves."""
        return 0

    @property
    def is_cut_short(self) -> bool:
        """Whether calls have yet to become tasks."""
        return self.awaited

    def refuse(self) -> None:
        """Takes no calls from now on, and has those that come fail."""
        if self._client is not None:
            self._client.refuse()

    def pool_ended(self, name: str) -> None:  # noqa: ARG002 - the map names it
        """Its calls have been cancelled. Where it still tries to begin, there is no use in that any more."""
        self.look()

    def __str__(self) -> str:
        return "an executor"

    # ---- on the loop ------------------------------------------------------------------------------

    def called(self) -> tuple[Driver, Function, int, float | None]:
        """What makes tasks of calls; raises as `Pool.execute` where the pool takes none."""
        return self.pool._called(self.name, None, None, admitted=self.admitted)

    def look(self) -> None:
        """The client may have ended, or want to be heard."""
        if self._finished is not None:
            self._finished.set()

    def _run_there(self, client: Client) -> None:
        """Begins on the loop of a pool that somebody else has started."""
        # The event loop itself remembers tasks only weakly.
        self._lasting = create_lazy_task(asyncio.get_running_loop(), self._run(client))

    async def _run(self, client: Client) -> None:
        self.loop = asyncio.get_running_loop()
        self._finished = finished = asyncio.Event()
        try:
            await self._open_at_last(client, finished)
            client.drain()
            while not client.has_ended:
                finished.clear()
                await finished.wait()
            await self._leave()
        finally:
            driver = self.pool._driver
            if driver is not None:
                driver.consumers.discard(self)
                if self._stir in driver.watchers:
                    driver.watchers.remove(self._stir)
            client.stop()
            # It has this session, and neither is to wait for the garbage collector.
            self._client = None
            self._over.set()

    async def _open_at_last(self, client: Client, finished: asyncio.Event) -> None:
        """Returns once workers can be started, or nothing can come of it any more. Meanwhile all calls are refused."""
        back_off = FIRST_BACK_OFF
        opening = self._open()
        while True:
            try:
                await opening
            except PoolNotStartedError as error:
                if not self.owns:
                    # Somebody else has destroyed it. Calls are told by the pool itself, as they would be later.
                    self._opened = True
                    self._stir(None)
                    return
                self._stir(error)
            except Exception as error:  # noqa: BLE001 - told to whoever has called, or calls
                self._stir(error)
            else:
                self._opened = True
                self._stir(None)
                return
            # Whoever has asked it to end meanwhile is heard by this, once more where he was before.
            finished.clear()
            client.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(back_off):
                    await finished.wait()
            if client.has_ended:
                return
            back_off = min(2 * back_off, LONGEST_BACK_OFF)
            opening = self._open_again(client, finished)

    async def _open_again(self, client: Client, finished: asyncio.Event) -> None:
        """As `_open`, where nobody waits for it, so that the client may end meanwhile."""
        opening = create_lazy_task(asyncio.get_running_loop(), self._open())
        opening.add_done_callback(lambda _: finished.set())
        while not opening.done() and not client.has_ended:
            finished.clear()
            await finished.wait()
        opening.cancel()
        await asyncio.wait([opening])
        if opening.cancelled():
            raise BrokenPoolError("the executor has been shut down while it waited for a worker")
        opening.result()

    async def _open(self) -> None:
        pool = self.pool
        try:
            if self.owns:
                await pool.start()
            driver = pool._driver
            if driver is not None and self._stir not in driver.watchers:
                driver.watchers.append(self._stir)
            if self._adds:
                function = TaskFunction(call_here if self.here else call)
                await pool._add_function(self.name, function, admitted=self.admitted)
        except (SystemExit, KeyboardInterrupt) as error:
            # Raised by an initializer, say. They are to end the worker, not this thread.
            raise BrokenPoolError(f"no worker gets ready: {describe(error)}") from error
        self.driver = pool._driver

    async def _leave(self) -> None:
        if self.owns:
            await self.pool.destroy()
        elif self._adds:
            with suppress(PoolifierError):
                await self.pool.remove_task_function(self.name)

    def _stir(self, failure: object) -> None:
        """Hears that no worker can be started, or that one is ready again."""
        client = self._client
        if client is None:
            return
        if isinstance(failure, BaseException):
            self.failing = True
            client.failing(failure)
        elif self._opened:
            self.failing = False
            client.able()
        else:
            self.look()  # to be tried at once
