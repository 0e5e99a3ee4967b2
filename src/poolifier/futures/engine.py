"""The part of an executor that works on the pool's event loop, and the way there from other threads.

Whatever the other threads want goes through the *inbox*: calls, cancellations, the request to close. Whoever
puts something there wakes the loop, unless it has been woken and has not looked yet; so a thread that submits
one call after another wakes it once for many of them.

An engine knows nothing of its executor, so that one which nobody has any more can be closed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from importlib import import_module
from itertools import count
from typing import Any, Final, TypeAlias

from poolifier.error_attributes import text_of
from poolifier.error_text import to_log
from poolifier.errors import PoolFailedError, PoolifierError
from poolifier.exchange import InContext
from poolifier.futures import at_exit
from poolifier.futures.errors import BrokenPoolError, BrokenWorkerError
from poolifier.futures.future import CallFuture
from poolifier.futures.packing import Packed, Packer
from poolifier.pool.base import Pool
from poolifier.pool.driver import Driver
from poolifier.scheduler.functions import Function
from poolifier.scheduler.restarts import FIRST_BACK_OFF, LONGEST_BACK_OFF
from poolifier.scheduler.task import QUEUED, Task, TaskExtra
from poolifier.task_functions import TaskFunction
from poolifier.wire.codec import describe
from poolifier.worker.calls import call, call_here
from poolifier.worker.imports import importing
from poolifier.worker.loading import check_loaded

__all__ = ["Engine"]

_BATCH: Final = 1000
"""What is taken from the inbox in one turn of the loop."""

# That of the standard library's executors.
_logger = logging.getLogger("concurrent.futures")

_number = count(1).__next__

Entry: TypeAlias = "tuple[Driver, Function, int, float | None]"
Call: TypeAlias = "tuple[CallFuture[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any], Context | None]"


class Engine:
    """Runs the calls of one executor on one pool.

    Args:
        pool: The pool. One that is not started yet is started with the first call, in a thread of the
            engine's own, and destroyed at the end.
        name: The task function that makes calls, or None: then the pool is given one.

    Attributes:
        owns: The pool is the engine's own.
        broken: Why no calls are taken for now: no worker can be started. None while they are taken.
        forked: This is a process that was forked from the one that the engine works in.
        driver: That of the pool, once it is started.
    """

    def __init__(self, pool: Pool[Any, Any], name: str | None = None) -> None:
        self.owns: bool = True
        self.broken: BaseException | None = None
        self.forked: bool = False
        self._pool = pool
        self._name = f"poolifier.futures-{_number()}" if name is None else name
        self._adds = name is None
        self._here = pool.kind == "thread"
        self._packer = Packer()
        # Reentrant, so that it knows who holds it (see `submit`).
        self._lock = threading.RLock()
        self._inbox: deque[Call | CallFuture[Any] | Callable[[], object]] = deque()
        # Until the loop looks for the first time it need not be told that there is something.
        self._woken = True
        self._begun = False
        # The thread that calls may be importing a module that the calls refer to: see `packing.Packed`.
        self._imports = False
        # One look for every call. Why, is found out where it does.
        self._refuses = False
        self._closed = False
        self._closing = False
        self._outstanding: set[CallFuture[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.driver: Driver | None = None
        self._thread: threading.Thread | None = None
        self._finished: asyncio.Event | None = None
        self._over = threading.Event()
        # Of a pool that somebody else has started: whether calls that were made so far are taken, and later ones.
        self._admitted = True
        self._late = False
        self._opened = False
        self._lasting: asyncio.Task[None] | None = None

    # ---- from any thread --------------------------------------------------------------------------

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> CallFuture[Any]:
        """Runs a call.

        Raises:
            BrokenPoolError: No worker can be started.
            RuntimeError: The engine takes no more calls, this process was forked from its own, or this is a worker
                that is still importing what it runs.
        """
        future: CallFuture[Any] = CallFuture(self)
        context = copy_context() if self._here else None
        lock = self._lock
        # As in `future`, which says why it is no `with`.
        try:
            lock.acquire()
            if self._refuses:
                raise self._refusal()
            if not self._begun:
                self._begin()
            late = self._late
            if not late:
                if self._imports:
                    function, arguments, keywords = self._packed_here(function, arguments, keywords), (), {}
                self._inbox.append((future, function, arguments, keywords, context))
        finally:
            try:  # noqa: SIM105 - that is a call
                lock.release()
            except RuntimeError:
                pass
        if late:
            future.set_exception(self._pool._life.refusal())
            return future
        if not self._woken:
            self._wake()
        return future

    def cancelled(self, future: CallFuture[Any]) -> None:
        """A future has been cancelled."""
        self._post(future)

    def close(self, *, cancel_waiting: bool = False) -> None:
        """Takes no more calls, and ends when those that were taken have ended. Does not wait, not even for a lock."""
        self._closed = self._refuses = True
        self._post(self._cancel_waiting if cancel_waiting else self._close)

    def end_workers(self, signal: int) -> None:
        """Closes, and ends the worker processes by a signal, whatever they run. Does not wait."""
        self._closed = self._refuses = True
        self._post(lambda: self._end_workers(signal))

    def wait(self) -> None:
        """Returns when it has ended. On the loop, which must not wait, it returns at once."""
        if not self._begun or self.forked:
            return
        if self._thread is not None:
            if self._thread is not threading.current_thread():
                self._thread.join()
            return
        with suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                return
        self._over.wait()

    def forget(self) -> None:
        """This is a new process, forked from that of the engine: its threads are not here."""
        self.forked = self._refuses = True
        # Another thread may have held it.
        self._lock = threading.RLock()

    def callback_raised(self, future: CallFuture[Any], error: BaseException) -> bool:
        """Keeps what a callback has raised out of the delivery of results; returns False in other threads than that."""
        loop = self._loop
        if self._thread is not None:
            if self._thread is not threading.current_thread():
                return False
            text, exc_info = to_log(error)
            _logger.error(
                "exception calling callback for %r%s", future, "" if exc_info else f": {text}", exc_info=exc_info
            )
            return True
        if loop is None or self.driver is None or self.driver.thread != threading.get_ident():
            return False

        def end() -> None:
            raise error

        loop.call_soon(end)
        return True

    def elsewhere(self) -> RuntimeError:
        """The error for a process that was forked."""
        return RuntimeError(
            "the executor belongs to the process that this one was forked from, and does not work here; create another"
        )

    def _refusal(self) -> BaseException:
        if self.forked:
            return self.elsewhere()
        if self._closed:
            return RuntimeError("cannot schedule new futures after shutdown")
        if self.broken is None:
            return RuntimeError("cannot schedule new futures after interpreter shutdown")
        return self._broken_afresh(self.broken)

    def _broken_afresh(self, broken: BaseException) -> BrokenPoolError:
        """The same error anew: one that is raised again and again collects all the tracebacks."""
        fresh = BrokenPoolError(*broken.args)
        fresh.__cause__ = broken.__cause__
        return fresh

    def _begin(self) -> None:
        if at_exit.is_exiting():
            raise self._refusal()
        driver = self._pool._driver
        self.owns = driver is None
        if driver is None:
            if not self._here:
                # In that thread it could not be seen that this one imports what calls this.
                check_loaded()
                self._imports = importing(sys._getframe())
            # Here and not in that thread: a process that is forked meanwhile would have half of the module for ever.
            import_module(f"poolifier.backends.{self._pool.kind}.backend")
            # A daemon: it is waited for before other threads are, and one that is stuck is not waited for twice.
            thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="poolifier-executor", daemon=True)
            thread.start()
            self._thread = thread
        else:
            self._admitted = not driver.refuses
            # Here, for the pool may be left before that is run.
            driver.consumers.add(self)
            driver.loop.call_soon_threadsafe(self._run_there)
        self._begun = True
        at_exit.watch(self)

    def _packed_here(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Callable[..., Any]:
        self._imports = importing(sys._getframe())
        try:
            return Packed(self._packer.pack(function, arguments, keywords))
        except BaseException as error:  # noqa: BLE001 - pickling runs code of the arguments
            return Packed(None, error)

    def _post(self, item: CallFuture[Any] | Callable[[], object]) -> None:
        if self.forked:
            return
        # In this order, and the other way round in `_drain`: so nothing stays there unseen.
        self._inbox.append(item)
        if not self._woken:
            self._wake()

    def _wake(self) -> None:
        assert self._loop is not None
        try:
            self._woken = True
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:
            # It is closed: the engine has ended, or it was somebody else's.
            self._drain()
        except BaseException:
            # A handler of signals has raised, perhaps before the loop was told. Once more does no harm.
            self._woken = False
            raise

    # ---- for a pool that somebody else has started, while it is left: see `pool.leaving` -----------------

    @property
    def awaited(self) -> bool:
        """Whether calls have yet to become tasks."""
        # While it is broken it waits for the pool, and nobody for it.
        return (not self._opened and self.broken is None) or bool(self._inbox)

    @property
    def reader(self) -> None:
        """None: calls come from any thread."""
        return None

    @property
    def under_way(self) -> int:
        """None: its tasks are there for themselves."""
        return 0

    def refuse(self) -> None:
        """Takes no calls from now on, and has those that come fail."""
        with self._lock:
            self._late = True

    def pool_ended(self, name: str) -> None:
        """Nothing: its calls have been cancelled."""

    def __str__(self) -> str:
        return "an executor"

    # ---- on the loop ------------------------------------------------------------------------------

    def _run_there(self) -> None:
        """Begins on the loop of a pool that somebody else has started."""
        # The event loop itself remembers tasks only weakly.
        self._lasting = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._finished = finished = asyncio.Event()
        try:
            await self._open_at_last(finished)
            self._drain()
            while not self._ended():
                finished.clear()
                await finished.wait()
            await self._leave()
        finally:
            self._closed = self._refuses = True
            if self.driver is not None:
                self.driver.consumers.discard(self)
            for future in list(self._outstanding):
                # Somebody else has ended the loop, or the pool.
                future.cancel()
            self._drain()
            self._over.set()

    async def _open_at_last(self, finished: asyncio.Event) -> None:
        """Returns once workers can be started, or the engine is to end. Meanwhile all calls are refused."""
        back_off = FIRST_BACK_OFF
        opening = self._open()
        while True:
            try:
                await opening
            except Exception as error:  # noqa: BLE001 - told to whoever has called, or calls
                self._stir(error)
            else:
                self._opened = True
                self._stir(None)
                return
            # Whoever has asked it to end meanwhile is heard by this, once more where he was before.
            finished.clear()
            self._drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(back_off):
                    await finished.wait()
            if self._ended():
                return
            back_off = min(2 * back_off, LONGEST_BACK_OFF)
            opening = self._open_again()

    async def _open_again(self) -> None:
        """As `_open`, where nobody waits for it, so that the engine may end meanwhile."""
        finished = self._finished
        assert finished is not None
        opening = asyncio.ensure_future(self._open())
        opening.add_done_callback(lambda _: finished.set())
        while not opening.done() and not self._ended():
            finished.clear()
            await finished.wait()
        opening.cancel()
        await asyncio.wait([opening])
        if opening.cancelled():
            raise BrokenPoolError("the executor has been shut down while it waited for a worker")
        opening.result()

    async def _open(self) -> None:
        pool = self._pool
        try:
            if self.owns:
                await pool.start()
            driver = pool._driver
            if driver is not None and self._stir not in driver.watchers:
                driver.watchers.append(self._stir)
            if self._adds:
                function = TaskFunction(call_here if self._here else call)
                await pool._add_function(self._name, function, admitted=self._admitted)
        except (SystemExit, KeyboardInterrupt) as error:
            # Raised by an initializer, say. They are to end the worker, not this thread.
            raise BrokenPoolError(f"no worker gets ready: {describe(error)}") from error
        self.driver = driver = pool._driver
        if driver is not None:
            self._packer.definitions = getattr(driver.backend, "definitions", None)

    async def _leave(self) -> None:
        driver = self._pool._driver
        if driver is not None and self._stir in driver.watchers:
            driver.watchers.remove(self._stir)
        if self.owns:
            await self._pool.destroy()
        elif self._adds:
            with suppress(PoolifierError):
                await self._pool.remove_task_function(self._name)

    def _ended(self) -> bool:
        if not self._closing or self._outstanding:
            return False
        # Whoever has found it open puts his call there before he lets go of the lock.
        with self._lock:
            return not self._inbox

    def _drain(self) -> None:
        """Takes what is in the inbox, and sees to it that what is left is taken in the next turn."""
        self._woken = False
        inbox = self._inbox
        entry: Entry | BaseException
        try:
            entry = self._pool._called(self._name, None, None, admitted=self._admitted)
        except Exception as error:  # noqa: BLE001 - the calls that there are fail with it
            entry = error
        self._packer.look()
        for _ in range(min(len(inbox), _BATCH)):
            try:
                item = inbox.popleft()
            except IndexError:
                return  # the loop is closed, and two threads are here
            if isinstance(item, tuple):
                self._place(item, entry)
            elif isinstance(item, CallFuture):
                self.drop(item)
            else:
                item()
        if inbox and not self._woken and self._loop is not None:
            self._wake()
        self._look()
        if not inbox and not self.owns and self.driver is not None:
            self.driver.stirred()

    def _place(self, wanted: Call, entry: Entry | BaseException) -> None:
        """Submits a call to the pool."""
        future, called, arguments, keywords, context = wanted
        if future.cancelled():
            return  # of which the engine is about to hear
        if self.broken is not None:
            future.set_exception(self._broken_afresh(self.broken))
            return
        if isinstance(entry, BaseException):
            future.set_exception(entry)
            return
        data: Any
        if context is not None:
            call = (called, arguments, keywords)
            data = InContext(context, call) if context else call
        else:
            try:
                data = called.data() if type(called) is Packed else self._packer.pack(called, arguments, keywords)
            except BaseException as error:  # noqa: BLE001 - pickling runs code of the arguments
                future.set_exception(error)
                return
        driver, function, nice, limit = entry
        task = Task(driver.callers.admit(data, future), function, nice)
        if limit is not None:
            task.extra = TaskExtra(0, limit)
        future._task = task
        self._outstanding.add(future)
        try:
            driver.submit(task)
        except Exception as error:  # noqa: BLE001 - a strategy of the user's own may raise anything
            future.set_exception(error)

    def _look(self) -> None:
        if self._closing and not self._outstanding and self._finished is not None:
            self._finished.set()

    def ended(self, future: CallFuture[Any]) -> None:
        """A call has ended."""
        self._outstanding.discard(future)
        future._task = None
        if self._closing:
            self._look()

    def _stir(self, failure: object) -> None:
        """Hears that no worker can be started, which is why calls are refused, or that one is ready again."""
        if not isinstance(failure, BaseException):
            if self._opened:
                self._mend()
            elif self._finished is not None:
                self._finished.set()  # to be tried at once
            return
        before = self.broken
        broken = BrokenPoolError(f"the executor is broken, for no worker gets ready: {text_of(failure)}")
        broken.__cause__ = failure.__cause__ if isinstance(failure, PoolFailedError) else failure
        self.broken = broken
        self._refuses = True
        if before is None:
            # As the standard library does, for the calls may be none that anybody waits for.
            text, exc_info = to_log(failure if broken.__cause__ is None else broken.__cause__)
            _logger.critical("pool %r: no worker gets ready: %s", self._pool.info.name, text, exc_info=exc_info)

    def _mend(self) -> None:
        self.broken = None
        with self._lock:
            self._refuses = False
            # Whoever closes it does not wait for the lock, and may just have done so.
            if self._closed or self.forked:
                self._refuses = True

    def drop(self, future: CallFuture[Any]) -> None:
        """Lets go of a call whose future has been cancelled."""
        if not future.tell_cancelled():
            return
        task = future._task
        self.ended(future)
        if task is not None and self.driver is not None:
            self.driver.abort(task)

    def _close(self) -> None:
        self._closing = True

    def _cancel_waiting(self) -> None:
        self._closing = True
        for future in list(self._outstanding):
            task = future._task
            # What a worker was sent ahead it may have begun.
            if task is not None and task.state == QUEUED:
                future.cancel()

    def _end_workers(self, signal: int) -> None:
        self._closing = True
        driver = self.driver
        for future in list(self._outstanding):
            task = future._task
            if not future.running():
                # As in the standard library: no worker had begun it, so it is not one that has failed.
                if future.cancel():
                    self.drop(future)
                continue
            future.set_exception(BrokenWorkerError(f"the executor's workers were ended by signal {signal}"))
            if task is not None and driver is not None:
                driver.abort(task)
        for channel in [] if driver is None else list(driver.channels.values()):
            if channel.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(channel.pid, signal)
