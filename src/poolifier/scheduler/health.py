"""How a pool stands: whether its workers are there, and what tasks fail with where none can be started. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolifier.scheduler.crashes import afresh, cannot_start, none_left, not_started_yet

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
    if not complete(scheduler) or scheduler.workforce.restarts.failed:
        return "degraded"
    # One without a minimum is complete with no worker at all, which is not to hide that it cannot get any.
    return "ready" if scheduler.ready_count or not _tried_again(scheduler) else "degraded"


def explanation(scheduler: Scheduler) -> PoolFailedError | None:
    """Why there is no worker, in the pool or in some of its slots, where starts have failed; otherwise None."""
    failed = scheduler.workforce.restarts.failed
    if scheduler.failure is not None or failed:
        return refusal(scheduler, frozenset(failed))
    slots = _tried_again(scheduler)
    if not slots or state(scheduler) != "degraded":
        return None
    rows = scheduler.workforce.restarts.rows
    slot = max(slots, key=lambda each: rows[each].last_at)
    return not_started_yet(scheduler.options.name, slots, slot, rows[slot])


def _tried_again(scheduler: Scheduler) -> list[int]:
    """The slots in which starts have failed, and another one is under way or to come."""
    rows = scheduler.workforce.restarts.rows
    return [slot for slot, node in scheduler.sizing.by_slot.items() if slot in rows and not node.ready] if rows else []


def refusal(scheduler: Scheduler, slots: frozenset[int] | None) -> PoolFailedError:
    """The error, made anew, of a task that may run in these slots, or in all, where there is no worker to wait for."""
    if scheduler.failure is not None:
        return afresh(scheduler.failure)
    restarts = scheduler.workforce.restarts
    if slots is not None and restarts.hopeless(slots):
        slot = max(slots, key=lambda each: restarts.failed[each].last_at)
        return cannot_start(scheduler.options.name, slots, slot, restarts.failed[slot])
    return none_left(scheduler.options.name, slots)
