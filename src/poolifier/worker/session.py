"""What a worker knows while it runs, and how it serves its pool between and during tasks.

The pool speaks through the channel, which a worker reads when it has nothing to do. When the pool
cannot wait it also sends a signal, the *poke*. Rules that make a poke safe at any moment:

- Python runs the handler between two bytecodes of the main thread. `current` is the sequence of the
  task whose code runs there, or 0 in the worker's own code. In a task's code the handler serves the
  pool at once; in the worker's own it only sets `poked`, which is looked at right after `current`
  is set for the next task. So no poke is lost, and the worker's own code is never interrupted.
- The handler raises `TaskAborted` only in the task that the abort names, and only once: `aborted`
  is set before it raises. `current` is not 0 only inside the `try` that books what is raised on that
  task, so an abort never reaches another task.
- A poke that arrives while another is served makes that one go round again.
- In the middle of an import nothing is raised, nor where a `with` statement is being entered or left (see `due_abort`).
  The worker then pokes itself, until the abort is raised or the task's code is over; what runs of the task after that
  looks at `poked`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from _thread import interrupt_main
from collections import deque
from collections.abc import Callable
from time import perf_counter

from poolifier.errors import TaskAborted
from poolifier.exchange import ABORTED, DONE, FAILED, RETURNED, WorkerSettings
from poolifier.wire import codec, messages
from poolifier.wire.flat import separate
from poolifier.wire.messages import WireReply
from poolifier.wire.parcels import Packer, Payload, Unpacker
from poolifier.wire.passing import Passing
from poolifier.wire.remote_errors import encode_error
from poolifier.wire.segments import giving_back
from poolifier.wire.shared_buffer import closing
from poolifier.worker.due_abort import DueAbort
from poolifier.worker.imports import shelter
from poolifier.worker.ledger import ABORT, Ledger
from poolifier.worker.link import Link
from poolifier.worker.outbox import Outbox
from poolifier.worker.registry import Registry
from poolifier.worker.standing import frames_of, tell_where

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable
    from types import FrameType
    from typing import Any, Final

    from poolifier.worker.streams import Stream

__all__ = ["POKE", "Session"]

POKE: Final[signal.Signals] = getattr(signal, "SIGURG", signal.SIGTERM)
"""The poke. A worker that has no handler for it yet ignores it, as any process does by default.
(Where it does not exist there are no process workers, but this module is still imported.)"""

_POKES: Final = (POKE,)

_SPARE_DEPTH: Final = 200

# They run where memory dies, and an abort that is raised there goes no further.
for _finalizer in (giving_back, closing):
    shelter(_finalizer.__code__)


class Session:
    """The state that the runtimes, the signal handler and `current_task` share.

    Attributes:
        inbox: Tasks that have arrived and not started, in order, behind task functions that have yet to
            be loaded (see `additions`).
        current: Sequence of the plain task whose code runs now, or 0.
        task: That task as it came.
        deadline: When its running time is over, if its terms have a limit.
        streams: The streams that run, by sequence.
        wanted: Sequence of the last plain task that a message asked to abort while it ran.
        aborted: Sequence of the last task that `TaskAborted` was raised in.
        poked: A poke has arrived and has not been served.
        forked: This is a child that a task's code forked off; it must not act as the worker (see `leave_fork`).
        stopping: The worker leaves once its inbox is empty.
        started_at: When the worker began to count its time.
        idle: Seconds it has waited for work.
        cut: The pool wants back what has not started, so a map ends with the item that runs now.
        cancel: Aborts a task that runs in an event loop, where there is one.
        packer: What sends large results through shared memory.
    """

    __slots__ = (
        "_due",
        "_listens",
        "_raised_limit",
        "_serving",
        "_unpacker",
        "aborted",
        "cancel",
        "current",
        "cut",
        "deadline",
        "forked",
        "idle",
        "inbox",
        "ledger",
        "link",
        "outbox",
        "packer",
        "poked",
        "registry",
        "settings",
        "started_at",
        "stopping",
        "streams",
        "task",
        "wanted",
    )

    def __init__(
        self,
        link: Link,
        ledger: Ledger,
        registry: Registry,
        settings: WorkerSettings,
        passing: Passing | None = None,
    ) -> None:
        self.link: Link = link
        self.ledger: Ledger = ledger
        self.registry: Registry = registry
        self.settings: WorkerSettings = settings
        self.outbox: Outbox = Outbox(ledger)
        self.inbox: deque[tuple[Any, ...]] = deque()
        self.current: int = 0
        self.task: tuple[Any, ...] = ()
        self.deadline: float | None = None
        self.streams: dict[int, Stream] = {}
        self.wanted: int = 0
        self.aborted: int = 0
        self.poked: bool = False
        self.cut: bool = False
        self.forked: bool = False
        self.stopping: bool = False
        self.started_at: float = perf_counter()
        self.idle: float = 0.0
        self.cancel: Callable[[int], None] | None = None
        self._due = DueAbort(POKE, self._is_over)
        self._listens = False
        self._serving = False
        self._raised_limit = 0
        self._unpacker = None if passing is None else Unpacker(passing)
        self.packer: Packer = Packer(None if passing is None else passing.give, self._guarded)

    def listen(self) -> None:
        """Installs the handler of the poke, and what keeps forked children from acting as the worker."""
        self._listens = True
        signal.signal(POKE, self._on_poke)
        os.register_at_fork(after_in_child=self._on_fork)

    def stay_awake(self) -> None:
        """Hears pokes again where a task has left their signal blocked, ignored or with a handler of its own.

        Called before the worker waits, when nobody waits for it.
        """
        if not self._listens:
            return
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _POKES)
        if signal.getsignal(POKE) != self._on_poke:
            signal.signal(POKE, self._on_poke)

    def use_loop(
        self,
        loop: asyncio.AbstractEventLoop,  # noqa: ARG002
        cancel: Callable[[int], None],
        running: Iterable[int],  # noqa: ARG002
    ) -> None:
        """Tasks run in an event loop from now on: how to abort one there, and which there are."""
        self.cancel = cancel

    def dispatch(self, received: list[tuple[int, Any]]) -> None:
        """Acts on messages from the pool."""
        for opcode, body in received:
            if opcode == messages.TASKS:
                self.inbox.extend(separate(body))
            elif opcode == messages.CREDIT:
                sequence, count = body
                stream = self.streams.get(sequence)
                if stream is not None:
                    stream.grant(count)
            elif opcode == messages.ABORT:
                self._drop(body)
            elif opcode == messages.RECLAIM:
                self._hand_back()
            elif opcode == messages.STOP:
                self.stopping = True
            elif opcode == messages.CONFIGURE:
                self.settings = body
            elif opcode == messages.ADD_FUNCTION:
                self.inbox.appendleft((0, "", body))
            elif opcode == messages.REMOVE_FUNCTIONS:
                self._forget(body)
            elif opcode == messages.PARCELS and self._unpacker is not None:
                bound = self._unpacker.bind_tasks(separate(body))
                if self._unpacker.lost:
                    # A task has used them up. What was sent here and has not started runs elsewhere.
                    self.link.lose("this worker has no descriptor left for large data")
                self.inbox.extend(bound)
            elif opcode == messages.TRIM and self._unpacker is not None:
                self._unpacker.cool()
                self.packer.trim(sys.maxsize)
            elif opcode == messages.GIVE_AGAIN:
                self._guarded(self.packer.give_again)

    def serve(self, interrupted: FrameType | None = None) -> None:
        """Serves the pool in the middle of a task, which was interrupted in that frame if it has not called this.

        Raises:
            TaskAborted: The pool wants this very task to stop.
        """
        limit = sys.getrecursionlimit()
        if limit == self._raised_limit:
            limit -= _SPARE_DEPTH
        # The task may be at the edge of its stack, and must not lose messages for that.
        self._raised_limit = limit + _SPARE_DEPTH
        sys.setrecursionlimit(self._raised_limit)
        raises = False
        try:
            while True:
                self._serving = True
                self.poked = False
                self.dispatch(self.link.receive_now())
                self.flush()
                self._serving = False
                if not self.poked:
                    break
            raises = self._is_to_raise(interrupted or sys._getframe())
        except Exception as error:  # noqa: BLE001 - the channel is broken, and with it the worker
            self._serving = False
            self.link.lose(codec.describe(error))
        finally:
            # Refused where the task is too deep; the next poke will see to it.
            with contextlib.suppress(RecursionError):
                sys.setrecursionlimit(limit)
        if raises:
            self.aborted = self.current
            # No poke may come between two parts of a frame.
            self._serving = True
            try:
                tell_where(self, self.task, frames_of(interrupted or sys._getframe()))
            finally:
                self._serving = False
            raise TaskAborted

    def wait_for(self, stream: Stream) -> None:
        """Serves the pool in the middle of a stream until that has credit.

        Raises:
            TaskAborted: The pool wants this very task to stop.
        """
        while not stream.credit:
            # A poke is left to the `serve` below: were its message read while this waits for one, it
            # would wait in vain.
            self._serving = True
            self.flush()
            if not stream.credit:
                self.wait()
            self._serving = False
            self.serve()

    def wait(self) -> None:
        """Waits for a message, and counts that as idle time."""
        began = perf_counter()
        self.link.wait()
        self.idle += perf_counter() - began

    def say(self, payload: bytes) -> None:
        """Sends a message of a task function, which stands pickled in `payload`; from any thread.

        Raises:
            TaskAborted: The pool wanted the calling task to stop meanwhile.
        """
        frame = messages.message(messages.MESSAGE, payload)
        if threading.current_thread() is not threading.main_thread() or self._serving:
            self.link.send(frame)
            return
        # No poke may come between two parts of a frame.
        self._serving = True
        try:
            # What was yielded before the message arrives before it.
            self.flush()
            self.link.send(frame)
        finally:
            self._serving = False
        if self.current and self.poked:
            self.serve()

    def tell(self, frame: bytes) -> None:
        """Sends a frame that need not keep its order among replies; from any thread.

        Raises:
            TaskAborted: The pool wanted the calling task to stop meanwhile.
        """
        if threading.current_thread() is threading.main_thread():
            # No poke may come between two parts of a frame.
            self._guarded(lambda: self.link.send(frame))
        else:
            self.link.send(frame)

    def pack(self, value: Any) -> Payload | None:
        """Makes a result or an item ready to be sent, or returns None where it is to be sent as it is.

        The task's code, for pickling may run some of it.

        Raises:
            BaseException: Whatever a part of the value raised when it was pickled.
            TaskAborted: The pool wanted the task to stop meanwhile.
        """
        if self.forked:
            # It is not this process that answers, and what it shares with the pool is not its own.
            return b""
        if self._unpacker is None and type(value) in codec.SIZED:
            # The message is where it has to go anyway.
            return None
        payload = self.packer.pack(value)
        if type(payload) is tuple:
            self.packer.copy()
        return payload

    def reply(self, reply: WireReply) -> None:
        """Puts a reply in the outbox, or sends it by itself if it is large."""
        if self.outbox.add(reply):
            return
        self.flush()
        if not self.outbox.add(reply):
            self.link.send(messages.message(messages.BULK, (self.outbox.skip(), *self.times(), [reply])))

    def reply_error(self, sequence: int, error: BaseException, run_time: float, failed: int = FAILED) -> None:
        """Replies that a task failed, or that it was aborted if that is why."""
        self.packer.roll_back()
        if self.aborted == sequence:
            self.reply((sequence, ABORTED, None, run_time))
        else:
            self.reply((sequence, failed, None, run_time, encode_error(error)))

    def reply_result(
        self, sequence: int, value: Any, run_time: float, payload: Payload | None, done: int = DONE
    ) -> None:
        """Replies with a result, which is in `payload` if there is one."""
        if self.aborted == sequence:
            self.packer.roll_back()
            self.reply((sequence, ABORTED, None, run_time))
        elif payload is None:
            self.reply((sequence, done, value, run_time))
        else:
            self.packer.commit()
            self.reply((sequence, done, None, run_time, payload))

    def flush(self) -> None:
        """Sends the replies that are held back."""
        outbox = self.outbox
        if outbox.run.open:
            outbox.end_run()
        if outbox.count:
            self.link.send(outbox.seal(*self.times()))
            outbox.clear()

    def let_go(self) -> None:
        """Closes the memory that large data has gone through, at the worker's end; what looks at it keeps it."""
        self.packer.close()
        if self._unpacker is not None:
            self._unpacker.close()

    def times(self) -> tuple[float, float]:
        """Seconds with and without work so far."""
        return perf_counter() - self.started_at - self.idle, self.idle

    def _guarded(self, code: Callable[[], Any]) -> Any:
        """Calls code of the worker's own in the middle of a task's."""
        serving = self._serving
        self._serving = True
        try:
            result = code()
        finally:
            self._serving = serving
        if self.current and self.poked and not serving:
            self.serve()
        return result

    def _is_to_raise(self, frame: FrameType) -> bool:
        """Whether the task whose code stands in that frame is to be stopped, and can be there."""
        current = self.current
        if not current or current == self.aborted or current not in (self.wanted, self.ledger.slots[ABORT]):
            self._due.steps = False
            return False
        if self._due.can_raise(current, frame):
            return True
        self.poked = True
        return False

    def _is_over(self, sequence: int) -> bool:
        """Whether there is nothing left to raise for that task. From any thread."""
        return self.aborted == sequence or (self.current != sequence and sequence not in self.streams)

    def _drop(self, sequence: int) -> None:
        if sequence == self.current:
            # Raised at the end of `serve`, which is what is dispatching this.
            self.wanted = sequence
            return
        for task in self.inbox:
            if task[0] == sequence:
                self.inbox.remove(task)
                self.reply((sequence, ABORTED, None, 0.0))
                return
        if self.cancel is not None:
            self.cancel(sequence)

    def _hand_back(self) -> None:
        self.cut = True
        inbox = self.inbox
        additions = []
        while inbox:
            task = inbox.popleft()
            if task[0]:
                self.reply((task[0], RETURNED, None, 0.0))
            else:
                additions.append(task)
        inbox.extend(additions)

    def _forget(self, keys: list[str]) -> None:
        for task in [task for task in self.inbox if not task[0] and task[2][0] in keys]:
            self.inbox.remove(task)
        for key in keys:
            self.registry.remove(key)

    def _on_poke(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.poked = True
        if self.current and not self._serving:
            self.serve(frame)
            if self._due.steps:
                # By what is no call: at the end of one Python would run this handler, in here.
                _ = [*map(interrupt_main, _POKES)]

    def _on_fork(self) -> None:
        self.forked = True
        # Takes the way past the task that checks for the unusual.
        self.aborted = self.current
        self.outbox.run.open = False
        self.current = 0
