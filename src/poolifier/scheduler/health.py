"""How a pool stands: whether its workers are there, and what tasks fail with where none can be started. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolifier.scheduler.crashes import afresh, cannot_start, none_left

if TYPE_CHECKING:
    from poolifier.errors import PoolFailedError
    from poolifier.scheduler.scheduler import Scheduler

__all__ = ["complete", "explanation", "refusal", "state"]


def complete(scheduler: Scheduler) -> bool:
    """Whether as many workers are ready as are to be there always, and tasks are taken."""
    ready = scheduler.ready_count + scheduler.recycling.standing_by
    return scheduler.failure is None and ready >= scheduler.sizing.minimum


def state(scheduler: Scheduler) -> str:
    """The state of a pool that is started, in the words of `PoolInfo.state`."""
    if scheduler.failure is not None:
        return "failing"
    if not scheduler.was_ready:
        return "starting"
    return "ready" if complete(scheduler) and not scheduler.workforce.restarts.failed else "degraded"


def explanation(scheduler: Scheduler) -> PoolFailedError | None:
    """Why no worker can be started, in the pool or in some of its slots; None where they can."""
    failed = scheduler.workforce.restarts.failed
    if scheduler.failure is None and not failed:
        return None
    return refusal(scheduler, frozenset(failed))


def refusal(scheduler: Scheduler, slots: frozenset[int] | None) -> PoolFailedError:
    """The error, made anew, of a task that may run in these slots, or in all, where there is no worker to wait for."""
    if scheduler.failure is not None:
        return afresh(scheduler.failure)
    restarts = scheduler.workforce.restarts
    if slots is not None and restarts.hopeless(slots):
        slot = max(slots, key=lambda each: restarts.failed[each].last_at)
        return cannot_start(scheduler.options.name, slots, slot, restarts.failed[slot])
    return none_left(scheduler.options.name, slots)
