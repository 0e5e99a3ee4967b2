"""A worker's session where there are no signals: a control thread serves the pool in the middle of a task.

The control thread lives in the worker's interpreter and sleeps until it is poked (see `control`). What
in a process the signal's handler does, it does from beside the worker's thread. They never act at once:

**The window.** While the code of a plain task runs, its sequence stands in `_window`. Whoever takes it out
has the session to himself: the worker's thread for its own code, the control thread to serve the pool.
Taking is one atomic operation, so only one of them gets it. The control thread puts it back when it is
done; the worker, where it finds it gone, waits for that before it leaves the handlers around the task.

**Pokes.** The control thread sets `poked`, then tries the window. The worker opens the window, for a task or
because it has served, then looks at `poked`. So one of them serves, and no poke is lost.

**Aborts.** Only with the window in its hands does the control thread set an exception in the worker's thread
(see `interrupt`), and only once for a task: `_fired` is that task from then on. The worker closes the
window before it looks at `_fired`; where an exception was set, it clears it, unless it was delivered before.
So an exception is set only while the worker is inside the two handlers around the code of the task that
it is meant for, and none is left when it leaves them. In the middle of an import none is set, nor where a `with`
statement is being entered or left (see `interrupt`): the abort is *held*, and the control thread pokes itself until it
is not.

An exception that is delivered right after the worker has taken the window finds it closing it a second
time. It is then not in there, nor held by the control thread, which shows in `_held`: that is odd from
before the control thread tries until it has put it back, and the same number before and after only where
it did not try in between.

Without the global interpreter lock the control thread sets none. It holds the abort from the start, and has the
worker's thread visited (see `visits`) until that has set it, with the window in its hands as well. That thread also
tells where the task stands: nothing can, as long as it stays in C code.

**Aborts that go unheard.** What is raised in a finalizer or in the callback of a weak reference, which run in
the middle of anything, goes no further: Python reports it and goes on. Where that was an abort, the worker has
the control thread poked, which sets the exception anew.
"""

from __future__ import annotations

import _socket
import contextlib
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from time import sleep

from poolifier.backends import interrupt, stacks
from poolifier.backends.visits import ARE_NEEDED, Visits
from poolifier.errors import TaskAborted
from poolifier.exchange import DONE, FAILED, WorkerSettings
from poolifier.wire import codec, messages
from poolifier.wire.sockets import Socket
from poolifier.worker.ledger import ABORT, LEAVE, STARTED, Ledger
from poolifier.worker.link import Link
from poolifier.worker.missed_exit import call_missed_exit
from poolifier.worker.patience import ExceptionPatience
from poolifier.worker.registry import Registry
from poolifier.worker.session import Session
from poolifier.worker.standing import frames_of, has_limit, tell_where

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from types import FrameType
    from typing import Any, NoReturn

    from poolifier.wire.parcels import Payload
    from poolifier.wire.passing import Passing
    from poolifier.worker.streams import Stream

__all__ = ["ChannelLost", "InterpreterLink", "InterpreterSession"]


def _nothing() -> None:
    return


class ChannelLost(SystemExit):
    """The pool is gone, so the worker is to end. Of a kind that asyncio lets pass."""


