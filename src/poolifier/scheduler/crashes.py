"""Words for how a worker ended, and for why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from poolifier.error_attributes import is_a, text_of, type_name_of
from poolifier.errors import PoolFailedError, PoolifierError, WorkerCrashedError, WorkerStartError
from poolifier.exchange import WorkerExit
from poolifier.scheduler.restarts import FailedStarts
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


def cannot_start(pool: str, slots: Iterable[int] | None, slot: int, row: FailedStarts) -> PoolFailedError:
    """The error of a pool, or of some of its slots, in which no worker can be started; the row is that of one slot."""
    where = "no worker can be started" if slots is None else f"no worker can be started in the slots {sorted(slots)}"
    failure = PoolFailedError(f"pool {pool!r}: {where}: {_failed_in(slot, row)}")
    failure.__cause__ = row.error
    return failure


def not_started_yet(pool: str, slots: Iterable[int], slot: int, row: FailedStarts) -> PoolFailedError:
    """Why there is no worker yet in some slots, whose starts are tried on and waited for; the row is that of one."""
    failure = PoolFailedError(
        f"pool {pool!r}: no worker is ready in the slots {sorted(slots)}: {_failed_in(slot, row)}"
    )
    failure.__cause__ = row.error
    return failure


def _failed_in(slot: int, row: FailedStarts) -> str:
    error = row.error
    # Errors of the library say enough by themselves; of others the type is half of what they say.
    last = (
        text_of(error) if is_a(error, PoolifierError) else f"{type_name_of(error).rpartition('.')[2]}: {text_of(error)}"
    )
    starts = "1 start has" if row.count == 1 else f"{row.count} starts in a row have"
    return f"{starts} failed in slot {slot}; the last: {last}"


def none_left(pool: str, slots: Iterable[int] | None, cause: BaseException | None = None) -> PoolFailedError:
    """The error of a pool, or of some of its slots, in which all workers have died and none is replaced."""
    where = "no worker is left" if slots is None else f"no worker is left in the slots {sorted(slots)}"
    failure = PoolFailedError(f"pool {pool!r}: {where}, and restart_worker_on_error is off")
    failure.__cause__ = cause
    return failure


def afresh(failure: PoolFailedError) -> PoolFailedError:
    """The same error anew: one that many raise would collect all their tracebacks."""
    error = PoolFailedError(*failure.args)
    error.__cause__ = failure.__cause__
    return error
