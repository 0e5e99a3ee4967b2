"""Words for how a worker ended."""

from __future__ import annotations

from typing import Final

from poolifier.errors import WorkerCrashedError, WorkerStartError
from poolifier.exchange import WorkerExit
from poolifier.scheduler.task import Task

_OUT_OF_MEMORY: Final = "out of memory"


def how(exited: WorkerExit) -> str:
    """How the worker ended, as the end of a sentence."""
    because = f" ({_OUT_OF_MEMORY})" if exited.out_of_memory else ""
    if exited.reason:
        return exited.reason
    if exited.signal is not None:
        return f"was killed by {exited.signal}{because}"
    if exited.exit_code is not None:
        return f"exited with code {exited.exit_code}"
    if exited.abandoned:
        return "did not stop and was abandoned"
    return "ended in an unknown way"


def task_crashed(pool: str, worker_id: int, task: Task, exited: WorkerExit) -> WorkerCrashedError:
    """The error of a task that was running when its worker ended."""
    error = crashed(pool, worker_id, exited, f"while it ran task {task.id} ({task.function.name!r})")
    error.task_id = task.id
    error.task_name = task.function.name
    return error


def worker_crashed(pool: str, worker_id: int, exited: WorkerExit) -> WorkerCrashedError:
    """The error of a worker that ended unasked, whatever it ran."""
    return crashed(pool, worker_id, exited, "")


def crashed(pool: str, worker_id: int, exited: WorkerExit, when: str) -> WorkerCrashedError:
    """The error of a worker that ended unasked, and what it was doing."""
    return WorkerCrashedError(
        f"worker {worker_id} {how(exited)}{when and ' '}{when}{_where(pool, exited)}",
        worker_id=worker_id,
        exit_code=exited.exit_code,
        signal=exited.signal,
        stderr=exited.stderr,
        pid=exited.pid,
        reason=_reason(exited),
        pool_name=pool,
    )


def start_failed(pool: str, worker_id: int, exited: WorkerExit) -> BaseException:
    """The error of a worker that never got ready: its module's own, where there is one."""
    if exited.error is not None:
        return exited.error
    return WorkerStartError(
        f"worker {worker_id} {how(exited)} before it was ready{_where(pool, exited)}",
        worker_id=worker_id,
        exit_code=exited.exit_code,
        signal=exited.signal,
        stderr=exited.stderr,
        pid=exited.pid,
        reason=_reason(exited),
        pool_name=pool,
    )


def _where(pool: str, exited: WorkerExit) -> str:
    return f" (pool {pool!r})" if exited.pid is None else f" (pool {pool!r}, pid {exited.pid})"


def _reason(exited: WorkerExit) -> str | None:
    return _OUT_OF_MEMORY if exited.out_of_memory else None
