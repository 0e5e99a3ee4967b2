"""What a pool and its workers exchange, whatever their kind: tasks, replies, settings, and how a worker ended.

Imported by every worker process, so it imports nothing heavy: not even `typing`.
"""

from __future__ import annotations

from poolifier.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Context
    from typing import Any, Final, TypeAlias

    from poolifier.origins import Origin
    from poolifier.task_functions import KillBehavior, TaskFunctionProperties

__all__ = [
    "ABORTED",
    "BAD_ITEM",
    "DONE",
    "EXHAUSTED",
    "FAILED",
    "ITEM",
    "KEY_MARK",
    "MAPPED",
    "MAPPED_RUN",
    "MAP_FAILED",
    "RETURNED",
    "InContext",
    "Items",
    "Program",
    "Reply",
    "WireTask",
    "WireTerms",
    "WorkerExit",
    "WorkerReady",
    "WorkerSettings",
]

KEY_MARK: Final = "\0"
"""Stands in the *key* of a task function that was added at run time, between its name and a number
that no other has. So a worker can hold several functions of one name, and tasks that were submitted
for one of them never get another. The key of every other function is its name."""

WireTerms: TypeAlias = "tuple[int, float | None, int]"
"""(attempt, seconds that the task may run or None, items that its stream may be ahead or 0 for no stream).

The first attempt is 1. The seconds count from the start of the task; they are for `current_task` to
tell, it is the pool that enforces them."""

WireTask: TypeAlias = "tuple[int, str, Any, int] | tuple[int, str, Any, int, WireTerms]"
"""A task on its way to a worker: (sequence, key of the task function or `"default"`, data, the pool's task id),
and its terms if they are other than `(1, None, 0)`."""

Reply: TypeAlias = "tuple[int, int, Any, float]"
"""What became of a task: (sequence, one of the following, result, item or error, run time in seconds).

All but `ITEM` and those after it are its end. A stream answers with any number of `ITEM`, in the order in
which they were yielded, and then with `EXHAUSTED`, `FAILED` or `ABORTED`."""

DONE: Final = 0
"""The function returned; the value is its result."""
FAILED: Final = 1
"""The function raised, or its data or result could not be carried; the value is the error to raise."""
ABORTED: Final = 2
"""The task was aborted; run time 0.0 where it had not started. The value is None."""
RETURNED: Final = 3
"""The worker hands the task back unstarted, as `Channel.reclaim` asked. The value is None."""
EXHAUSTED: Final = 4
"""A stream has yielded all that it will. The value is None."""
ITEM: Final = 5
"""A stream yielded; the value is the item. The task goes on. Run time 0.0."""
BAD_ITEM: Final = 6
"""A stream yielded what cannot be read here; the value is the error to raise. The task goes on. Run time 0.0."""
MAPPED: Final = 7
"""An item of `Items` other than the last has a result, which is the value. The task goes on."""
MAP_FAILED: Final = 8
"""An item of `Items` other than the last has failed; the value is the error. The task goes on."""
MAPPED_RUN: Final = 9
"""Items of `Items` that follow each other, the last not among them, have results: as many `MAPPED` in one. The value
is (results, counts, means), the run time that of all. What was timed together stands there as a group: how many items
it had, and the mean of their run times. The task goes on."""


class Items(list["Any"]):
    """Data that stands for many: the function is to run on each item, in order.

    Every item is answered: all but the last with `MAPPED`, `MAPPED_RUN` or `MAP_FAILED`, the last as any task. A
    worker that is asked to hand back may do so in between: `RETURNED` then stands for the items that are left.
    """

    __slots__ = ()


class InContext:
    """Data with the context of its caller, in which the task is to run. Only for workers in this process.

    Data without one is to run in an empty context.

    Attributes:
        context: A context that nothing else runs in.
        data: The data, `Items` included.
    """

    __slots__ = ("context", "data")

    def __init__(self, context: Context, data: Any) -> None:
        self.context: Context = context
        self.data: Any = data


class Program(Record):
    """The pool's process, as `multiprocessing` wants its children to know their parent.

    Attributes:
        pid: Its process.
        name: What it is called there, such as `"MainProcess"`.
        authkey: The key that its managers and listeners ask for. A secret.
        start_method: The start method that it has set for `multiprocessing`, or None where it has set none.
    """

    pid: int
    name: str
    authkey: bytes
    start_method: str | None

    def __repr__(self) -> str:
        # Settings are shown in errors and logs, where a secret has no place.
        return f"Program(pid={self.pid}, name={self.name!r})"


class WorkerSettings(Record):
    """What a worker is told when it starts, and again when it changes.

    Attributes:
        concurrency: Tasks that it may run at once.
        functions: Task functions that were added at run time, each with its key and in the form that
            `Backend.carry_function` gave it. It has them before it is ready. Of no account later on.
        log_levels: The levels of the pool's loggers, by name; the root's is that of `""`. Of no account later on.
        log_disabled: The level up to which logging is disabled in the pool. Of no account later on.
        program: What `multiprocessing` in the worker is told of the pool's process, where that is not the worker's.
            Of no account later on.
    """

    concurrency: int = 1
    functions: tuple[tuple[str, Any], ...] = ()
    log_levels: tuple[tuple[str, int], ...] = ()
    log_disabled: int = 0
    program: Program | None = None

    def of(self, program: Program) -> WorkerSettings:
        """The same settings, for a worker of this program."""
        return WorkerSettings(self.concurrency, self.functions, self.log_levels, self.log_disabled, program)


class WorkerReady(Record):
    """What a worker says once it can run tasks.

    Attributes:
        functions: Its task functions, the default one first.
        max_inactive_time: Seconds without work after which it may retire, if dynamic.
        kill_behavior: Whether it may also be retired while a task runs.
        pid: Its process, or None where it has none of its own.
        origins: Where each of its functions is defined, as far as that can be told; empty where the pool has them
            as objects itself.
    """

    functions: tuple[TaskFunctionProperties, ...]
    max_inactive_time: float
    kill_behavior: KillBehavior
    pid: int | None = None
    origins: tuple[Origin | None, ...] = ()


class WorkerExit(Record):
    """How a worker ended, reported once, after its last reply.

    Attributes:
        exit_code: The exit code, or None where a signal ended it or it is not known.
        signal: The signal's name, such as `"SIGKILL"`, or None.
        stderr: The last lines of its standard error.
        started: The started mark: tasks of a higher sequence never started.
        error: What kept it from getting ready (the worker module's own error), or None.
        loading: It was loading a task function that `Channel.add_function` had given it.
        abandoned: It may still be there, for it could not be stopped; it is of no use any more.
        reason: How it ended, as the end of a sentence that begins with the worker, where neither exit code nor
            signal say it.
        certain: Of a task that stands for many items, all that came before the first that was not answered
            have ended, and none after it has started. False where any of them may have run.
        pid: Its process, or None where it had none of its own, or never got one.
        out_of_memory: It was killed for want of memory.
    """

    exit_code: int | None = None
    signal: str | None = None
    stderr: str = ""
    started: int = 0
    error: BaseException | None = None
    loading: bool = False
    abandoned: bool = False
    reason: str = ""
    certain: bool = True
    pid: int | None = None
    out_of_memory: bool = False
