"""What a worker thread and its channel share, and how a task is stopped without harm to the next one.

Both sides touch this without a lock of their own: what they share are containers whose single
operations are atomic, with the global interpreter lock and on builds without it.

**Tasks.** The channel appends to `inbox`, the worker takes from its left end. The channel takes back what
has not started (`reclaim`, an abort) by removing it from there. A task that one of them got out of the
container the other cannot get, so a task is run, dropped or handed back, and only one of these.

**Replies.** The worker appends to `outgoing`; `notified` says that the event loop has been asked to fetch them.
The loop clears `notified` before it fetches, the worker looks at it after it appended. So however many
replies there are, one wake-up is under way, and no reply is left behind.

**Aborts.** While the code of a plain task runs, its sequence stands in `window`. Whoever takes it out,
decides: the worker, that the task is over; the channel, that it is to be interrupted. For each time
that the code of a task is entered only one of them can.

- The channel got it: it sets the exception (see `interrupt`), then `fired`. The worker finds its sequence gone
  and *settles*: it waits for `fired`, so the exception has been set, and clears it, unless it was delivered
  before. Only then does it leave the handlers around the task.
- The worker got it: the channel finds nothing to interrupt, and no exception is set.
- The channel got it, and finds the task in the middle of an import, or where a `with` statement is being entered or
  left: it puts it back, and has a thread of its own try again until that has worked or the task is over.
- On a build without the global interpreter lock the channel does not touch the window: it has the worker visited (see
  `visits`), in the middle of the task's code. There the worker takes its sequence out, and sets the exception.
- The task's code takes it out itself for as long as it does what must not be interrupted (see `_tell`), and looks
  at `wanted` after it has put it back.

So an exception is set only while the worker is inside these handlers, at most one for each task, and
none is left when it leaves them. A delivery while the worker settles is caught by the outer one of two
handlers; there is none after that.

An abort that comes between two windows (before the task's code, between two items of a stream or a
chunk) is found in `wanted`: the channel adds to it before it looks into the window, the worker looks
at it after it has put its sequence into the window. One of them sees the other.

`wanted` may also hold `LEAVE`: no further code of a task is to be run.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, Final

from poolifier.backends import interrupt, stacks
from poolifier.backends.visits import ARE_NEEDED, Visits
from poolifier.error_attributes import is_a
from poolifier.errors import TaskAborted
from poolifier.exchange import ABORTED, InContext, Reply, WireTask, WorkerSettings
from poolifier.task_functions import Worker
from poolifier.worker.current_task import Found
from poolifier.worker.imports import look_until
from poolifier.worker.missed_exit import call_missed_exit
from poolifier.worker.patience import ExceptionPatience
from poolifier.worker.registry import Registry

if TYPE_CHECKING:
    import asyncio
    from types import FrameType

    from poolifier.backends.thread.streams import Stream

__all__ = ["LEAVE", "MESSAGE", "ThreadWorker"]

LEAVE: Final = 0
"""Stands in `wanted` where a sequence would, to let the worker leave."""

MESSAGE: Final = -1
"""In place of a reply's status: a message of a task function, which is the value."""


