"""What `submit` returns."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PENDING
from functools import partial
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from poolifier.error_attributes import type_name_of
from poolifier.futures.errors import as_standard
from poolifier.futures.waiters import Waiters
from poolifier.scheduler.task import SENT

if TYPE_CHECKING:
    from poolifier.futures.engine import Engine
    from poolifier.pool.driver import Driver
    from poolifier.scheduler.task import Task

__all__ = ["CallFuture"]

ResultT = TypeVar("ResultT")

# That of the standard library's futures.
_logger = logging.getLogger("concurrent.futures")

_GONE: Final = frozenset({CANCELLED, CANCELLED_AND_NOTIFIED})
_DONE: Final = _GONE | {FINISHED}

_MOMENT: Final = 0.001
"""Seconds that the event loop waits for a condition: whoever has one does a few statements, or has been interrupted."""

_PATIENCE: Final = 10.0
"""Seconds after which a condition counts as one that is not given back: `wait` may hold those of a million futures."""

_PATIENCE_AT_THE_END: Final = 0.1

_making = threading.RLock()
"""Held while a condition is made, and while a future is settled that has none.

Not by `with`: in Python 3.14 a handler of signals may raise between its beginning and its body, and the lock would be
held for good (python/cpython#148874). In a `finally` nothing is raised before its first call, and a reentrant lock
knows whether it has been taken.
"""


def _renew() -> None:
    """In a process that was forked: another thread, which is not here, may have held it."""
    global _making
    _making = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class _Condition:
    """Makes the condition of a future when somebody looks for it, which is before he waits or leaves a callback.

    A condition is ten objects, and takes as long to make as all the rest of a call.
    """

    def __get__(self, future: CallFuture[Any] | None, owner: type) -> Any:
        if future is None:
            return self
        making = _making
        attributes = vars(future)
        try:
            making.acquire()
            if "_condition" not in attributes:
                # In this order, for a handler of signals may raise in between.
                attributes["_waiters"] = Waiters()
                attributes["_condition"] = threading.Condition()
            return attributes["_condition"]
        finally:
            try:  # noqa: SIM105 - that is a call
                making.release()
            except RuntimeError:
                pass


class CallFuture(Future[ResultT]):
    """The result of a call: a `concurrent.futures.Future` whose `cancel` also stops a call that is running.

    It takes the place of the task's future: the driver settles it, on the pool's event loop. Where it
    is cancelled from another thread meanwhile, the first one wins.
    """

    _condition: Any = _Condition()
    _waiters: Any = ()  # until there is a condition: whoever waits takes that first
    _held_since: float | None = None

    def __init__(self, engine: Engine) -> None:  # all that the class above sets, but for the condition and waiters
        self._state = PENDING
        self._result = None
        self._exception = None
        self._done_callbacks: list[Any] = []
        self._engine = engine
        self._task: Task | None = None
        self._told = False

    @property
    def _driver(self) -> Driver | None:
        return self._engine.driver

    def cancel(self) -> bool:
        """Cancels the call: drops it where it waits, aborts it where it runs. False where it is done already."""
        # For the class above it is pending until it is done, so that it can be cancelled until then.
        try:
            return super().cancel()
        finally:
            # Also where a callback has raised: the engine would wait for this call for ever.
            try:
                if self.cancelled():
                    self._engine.cancelled(self)
            except BaseException:
                # A handler of signals has raised, perhaps before the engine was told. Once more does no harm.
                if self.cancelled():
                    self._engine.cancelled(self)
                raise

    # Both are asked for every call, and take a lock in the class above, which one look does not need.

    def done(self) -> bool:
        """Whether it was cancelled, or has a result or an error."""
        return self._state in _DONE

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._state in _GONE

    def running(self) -> bool:
        """Whether a worker runs it, as far as the pool can tell."""
        task = self._task
        if task is None or task.state != SENT or self.done():
            return False
        node = task.node
        while node is not None:
            try:
                return any(sequence == task.sequence for sequence in islice(node.sent, node.capacity))
            except RuntimeError:  # the loop's thread has changed it meanwhile
                continue
        return False

    def result(self, timeout: float | None = None) -> ResultT:
        """As in the standard library; in a process that was forked from the executor's it raises `RuntimeError`."""
        if self._state == FINISHED and self._exception is None:
            return self._result  # type: ignore[return-value]
        if self._engine.forked and not self.done():
            raise self._engine.elsewhere()
        # Not by the class above: until Python 3.13.4 it tests the truth of the error, and some errors are false.
        error = super().exception(timeout)
        if error is None:
            return self._result  # type: ignore[return-value]
        try:
            raise error
        finally:
            # The error has a traceback, which has this frame, which has the future, which has the error.
            del self, error

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As in the standard library; in a process that was forked from the executor's it raises `RuntimeError`."""
        if self._engine.forked and not self.done():
            raise self._engine.elsewhere()
        return super().exception(timeout)

    def _invoke_callbacks(self) -> None:
        """As in the standard library, but what a callback raises ends nobody else's calls.

        A `SystemExit` or a `KeyboardInterrupt` would end the executor's event loop, where nobody could catch it: there
        it is logged like any error of a callback. An event loop that is somebody else's ends with it, as with that of
        one of asyncio's own callbacks, but not before what has arrived is delivered. Whoever cancels gets it raised.
        """
        for callback in self._done_callbacks:
            try:
                callback(self)
            except Exception:
                _logger.exception("exception calling callback for %r", self)
            except BaseException as error:
                if not self._engine.callback_raised(self, error):
                    raise

    def __repr__(self) -> str:
        """As in the standard library, which until Python 3.13.4 asks whether the error is true."""
        error = self._exception
        if self._state != FINISHED or error is None:
            return super().__repr__()
        name = type_name_of(error).rpartition(".")[2]
        return f"<{type(self).__name__} at {id(self):#x} state=finished raised {name}>"

    # ---- what the driver tells, on the pool's event loop ------------------------------------------

    def set_result(self, result: Any) -> None:
        """The call returned."""
        if self._settled(result, None):
            self._engine.ended(self)
        else:
            self._settle(result, None)

    def set_exception(self, exception: BaseException | None) -> None:
        """The call raised, or could not be carried out."""
        if exception is not None:
            exception = as_standard(exception)
        if self._settled(None, exception):
            self._engine.ended(self)
        else:
            self._settle(None, exception)

    def cancel_here(self) -> bool:
        """As `cancel`, but on the pool's event loop, which must not wait for whoever has the condition."""
        condition = vars(self).get("_condition")
        if condition is not None:
            if condition.acquire(timeout=_PATIENCE_AT_THE_END):
                condition.release()
            else:
                self._renew_condition()
        return self.cancel()

    def _settle(self, result: Any, exception: BaseException | None) -> None:
        """Settles it where others may wait, have left a callback or cancelled it."""
        condition = self._seize(partial(self._settle, result, exception))
        if condition is None:
            return
        try:
            over = self._state in _DONE
            if not over:
                self._result = result
                self._exception = exception
                self._state = FINISHED
                for waiter in self._waiters:
                    tell = waiter.add_result if exception is None else waiter.add_exception
                    tell(self)
                condition.notify_all()
        finally:
            condition.release()
        if over:
            # It has just been cancelled, of which the engine is about to hear, unless a handler of signals
            # has raised before it could be told.
            self._engine.drop(self)
            return
        self._invoke_callbacks()
        self._engine.ended(self)

    def _seize(self, again: Callable[[], object]) -> Any:
        """The condition, acquired; None where another thread has it: then `again` is called after a while.

        A handler of signals that raises may do so in the middle of what the standard library does `with` a future's
        condition, in `cancel`, `wait` or `as_completed`, and that thread has it until it waits for the future, or for
        good. The event loop must not wait for it, for all other calls would, too.
        """
        condition = self._condition
        since = self._held_since
        if condition.acquire(timeout=_MOMENT) if since is None else condition.acquire(blocking=False):
            return condition
        now = monotonic()
        if since is None:
            since = self._held_since = now
        if now - since < _PATIENCE and self._engine.later(again):
            return None
        condition = self._renew_condition()
        condition.acquire()
        return condition

    def _renew_condition(self) -> Any:
        """Nobody gives the old one back."""
        made = vars(self)["_condition"] = threading.Condition()
        return made

    def _settled(self, result: Any, exception: BaseException | None) -> bool:
        """Settles it where nobody waits, has left a callback or cancelled it, for each of these makes the condition."""
        making = _making
        try:
            making.acquire()
            if "_condition" in vars(self) or self._state != PENDING:
                return False
            self._result = result
            self._exception = exception
            self._state = FINISHED
        finally:
            try:  # noqa: SIM105 - that is a call
                making.release()
            except RuntimeError:
                pass
        return True

    def tell_cancelled(self) -> bool:
        """Lets those who wait for it know that it was cancelled; returns False where they do."""
        if self._told:
            return False
        self._told = True
        self._tell_waiters()
        return True

    def _tell_waiters(self) -> None:
        condition = self._seize(self._tell_waiters)
        if condition is not None:
            try:
                self.set_running_or_notify_cancel()
            finally:
                condition.release()
