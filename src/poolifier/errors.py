"""Every exception the library raises of its own accord.

```
PoolifierError
├── PoolNotStartedError         submitted before start(), or once the pool is left or destroyed
├── PoolFailedError             no worker can be started; __cause__ says why
├── UnknownTaskFunctionError    no task function of that name (also a LookupError)
├── TaskAborted                 raised inside a task function that is being aborted
├── TaskTimeoutError            the task ran longer than it may (also a TimeoutError)
├── WorkerError
│   ├── WorkerStartError        a worker ended before it was ready
│   └── WorkerCrashedError      a worker ended while it ran the task
│       └── PoisonTaskError     the task ended every worker it was tried on
├── RemoteError                 an error of the task function that cannot be pickled
├── SerializationError          data or a result that cannot be pickled (also a TypeError)
└── UnsupportedError            this kind of pool, or this platform, cannot do that
```

A wrong argument is none of these: it raises `TypeError` or `ValueError` in the call that got it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poolifier.suggestions import did_you_mean

__all__ = [
    "PoisonTaskError",
    "PoolFailedError",
    "PoolNotStartedError",
    "PoolifierError",
    "RemoteError",
    "SerializationError",
    "TaskAborted",
    "TaskTimeoutError",
    "UnknownTaskFunctionError",
    "UnsupportedError",
    "WorkerCrashedError",
    "WorkerError",
    "WorkerStartError",
]


class PoolifierError(Exception):
    """The root of every exception in this module."""


class PoolNotStartedError(PoolifierError):
    """A task was submitted before `start()`, while `async with` is being left, or after `destroy()`."""


class PoolFailedError(PoolifierError):
    """No worker is ready that may run the task, and none can be started; `__cause__` is the error of the last one.

    A task gets it in its future. Starts are tried again, every 30 seconds at the latest, so what is submitted later
    may run. See `restart_limit`.
    """


class UnknownTaskFunctionError(PoolifierError, LookupError):
    """No task function has that name, or the function that was given in place of a name is not the pool's.

    Attributes:
        name: The name that was asked for, or that of the function that was given.
        known: The names that exist.
        function: What was given in place of a name, as text; empty where it was a name.
    """

    def __init__(self, name: str, known: Iterable[str] = (), function: str = "") -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        self.function = function
        super().__init__(name, self.known, function)

    def __str__(self) -> str:
        known = ", ".join(repr(name) for name in self.known) or "none"
        near = "" if self.function else did_you_mean(self.name, self.known)
        unknown = f"unknown task function {self.function or repr(self.name)}{near}; known: {known}"
        if self.function and self.name in self.known:
            return f"{unknown}, which is another function of that name: add_task_function puts this one in its place"
        return unknown


class TaskAborted(PoolifierError):  # noqa: N818 - named as in asyncio.CancelledError's spirit: a request, not a fault
    """Raised inside a running task function that its caller no longer wants.

    Let it pass, or clean up and let it pass: a function that goes on is killed with its worker
    after `abort_grace` seconds where the kind of worker allows it.
    """


class TaskTimeoutError(PoolifierError, TimeoutError):
    """The task ran longer than its `timeout`.

    Attributes:
        task_id: The task's number; never reused within a pool.
        task_name: The name of its task function.
        pool_name: The name of its pool.
        stack: Where the task stood when its time was up, as text, the innermost call last; empty where that could not
            be told. A traceback shows it as a note.
    """

    task_id: int | None = None
    task_name: str | None = None
    pool_name: str | None = None
    stack: str = ""


class WorkerError(PoolifierError):
    """Something happened to a worker, rather than in a task function.

    Attributes:
        worker_id: The worker's number; never reused within a pool.
        exit_code: The exit code, or None where a signal ended it or it is not known.
        signal: The name of the signal that ended it (`"SIGKILL"`), or None.
        stderr: The last lines that it wrote to standard error.
        pid: Its process, or None where it had none of its own.
        reason: `"out of memory"` where the kernel killed it for want of memory, otherwise None.
        pool_name: The name of its pool, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        worker_id: int | None = None,
        exit_code: int | None = None,
        signal: str | None = None,
        stderr: str = "",
        pid: int | None = None,
        reason: str | None = None,
        pool_name: str | None = None,
    ) -> None:
        super().__init__(message)
        self.worker_id = worker_id
        self.exit_code = exit_code
        self.signal = signal
        self.stderr = stderr
        self.pid = pid
        self.reason = reason
        self.pool_name = pool_name

    def __str__(self) -> str:
        message = str(super().__str__())
        if not self.stderr:
            return message
        return f"{message}\nthe last lines of its standard error:\n{self.stderr}"

    def __reduce__(self) -> tuple[object, ...]:
        # The keyword-only arguments live in __dict__, so rebuilding needs the message alone.
        return (_rebuild, (type(self), self.args), self.__dict__)