class InterpreterLink(Link):
    """A `Link` whose worker is not the whole process.

    Once it is lost, nothing is written to it any more: the worker's event loop has yet to cancel its tasks, and what
    they answer would end that before all of them have cleaned up.
    """

    __slots__ = ("_lost",)

    def __init__(self, sock: Socket) -> None:
        super().__init__(sock)
        self._lost = False

    def lose(self, why: str = "") -> NoReturn:
        """Ends the worker, by an exception."""
        self._lost = True
        raise ChannelLost(why)

    def close(self) -> None:
        """Closes the channel. What finalizers log from here on has nobody to go to."""
        self._lost = True
        self._sock.close()

    def _write(self, frame: bytes | memoryview) -> None:
        if not self._lost:
            super()._write(frame)

    def hang_up(self) -> None:
        """Takes the channel for lost once all that has arrived is read: wakes a worker that waits for more."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(_socket.SHUT_RD)


class InterpreterSession(Session):
    """A `Session` that a control thread serves. The worker's thread makes it.

    Attributes:
        held: Sequence of a task whose abort waits for the end of an import, or until a `with` statement has been
            entered or left; or 0.
        patience: For the latter.
        poke_soon: Has the control thread poke, where there is one; from whatever thread.
    """

    __slots__ = (
        "_begun",
        "_current",
        "_fired",
        "_guards",
        "_held",
        "_ident",
        "_loop",
        "_running",
        "_slots",
        "_stack",
        "_unheard",
        "_visits",
        "_window",
        "held",
        "patience",
        "poke_soon",
    )

    def __init__(
        self,
        link: Link,
        ledger: Ledger,
        registry: Registry,
        settings: WorkerSettings,
        passing: Passing | None = None,
    ) -> None:
        self._current = 0
        self._window: dict[int, bool] = {}
        self._fired = 0
        self._unheard = 0
        self._held = 0
        self._begun = 0
        self._ident = threading.get_ident()
        self._stack = stacks.own_stack()
        self._visits: Visits | None = Visits(self._visited) if ARE_NEEDED else None
        self.held: int = 0
        self.patience: ExceptionPatience = ExceptionPatience()
        self.poke_soon: Callable[[], object] = _nothing
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: Iterable[int] = ()
        self._slots = ledger.slots
        self._guards = False
        super().__init__(link, ledger, registry, settings, passing)

    @property
    def current(self) -> int:
        """Sequence of the plain task whose code runs now, or 0. To set it opens or closes the window."""
        return self._current

    @current.setter
    def current(self, sequence: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        if not sequence:
            sequence = self._current
            if sequence:
                if self._window.pop(sequence, None) is None or self._fired == sequence:
                    self._settle(sequence)
                self._begun = sequence
                self._current = 0
            return
        self._current = sequence
        self._window[sequence] = True
        # The pool writes this before it reads the started mark, which was written before.
        if self._slots[LEAVE] and self._fired != sequence:
            if self._begun != sequence:
                self._slots[STARTED] = sequence - 1
            self.serve()

    def listen(self) -> None:
        """Nothing: it is the control thread that listens."""

    def use_loop(self, loop: asyncio.AbstractEventLoop, cancel: Callable[[int], None], running: Iterable[int]) -> None:
        """Tasks run in an event loop from now on, which is told from whatever thread."""
        self._loop = loop
        self._running = running
        super().use_loop(loop, partial(self._in_loop, cancel), running)

    def reply_error(self, sequence: int, error: BaseException, run_time: float, failed: int = FAILED) -> None:
        """As ever, but a worker that was told to leave says nothing of what it stops for that."""
        if self.aborted == sequence:
            call_missed_exit(error, TaskAborted)
        if self.aborted != sequence or not self._slots[LEAVE]:
            super().reply_error(sequence, error, run_time, failed)

    def reply_result(
        self, sequence: int, value: Any, run_time: float, payload: Payload | None, done: int = DONE
    ) -> None:
        """As `reply_error`."""
        if self.aborted != sequence or not self._slots[LEAVE]:
            super().reply_result(sequence, value, run_time, payload, done)

    # ---- the worker's thread ----------------------------------------------------------------------

    def serve(self, interrupted: FrameType | None = None) -> None:
        """Serves the pool in the middle of a task.

        Raises:
            TaskAborted: The pool wants this very task to stop.
        """
        sequence = self._current
        wanted = False
        while True:
            self._take_window(sequence)
            try:
                if self._attend(sequence):
                    # No variable for the frame: in its own frame that is a circle, which keeps the task's data.
                    if interrupt.is_held_back(interrupted or sys._getframe(), self.patience):
                        self._put_off(sequence)
                        self.poke_soon()
                    else:
                        # Raised here, so no other is to be set.
                        self._fired = sequence
                        wanted = True
            finally:
                self._window[sequence] = True
            # One may have come while the control thread could not take the window.
            if not self.poked:
                break
        if wanted:
            tell_where(self, self.task, frames_of(sys._getframe()))
            raise TaskAborted

    def wait_for(self, stream: Stream) -> None:
        """Serves the pool in the middle of a stream until that has credit.

        Raises:
            TaskAborted: The pool wants this very task to stop.
        """
        sequence = self._current
        while not stream.credit:
            self._take_window(sequence)
            try:
                self.flush()
                if not stream.credit:
                    self.wait()
            finally:
                self._window[sequence] = True
            self.serve()

    def say(self, payload: bytes) -> None:
        """Sends a message of a task function, which stands pickled in `payload`; from any thread.

        Raises:
            TaskAborted: The pool wanted the calling task to stop meanwhile.
        """
        frame = messages.message(messages.MESSAGE, payload)
        if threading.get_ident() != self._ident or self._guards:
            self.link.send(frame)
            return
        sequence = self._current
        if not sequence:
            # An asynchronous task, in whose thread the control thread has no say.
            self.flush()
            self.link.send(frame)
            return
        self._take_window(sequence)
        try:
            # What was yielded before the message arrives before it.
            self.flush()
            self.link.send(frame)
        finally:
            self._window[sequence] = True
        if self.poked:
            self.serve()

    def tell(self, frame: bytes) -> None:
        """Sends a frame that need not keep its order among replies; from any thread.

        An abort may be raised right before or after the one call that sends it, and never within.
        """
        self.link.send(frame)

    def unheard(self, error: type[BaseException]) -> bool:
        """Whether an error that could not be raised is an abort; the next poke then raises it anew."""
        sequence = self._current
        if error is not TaskAborted or not sequence or self._fired != sequence or threading.get_ident() != self._ident:
            return False
        self._unheard = sequence
        return True

    def _guarded(self, code: Callable[[], Any]) -> Any:
        """Calls code of the worker's own in the middle of a task's, in whatever thread dispatches."""
        sequence = self._current
        if not sequence or self._guards or threading.get_ident() != self._ident:
            # Nothing is raised in there, or whoever called this has seen to it.
            return code()
        self._take_window(sequence)
        # A finalizer that is run in there may say something, or lead back here.
        self._guards = True
        try:
            result = code()
        finally:
            self._guards = False
            self._window[sequence] = True
        if self.poked:
            self.serve()
        return result

    def _take_window(self, sequence: int) -> None:
        pop = self._window.pop
        while True:
            held = self._held
            if pop(sequence, None) is not None:
                return
            # Out, and nowhere near the control thread: this thread has it already.
            if not held % 2 and held == self._held and self._fired == sequence:
                return
            sleep(0)  # the control thread serves, which takes no time

    def _settle(self, sequence: int) -> None:
        """Returns with the window out, and no exception on its way any more."""
        self._take_window(sequence)
        if self._fired == sequence:
            interrupt.clear_exception(self._ident)
            if self._visits is not None:
                self._visits.settle()
            self.aborted = sequence
            self._unheard = 0

    def _visited(self, frame: FrameType) -> Callable[[], object] | None:
        """Sets the exception of an abort that is held, if it may be raised here."""
        sequence = self._current
        # The window may be out for code of the worker's own: the control thread has it visited again.
        if not sequence or self.held != sequence or self._window.pop(sequence, None) is None:
            return None
        try:
            if interrupt.is_held_back(frame, self.patience, visited=True):
                return None
            if has_limit(self.task):
                tell_where(self, self.task, frames_of(frame))
            self._fired = sequence
            self._unheard = 0
            self.held = 0
            return interrupt.exception_setter(self._ident, TaskAborted)
        finally:
            self._window[sequence] = True

    # ---- the control thread -----------------------------------------------------------------------

    def poke(self) -> None:
        """Serves the pool, if the code of a plain task runs; otherwise the worker will."""
        self.poked = True
        self._held += 1
        try:
            sequence = self._current
            if sequence != self.held and self.held not in self.streams:
                self.held = 0
            if sequence and self._window.pop(sequence, None) is not None:
                self._serve_beside(sequence)
        finally:
            self._held += 1

    @property
    def gets_on(self) -> bool:
        """Whether what an abort is held for will not be long."""
        return self.patience.gets_on and (self._visits is None or not self._visits.is_under_way)

    def cancel_all(self) -> None:
        """Stops what runs in the event loop, if there is one."""
        self._in_loop(self._cancel_all)

    def _serve_beside(self, sequence: int) -> None:
        visits = None
        try:
            if self._attend(sequence) and interrupt.load():
                # Where none is left, no abort is lost for that.
                if self._visits is not None and self._visits.are_left:
                    visits = self._visits
                    self._put_off(sequence)
                    return
                if has_limit(self.task) and self.held != sequence:
                    tell_where(self, self.task, frames_of(stacks.innermost(self._ident, self._stack)))
                # Before it is set, for it may be delivered, and go unheard, before this thread does anything more.
                before, self._fired = self._fired, sequence
                if interrupt.set_exception(self._ident, self._stack, TaskAborted, self.patience):
                    self.held = 0
                else:
                    self._fired = before
                    self._put_off(sequence)
        finally:
            self._window[sequence] = True
            if visits is not None:
                visits.call()

    def _put_off(self, sequence: int) -> None:
        """Leaves an abort that is due to the next poke."""
        self.held = sequence
        if self._fired == sequence:
            # It has been raised before, and went unheard.
            self._unheard = sequence

    def calm(self) -> None:
        """Leaves no exception to be delivered, for this interpreter is about to be ended with what runs in it."""
        interrupt.clear_exception(self._ident)

    # ---- whoever has the window -------------------------------------------------------------------

    def _attend(self, sequence: int) -> bool:
        """Serves the pool; returns whether that task is to be stopped."""
        self.poked: bool = False
        try:
            received = self.link.receive_now()
            if self._loop is not None:
                received = [message for message in received if not self._left_to_loop(message)]
            self.dispatch(received)
            self.flush()
        except ChannelLost:
            self._slots[LEAVE] = 1
        except Exception as error:  # noqa: BLE001 - the channel is broken, and with it the worker
            sys.stderr.write(f"poolifier: a worker lost its channel: {codec.describe(error)}\n")
            self._slots[LEAVE] = 1
        leave = bool(self._slots[LEAVE])
        if leave:
            self.inbox.clear()
            self.stopping = True
        if self._unheard == sequence:
            self._unheard = 0
        elif self._fired == sequence:
            return False
        return leave or sequence in (self.wanted, self._slots[ABORT])

    # ---- the event loop, which runs in the worker's thread ----------------------------------------

    def _left_to_loop(self, message: tuple[int, Any]) -> bool:
        """What wakes tasks of the event loop, which is not to be done from beside it."""
        if message[0] != messages.CREDIT:
            return False
        self._in_loop(self.dispatch, [message])
        return True

    def _in_loop(self, callback: Callable[..., object], *arguments: object) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # it is closed: the worker is leaving
            return

    def _cancel_all(self) -> None:
        self.inbox.clear()
        self.stopping: bool = True
        if self.cancel is not None:
            for sequence in self._running:
                self.cancel(sequence)
