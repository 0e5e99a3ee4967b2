"""The calls of an executor, from the thread that makes them to the pool's event loop, where they are its tasks.

Whatever the other threads want goes through the *inbox*: calls, cancellations, the request to close. Whoever
puts something there wakes the loop, unless it has been woken and has not looked yet; so a thread that submits
one call after another wakes it once for many of them.

An engine knows nothing of its executor, so that one which nobody has any more can be closed.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from itertools import count
from typing import Any, Final, TypeAlias

from poolifier.error_attributes import is_a, text_of
from poolifier.error_text import to_log
from poolifier.errors import PoolFailedError
from poolifier.exchange import InContext
from poolifier.futures import at_exit
from poolifier.futures.errors import BrokenPoolError, BrokenWorkerError, afresh
from poolifier.futures.future import CallFuture
from poolifier.futures.packing import Packed, Packer
from poolifier.futures.pool_session import PoolSession
from poolifier.pool.base import Pool
from poolifier.pool.driver import Driver
from poolifier.scheduler.functions import Function
from poolifier.scheduler.task import QUEUED, Task, TaskExtra
from poolifier.worker.imports import importing
from poolifier.worker.loading import check_loaded

__all__ = ["Engine"]

_BATCH: Final = 1000
"""What is taken from the inbox in one turn of the loop."""

_IN_A_MOMENT: Final = 0.02
"""Seconds until the loop tries again what another thread is in the way of."""

# That of the standard library's executors.
_logger = logging.getLogger("concurrent.futures")

_number = count(1).__next__

Entry: TypeAlias = "tuple[Driver, Function, int, float | None]"
Call: TypeAlias = "tuple[CallFuture[Any], Any, tuple[Any, ...], dict[str, Any], Context | None]"


class Engine:
    """Runs the calls of one executor on one pool.

    Args:
        pool: The pool. One that is not started yet is started with the first call, in a thread of the
            engine's own, and destroyed at the end.
        name: The task function that makes calls, or None: then the pool is given one.

    Attributes:
        broken: Why no calls are taken for now: no worker can be started. None while they are taken.
        forked: This is a process that was forked from the one that the engine works in.
    """

    def __init__(self, pool: Pool[Any, Any], name: str | None = None) -> None:
        self.broken: BrokenPoolError | None = None
        self.forked: bool = False
        adds = name is None
        self._session = PoolSession(pool, f"poolifier.futures-{_number()}" if name is None else name, adds=adds)
        self._packer = Packer()
        # Reentrant, so that it knows who holds it (see `submit`).
        self._lock = threading.RLock()
        self._inbox: deque[Call | CallFuture[Any] | Callable[[], object]] = deque()
        # Until the loop looks for the first time it need not be told that there is something.
        self._woken = True
        # Copied once, for every call asks.
        self._here = self._session.here
        self._begun = False
        # The thread that calls may be importing a module that the calls refer to: see `packing.Packed`.
        self._imports = False
        # One look for every call. Why, is found out where it does.
        self._refuses = False
        self._closed = False
        self._closing = False
        self._outstanding: set[CallFuture[Any]] = set()
        # Of a pool that somebody else has started: calls that are made from now on come too late.
        self._late = False

    @property
    def owns(self) -> bool:
        """Whether the pool is the engine's own."""
        return self._session.owns

    @property
    def driver(self) -> Driver | None:
        """That of the pool, once it is started."""
        return self._session.driver

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
            future.set_exception(self._session.refusal())
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
        if self._begun and not self.forked:
            self._session.wait()

    def forget(self) -> None:
        """This is a new process, forked from that of the engine: its threads are not here."""
        self.forked = self._refuses = True
        # Another thread may have held it.
        self._lock = threading.RLock()

    def callback_raised(self, future: CallFuture[Any], error: BaseException) -> bool:
        """Keeps what a callback has raised out of the delivery of results; returns False in other threads than that."""
        loop = self._session.loop
        thread = self._session.thread
        if thread is not None:
            if thread is not threading.current_thread():
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
        return afresh(self.broken)

    def _begin(self) -> None:
        if at_exit.is_exiting():
            raise self._refusal()
        if self._session.pool._driver is None and not self._here:
            # In that thread it could not be seen that this one imports what calls this.
            check_loaded()
            self._imports = importing(sys._getframe())
        self._session.begin(self)
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
        # In this order, and the other way round in `drain`: so nothing stays there unseen.
        self._inbox.append(item)
        if not self._woken:
            self._wake()

    def _wake(self) -> None:
        loop = self._session.loop
        assert loop is not None
        try:
            self._woken = True
            loop.call_soon_threadsafe(self.drain)
        except RuntimeError:
            # It is closed: the engine has ended, or it was somebody else's.
            self.drain()
        except BaseException:
            # A handler of signals has raised, perhaps before the loop was told. Once more does no harm.
            self._woken = False
            raise

    def refuse(self) -> None:
        """Takes no calls from now on, and has those that come fail."""
        with self._lock:
            self._late = True

    # ---- on the loop ------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether there are calls that have yet to become tasks."""
        return bool(self._inbox)

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more calls, and all that it took have ended."""
        if not self._closing or self._outstanding:
            return False
        # Whoever has found it open puts his call there before he lets go of the lock.
        with self._lock:
            return not self._inbox

    def stop(self) -> None:
        """Somebody has ended the loop, or the pool: what is left will never run."""
        self._closed = self._refuses = True
        for future in list(self._outstanding):
            future.cancel_here()
        self.drain()

    def drain(self) -> None:
        """Takes what is in the inbox, and sees to it that what is left is taken in the next turn."""
        self._woken = False
        inbox = self._inbox
        entry: Entry | BaseException
        try:
            entry = self._session.called()
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
        if inbox and not self._woken and self._session.loop is not None:
            self._wake()
        self._look()
        if not inbox and not self.owns and self.driver is not None:
            self.driver.stirred()

    def _place(self, wanted: Call, entry: Entry | BaseException) -> None:
        """Submits a call to the pool."""
        future, called, arguments, keywords, context = wanted
        if future.cancelled():
            self.drop(future)
            return
        if self.broken is not None:
            future.set_exception(afresh(self.broken))
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
        if self._closing and not self._outstanding:
            self._session.look()

    def ended(self, future: CallFuture[Any]) -> None:
        """A call has ended."""
        self._outstanding.discard(future)
        future._task = None
        if self._closing:
            self._look()

    def later(self, callback: Callable[[], object]) -> bool:
        """Calls back on the loop in a moment; False where that is closed."""
        loop = self._session.loop
        try:
            assert loop is not None
            loop.call_later(_IN_A_MOMENT, callback)
        except RuntimeError:
            return False
        return True

    def failing(self, error: BaseException) -> None:
        """No worker can be started, which is why calls are refused."""
        before = self.broken
        broken = BrokenPoolError(f"the executor is broken, for no worker gets ready: {text_of(error)}")
        # Not by `isinstance`, which asks the error for its class where the type alone says no.
        broken.__cause__ = error.__cause__ if is_a(error, PoolFailedError) else error
        self.broken = broken
        self._refuses = True
        if before is None:
            # As the standard library does, for the calls may be none that anybody waits for.
            text, exc_info = to_log(error if broken.__cause__ is None else broken.__cause__)
            name = self._session.pool.info.name
            _logger.critical("pool %r: no worker gets ready: %s", name, text, exc_info=exc_info)

    def able(self) -> None:
        """Workers can be started, so calls are taken, unless it has been closed meanwhile."""
        self._packer.definitions = None if self.driver is None else getattr(self.driver.backend, "definitions", None)
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
                future.cancel_here()

    def _end_workers(self, signal: int) -> None:
        self._closing = True
        driver = self.driver
        for future in list(self._outstanding):
            task = future._task
            if not future.running():
                # As in the standard library: no worker had begun it, so it is not one that has failed.
                if future.cancel_here():
                    self.drop(future)
                continue
            future.set_exception(BrokenWorkerError(f"the executor's workers were ended by signal {signal}"))
            if task is not None and driver is not None:
                driver.abort(task)
        for channel in [] if driver is None else list(driver.channels.values()):
            if channel.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(channel.pid, signal)