def _rebuild(cls: type[WorkerError], args: tuple[object, ...]) -> WorkerError:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


class WorkerStartError(WorkerError):
    """A worker ended, or could not be made, before it was ready."""


class WorkerCrashedError(WorkerError):
    """A worker died while it ran this task: killed, out of memory, a segmentation fault, `os._exit`.

    Attributes:
        task_id: The task's number; never reused within a pool.
        task_name: The name of its task function.
    """

    def __init__(
        self,
        message: str,
        *,
        task_id: int | None = None,
        task_name: str | None = None,
        worker_id: int | None = None,
        exit_code: int | None = None,
        signal: str | None = None,
        stderr: str = "",
        pid: int | None = None,
        reason: str | None = None,
        pool_name: str | None = None,
    ) -> None:
        super().__init__(
            message,
            worker_id=worker_id,
            exit_code=exit_code,
            signal=signal,
            stderr=stderr,
            pid=pid,
            reason=reason,
            pool_name=pool_name,
        )
        self.task_id = task_id
        self.task_name = task_name


class PoisonTaskError(WorkerCrashedError):
    """Every worker that ran the task died, as often as `retries` allowed.

    Attributes:
        history: One `WorkerCrashedError` per attempt, oldest first.
    """

    history: tuple[WorkerCrashedError, ...]

    @classmethod
    def from_history(cls, history: Sequence[WorkerCrashedError]) -> PoisonTaskError:
        """Sums up crashes of one task; the attributes are those of the last one."""
        last = history[-1]
        error = cls(
            f"task {last.task_id} ({last.task_name!r}) ended {len(history)} workers one after another; "
            f"the last: {last.args[0]}",
            task_id=last.task_id,
            task_name=last.task_name,
            worker_id=last.worker_id,
            exit_code=last.exit_code,
            signal=last.signal,
            stderr=last.stderr,
            pid=last.pid,
            reason=last.reason,
            pool_name=last.pool_name,
        )
        error.history = tuple(history)
        return error


class RemoteError(PoolifierError):
    """A task function raised something that cannot be pickled, so this stands for it.

    Attributes:
        type_name: The full name of the original type, such as `"package.module.Broken"`.
        message: `str()` of the original, or, where that raises, its arguments.
        traceback: The original's traceback as text.
        arguments: `repr()` of the original's `args`; empty where they are not known.
    """

    def __init__(self, type_name: str, message: str, traceback: str = "", arguments: str = "") -> None:
        super().__init__(type_name, message, traceback, arguments)
        self.type_name = type_name
        self.message = message
        self.traceback = traceback
        self.arguments = arguments

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}"


class SerializationError(PoolifierError, TypeError):
    """A task's data or result cannot be pickled or unpickled. The message names what, why, and the task.

    Attributes:
        task_id: The task's number, or None where it is about no task; never reused within a pool.
        task_name: The name of its task function, or None.
    """

    task_id: int | None = None
    task_name: str | None = None

    def __str__(self) -> str:
        message = str(super().__str__())
        return message if self.task_id is None else f"{message} (task {self.task_id}, {self.task_name!r})"


class UnsupportedError(PoolifierError):
    """This kind of pool, this platform or this Python cannot do that."""
