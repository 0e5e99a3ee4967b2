"""What a third party can implement: a `Strategy` that chooses workers, a `Backend` that runs them.

A backend and its channels move bytes and never decide; a strategy decides and does no I/O.

The pool hands a backend numbers (workers and sequences) and data; the backend reports facts to the
pool's `WorkerListener`. Neither side knows what the scheduler is.

A **worker id** numbers a worker within its pool and is never reused. A **sequence** numbers the
tasks sent to one worker, 1, 2, 3 ... A worker starts tasks in the order of their sequences; that
is what lets one number, the *started mark*, say after a crash which tasks had started.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from poolifier.exchange import Reply, WireTask, WorkerExit, WorkerReady, WorkerSettings
from poolifier.options import WorkerChoiceStrategyOptions

__all__ = ["Backend", "Channel", "Strategy", "StrategyPolicy", "WorkerCandidate", "WorkerListener"]


class WorkerListener(Protocol):
    """What a backend tells the pool, always on the pool's event loop."""

    def worker_ready(self, worker_id: int, ready: WorkerReady) -> None:
        """The worker can run tasks."""

    def replies(self, worker_id: int, replies: Sequence[Reply], active: float, idle: float) -> None:
        """Tasks ended or yielded. `active` and `idle` are the worker's seconds with and without work so far."""

    def worker_message(self, worker_id: int, message: Any) -> None:
        """A task function sent a message. Those of one thread of the worker come in the order they were sent."""

    def worker_logged(self, worker_id: int, attributes: dict[str, Any]) -> None:
        """A worker has logged a record, which has these attributes."""

    def task_stood(self, worker_id: int, sequence: int, frames: list[tuple[str, int, str]]) -> None:
        """The answer to `Channel.stack_of`: (file, line, function) for each call, the outermost first."""

    def function_added(self, worker_id: int, key: str, error: BaseException | None) -> None:
        """The answer to `Channel.add_function`: the worker has the function, or this is why it has not."""

    def worker_exited(self, worker_id: int, exited: WorkerExit) -> None:
        """The worker is gone; nothing more comes from it."""


class Channel(Protocol):
    """The way to one worker. Every method returns at once; nothing here raises because a worker died."""

    @property
    def pid(self) -> int | None:
        """The worker's process once known, or None."""

    @property
    def memory(self) -> int | None:
        """Bytes of memory that the worker takes, or None where that cannot be told. Costs a few system calls."""
        ...

    def send(self, tasks: Sequence[WireTask]) -> list[tuple[int, Exception]]:
        """Sends tasks, in one write. Returns those that cannot be pickled, which were not sent, with why."""
        ...

    def abort(self, sequence: int) -> None:
        """Stops that task, or drops it if it has not started. Its reply tells how it went."""

    def stack_of(self, sequence: int) -> list[tuple[str, int, str]] | None:
        """Where that task stands, which is about to be aborted for it has run too long.

        (file, line, function) for each call, the outermost first; or None where the worker has to be asked:
        `task_stood` is the answer, within a few hundredths of a second, if there is any.
        """
        ...

    def reclaim(self) -> None:
        """Asks for all that has not started (`RETURNED`), and for the replies that are held back."""

    def credit(self, sequence: int, count: int) -> None:
        """Lets that stream yield so many items more, for its reader has taken so many.

        A stream begins with the number of items in its terms. One whose credit is used up waits, without
        using the CPU, and hears of everything else meanwhile.
        """

    def flush(self) -> None:
        """Asks for replies that are held back, if there are any. Nothing else comes of it."""

    def stop(self) -> None:
        """Asks the worker to leave once it has finished what it was sent."""

    def kill(self) -> None:
        """Ends the worker now, or abandons it where workers of its kind cannot be ended: `worker_exited` follows."""

    def configure(self, settings: WorkerSettings) -> None:
        """Changes the worker's settings."""

    def add_function(self, key: str, carried: Any) -> None:
        """Gives the worker a task function, in the form that `Backend.carry_function` gave it.

        It loads it between two tasks and answers with `function_added`. Tasks that are sent after this
        find it. A key is given once, so this changes nothing for tasks that use other keys.
        """

    def remove_functions(self, keys: Sequence[str]) -> None:
        """Lets the worker forget task functions that no task uses any more. There is no answer."""


class Backend(Protocol):
    """Starts workers of one kind."""

    async def start(self, listener: WorkerListener) -> None:
        """Prepares for workers, on the running event loop."""

    def start_worker(self, worker_id: int, slot: int, settings: WorkerSettings) -> Channel:
        """Begins to start a worker; `worker_ready` or `worker_exited` follows.

        Raises:
            OSError: The system has no room for it.
        """
        ...

    def carry_function(self, name: str, function: Callable[..., Any]) -> Any:
        """The form in which a task function goes to workers of this kind; made once for all of them.

        Raises:
            SerializationError: It cannot be sent to them; names the function, and says why.
        """

    async def close(self) -> None:
        """Ends what is left of the workers, and leaves nothing behind. Safe to call twice."""


@dataclass(frozen=True, slots=True)
class StrategyPolicy:
    """What becomes of a dynamic worker that was just created because all others are busy.

    Attributes:
        dynamic_worker_usage: The task that caused it goes to it. Otherwise the task is placed like
            any other, and the new worker takes what waits once it is ready.
        dynamic_worker_ready: It can be chosen at once, so its queue may fill while it starts.
    """

    dynamic_worker_usage: bool = False
    dynamic_worker_ready: bool = False


class WorkerCandidate(Protocol):
    """A worker that a strategy may choose. Read only."""

    @property
    def id(self) -> int:
        """Never reused within a pool."""
        ...

    @property
    def slot(self) -> int:
        """Its place in the pool, `0 .. maximum size - 1`; a replacement takes over the slot."""
        ...

    @property
    def load(self) -> int:
        """Its executing and queued tasks."""
        ...

    @property
    def active(self) -> float:
        """Seconds that its runtime was not waiting for work, so far."""
        ...


class Strategy(Protocol):
    """Chooses the worker for a task. Subclass it; one object serves one set of eligible workers.

    It is told of every worker that becomes eligible or stops being so, and chooses among those. The
    two hooks at the end are called only where a subclass overrides them.

    What `choose` raises is raised by the call that submits the task; a task that was submitted before and has to
    be placed again fails with it, and so it is with a `TypeError` where it returns what it was not told of. What it
    raises when it is told something is an `error` event of the pool.
    """

    policy: StrategyPolicy = StrategyPolicy()

    def __init__(self, options: WorkerChoiceStrategyOptions) -> None:
        """Takes the pool's `worker_choice_strategy_options`."""
        return

    def worker_added(self, worker: WorkerCandidate) -> None:
        """A worker has become eligible."""
        return

    def worker_removed(self, worker: WorkerCandidate) -> None:
        """A worker is not eligible any more."""
        return

    def choose(self, now: float) -> WorkerCandidate | None:
        """The worker for the next task, or None where there is none. `now` is in monotonic seconds."""

    def load_changed(self, worker: WorkerCandidate) -> None:
        """`worker.load` went up or down by one."""
        return

    def task_ended(self, worker: WorkerCandidate, run_time: float, wait_time: float, active_time: float) -> None:
        """A task ended on a worker. All times in seconds."""
        return
