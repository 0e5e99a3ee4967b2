"""Words for how a worker ended."""

from __future__ import annotations

from poolifier.errors import WorkerCrashedError, WorkerStartError
from poolifier.exchange import WorkerExit
from poolifier.scheduler.task import Task


def how(exited: WorkerExit) -> str:
    """How the worker ended, as the end of a sentence."""
    if exited.reason:
        return exited.reason
    if exited.signal is not None:
        return f"was killed by {exited.signal}"
    if exited.exit_code is not None:
        return f"exited with code {exited.exit_code}"
    if exited.abandoned:
        return "did not stop and was abandoned"
    return "ended in an unknown way"


def task_crashed(worker_id: int, task: Task, exited: WorkerExit) -> WorkerCrashedError:
    """The error of a task that was running when its worker ended."""
    return WorkerCrashedError(
        f"worker {worker_id} {how(exited)} while it ran task {task.id} ({task.function.name!r})",
        task_id=task.id,
        task_name=task.function.name,
        worker_id=worker_id,
        exit_code=exited.exit_code,
        signal=exited.signal,
        stderr=exited.stderr,
    )


def worker_crashed(worker_id: int, exited: WorkerExit) -> WorkerCrashedError:
    """The error of a worker that ended unasked, whatever it ran."""
    return WorkerCrashedError(
        f"worker {worker_id} {how(exited)}",
        worker_id=worker_id,
        exit_code=exited.exit_code,
        signal=exited.signal,
        stderr=exited.stderr,
    )


def start_failed(worker_id: int, exited: WorkerExit) -> BaseException:
    """The error of a worker that never got ready: its module's own, where there is one."""
    if exited.error is not None:
        return exited.error
    return WorkerStartError(
        f"worker {worker_id} {how(exited)} before it was ready",
        worker_id=worker_id,
        exit_code=exited.exit_code,
        signal=exited.signal,
        stderr=exited.stderr,
    )