class ThreadWorker:
    """The state of one worker. The event loop's side writes what is marked so, the thread all else.

    Attributes:
        inbox: Tasks that have arrived and not started.
        outgoing: Replies and messages that the loop has not fetched.
        notified: The loop has been asked to fetch.
        spoke: There may be messages among `outgoing`, as there have been before.
        window: The sequence of the plain task whose code runs, or nothing.
        wanted: Sequences that are to stop and have not ended. (Loop.)
        fired: Sequence of the last task that an exception was set for, or that needs none any more.
        aborted: Sequence of the last plain task that was stopped.
        began: Sequence of the last task that has more than one step and has done one.
        started: Sequence of the last task that was started: the started mark.
        task: The plain task whose code runs now, or None.
        running: The tasks in the worker's event loop, by sequence.
        deadline: When its running time is over, if its terms have a limit.
        registry: The task functions. (Loop, once the worker is ready.)
        settings: What the pool wants of the worker. (Loop.)
        streams: The streams that run, by sequence.
        cut: Maps up to this sequence are to hand back what they have not started. (Loop.)
        stopping: The worker leaves once its inbox is empty. (Loop.)
        wake: Lets the worker look again, from any thread.
        cancel: Cancels a task in the worker's event loop, from any thread; None where there is none.
        ident: The thread's identifier.
        stack: What its stack is found by (see `stacks`), or 0.
        times: Seconds with and without work when replies were last sent.
        worker_id: Its number in its pool. (Loop.)
        pool_name: The name of that, where it is known. (Loop.)
    """

    __slots__ = (
        "_deciding",
        "_fetch",
        "_held",
        "_idle",
        "_loop",
        "_patience",
        "_started_at",
        "_tokens",
        "_visits",
        "aborted",
        "began",
        "cancel",
        "context",
        "cut",
        "deadline",
        "fired",
        "ident",
        "inbox",
        "notified",
        "outgoing",
        "pool_name",
        "registry",
        "running",
        "settings",
        "spoke",
        "stack",
        "started",
        "stopping",
        "streams",
        "task",
        "times",
        "wake",
        "wanted",
        "window",
        "worker_id",
    )

    registry: Registry

    def __init__(self, loop: asyncio.AbstractEventLoop, fetch: Callable[[], object], settings: WorkerSettings) -> None:
        self._loop = loop
        self._fetch = fetch
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self._started_at = perf_counter()
        self._idle = 0.0
        self._deciding: list[None] = []
        self._held = 0
        self._patience = ExceptionPatience()
        self._visits: Visits | None = None
        self.settings: WorkerSettings = settings
        self.context: Context = Context()
        self.inbox: deque[WireTask] = deque()
        self.outgoing: deque[Reply] = deque()
        self.notified: bool = False
        self.spoke: bool = False
        self.window: dict[int, bool] = {}
        self.wanted: set[int] = set()
        self.fired: int = 0
        self.aborted: int = 0
        self.began: int = 0
        self.started: int = 0
        self.task: WireTask | None = None
        self.running: dict[int, Any] = {}
        self.deadline: float | None = None
        self.streams: dict[int, Stream] = {}
        self.cut: int = 0
        self.stopping: bool = False
        self.wake: Callable[[], object] = self.wake_thread
        self.cancel: Callable[[int], object] | None = None
        self.ident: int = 0
        self.stack: int = 0
        self.times: tuple[float, float] = (0.0, 0.0)
        self.worker_id: int = 0
        self.pool_name: str | None = None

    # ---- the event loop's side --------------------------------------------------------------------

    def abort(self, sequence: int) -> bool:
        """Stops a task, or drops it; True where it was dropped, and is answered by the caller."""
        for task in self._waiting():
            if task[0] == sequence and self._take(task):
                return True
        # Before an exception can be on its way, for importing may fail.
        able = interrupt.load()
        self.wanted.add(sequence)
        if not (able and self._interrupt(sequence)) and self.cancel is not None:
            self.cancel(sequence)
        # Where it waits for a reader there is nothing to interrupt.
        self.wake()
        return False

    def take_back(self) -> list[WireTask]:
        """Takes all that has not started away from the worker."""
        taken: list[WireTask] = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self.inbox.pop())
        return taken

    def wake_thread(self) -> None:
        """Ends `rest`."""
        self._tokens.put(None)

    def _interrupt(self, sequence: int) -> bool:
        """Interrupts the code of a plain task, if it runs: now, or once it stands where it may be."""
        # Where no visit is left, no abort is lost for that.
        if self._visits is not None and self._visits.are_left:
            if sequence not in self.window:
                return False
            self._visits.call()
            self._hold_back(sequence)
            return True
        self._deciding.append(None)
        try:
            if self.window.pop(sequence, None) is None:
                return False
            done = True
            try:
                done = interrupt.set_exception(self.ident, self.stack, TaskAborted, self._patience)
            finally:
                if done:
                    self.fired = sequence
                else:
                    self.window[sequence] = True
            if not done:
                self._hold_back(sequence)
            return True
        finally:
            self._deciding.pop()

    def _hold_back(self, sequence: int) -> None:
        if self._held != sequence:
            self._held = sequence
            # Where there is no room for a thread it stays held back, and patience with the task ends as ever.
            look_until(partial(self._interrupted, sequence), self._gets_on)

    def _gets_on(self) -> bool:
        # While a visit has not been made, it is not known.
        return self._patience.gets_on and (self._visits is None or not self._visits.is_under_way)

    def _interrupted(self, sequence: int) -> bool:
        """Tries again, unless the task's code is over; whether that was it. In a thread of its own."""
        task = self.task
        if task is not None and task[0] == sequence and self.fired != sequence:
            self._interrupt(sequence)
            return self.fired == sequence
        return True

    def _visited(self, frame: FrameType) -> Callable[[], object] | None:
        """Interrupts the task that runs, if it is to stop and stands where it may be. In the worker's own thread."""
        sequence = next(iter(self.window), 0)
        # (`wanted` may have `LEAVE`, which is 0.)
        if not sequence or sequence not in self.wanted:
            return None
        if interrupt.is_held_back(frame, self._patience, visited=True):
            return None
        del self.window[sequence]
        self.fired = sequence
        return interrupt.exception_setter(self.ident, TaskAborted)

    def _waiting(self) -> list[WireTask]:
        while True:
            try:
                return list(self.inbox)
            except RuntimeError:  # the worker took one meanwhile
                continue

    def _take(self, task: WireTask) -> bool:
        while True:
            try:
                self.inbox.remove(task)
            except ValueError:  # it has been started
                return False
            except IndexError:  # the worker took another one meanwhile
                continue
            return True

    # ---- the worker's side ------------------------------------------------------------------------

    def look(self, sequence: int) -> None:
        """Called in the window where something is wanted.

        Raises:
            TaskAborted: It is this task.
        """
        leave = LEAVE in self.wanted
        if not leave and sequence not in self.wanted:
            return
        if leave and self.began != sequence:
            self.started = sequence - 1
        if self._take_window(sequence):
            # The channel comes too late to set an exception, so none is waited for.
            self.fired = sequence
        raise TaskAborted

    def settle(self, sequence: int) -> None:
        """Called where the window was found empty: returns when no exception is on its way any more."""
        if not self._take_window(sequence):
            interrupt.clear_exception(self.ident)
            if self._visits is not None:
                self._visits.settle()
            self.aborted = sequence

    def _take_window(self, sequence: int) -> bool:
        """Returns with the window out: false where an exception was set, and true where none will be."""
        while self.window.pop(sequence, None) is None:
            if self.fired == sequence:
                return False
            sleep(0)  # the other side is between two of its statements
        return True

    def reply(self, reply: Reply) -> None:
        """Books a reply; the loop sees it when it next fetches."""
        self.outgoing.append(reply)

    def reply_end(self, sequence: int, status: int, value: Any, run_time: float) -> None:
        """Books the end of a task, which is `ABORTED` where it was stopped, whatever came of it."""
        if self.aborted == sequence:
            # The result may be anything, also what `isinstance` must not be asked about.
            if is_a(value, BaseException):
                call_missed_exit(value, TaskAborted)
            # Zero would say that it had not started.
            self.outgoing.append((sequence, ABORTED, None, max(run_time, 1e-9)))
        else:
            self.outgoing.append((sequence, status, value, run_time))

    def flush(self) -> None:
        """Sees to it that the loop fetches what there is. One wake-up for all of it."""
        if not self.outgoing:
            return
        self.times = (perf_counter() - self._started_at - self._idle, self._idle)
        if not self.notified:
            self.notified = True
            self.call_loop(self._fetch)

    def call_loop(self, callback: Callable[..., object], *arguments: object) -> None:
        """Calls back on the pool's event loop. Where that is closed, the worker has nobody left to work for."""
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            self.stopping = True
            self.wanted.add(LEAVE)

    def hold(self, declared: Worker) -> Registry:
        """The task functions, in the form in which this worker runs them."""
        return Registry(declared)

    def rest(self) -> None:
        """Waits until woken."""
        if stacks.shared and not self.stack:
            self.stack = stacks.own_stack()
        began = perf_counter()
        self._tokens.get()
        self._idle += perf_counter() - began

    def rested(self, seconds: float) -> None:
        """Counts time that was spent waiting elsewhere."""
        self._idle += seconds

    def unpack(self, task: WireTask) -> tuple[Context, Any]:
        """A task's data, and the context to run it in, which nobody else has."""
        data = task[2]
        if type(data) is not InContext:
            return self.context.copy(), data
        if len(task) > 4 and task[4][0] > 1:
            # The worker that ran it before may be in that context still.
            return data.context.copy(), data.data
        return data.context, data.data

    # ---- for the code of tasks --------------------------------------------------------------------

    def find(self) -> Found | None:
        """What `current_task` tells in this thread."""
        task = self.task
        if task is None:
            return None
        sequence = task[0]
        return task, self.deadline, lambda: sequence in self.wanted

    def say(self, message: Any) -> None:
        """Sends a message of a task function, from any thread."""
        self.spoke = True
        self._tell((0, MESSAGE, message, 0.0))

    def _tell(self, word: Reply) -> None:
        """Sends a word, from whatever thread: were a task interrupted in here, no reply might ever be fetched again.

        Raises:
            TaskAborted: The calling task was to stop meanwhile.
        """
        sequence = self._shut()
        try:
            self.outgoing.append(word)
            self.flush()
        finally:
            if sequence:
                self.window[sequence] = True
        if sequence and sequence in self.wanted and self.window.pop(sequence, None) is not None:
            frame = sys._getframe()
            if interrupt.is_held_back(frame, self._patience):
                self.window[sequence] = True
                self._hold_back(sequence)
            else:
                self.fired = sequence
                raise TaskAborted

    def _shut(self) -> int:
        """Takes the window out for the code that calls, and returns its sequence; 0 where there is none."""
        task = self.task
        if task is None or threading.get_ident() != self.ident:
            return 0
        while self.window.pop(task[0], None) is None:
            if not self._deciding:
                # This is no code that can be interrupted, or that has been.
                return 0
            sleep(0)  # what was decided is delivered here
        return task[0]

    def enter(self) -> None:
        """The calling thread is the worker's from now on."""
        self.ident = threading.get_ident()
        self.stack = stacks.own_stack()
        if ARE_NEEDED:
            self._visits = Visits(self._visited)
        self._started_at = perf_counter()
        self._idle = 0.0

    def leave(self) -> None:
        """The calling thread is about to end."""
        self.stack = 0
        if self._visits is not None:
            self._visits.close()
