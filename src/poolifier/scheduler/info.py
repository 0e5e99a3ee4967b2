"""Snapshots of a pool's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolifier.scheduler.health import complete, explanation
from poolifier.scheduler.health import state as how_it_stands
from poolifier.scheduler.node import READY
from poolifier.scheduler.time_summary import TimeSummary
from poolifier.scheduler.usage import FunctionUsage, NodeUsage

if TYPE_CHECKING:
    from poolifier.scheduler.node import Node
    from poolifier.scheduler.scheduler import Scheduler
    from poolifier.scheduler.task import Task


@dataclass(frozen=True, slots=True)
class EluSummary:
    """Event-loop utilization: time a worker's runtime was not waiting for work, over all time.

    Attributes:
        active: Seconds not spent waiting for work.
        idle: Seconds spent waiting for work.
        utilization: `active / (active + idle)`, 0 to 1.
    """

    active: float = 0.0
    idle: float = 0.0
    utilization: float = 0.0

    @classmethod
    def of(cls, active: float, idle: float) -> EluSummary:
        """The summary of these two."""
        total = active + idle
        return cls(active, idle, active / total if total > 0.0 else 0.0)


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Tasks of one worker, or of one task function on it.

    Attributes:
        executing: Running now.
        executed: Ended with a result.
        failed: Ended with an error.
        aborted: Ended because nobody wanted them any more.
        queued: Waiting now.
        max_queued: The most that ever waited.
        stolen: Taken over from another worker.
        sequentially_stolen: Of these, since it last ran a task of its own.
    """

    executing: int = 0
    executed: int = 0
    failed: int = 0
    aborted: int = 0
    queued: int = 0
    max_queued: int = 0
    stolen: int = 0
    sequentially_stolen: int = 0


@dataclass(frozen=True, slots=True)
class WorkerUsage:
    """What a worker, or one task function on it, has done so far. Times in seconds."""

    tasks: TaskCounts
    run_time: TimeSummary
    wait_time: TimeSummary
    elu: EluSummary


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """A snapshot of a pool. Times in seconds.

    At any time `submitted_tasks` is the sum of `executed_tasks`, `failed_tasks`, `aborted_tasks`,
    `executing_tasks` and `queued_tasks`.

    Attributes:
        name: The pool's name.
        state: `"created"`, `"starting"`, `"ready"`, `"degraded"` (fewer workers are ready than the minimum, in some
            slot none can be started, or none is ready because starts have failed), `"failing"` (no worker is ready,
            and none can be started: tasks fail with `PoolFailedError` until one can), `"closing"` or `"closed"`.
        failure: Why there is no worker, in the pool or in a slot, because starts have failed, whatever the
            `restart_limit`; otherwise None. It ends with the last error.
        version: The library's.
        type: `"fixed"` or `"dynamic"`.
        worker: `"thread"`, `"interpreter"`, `"process"` or `"ray"`.
        started: Whether tasks can be submitted.
        ready: Whether the minimum of workers is ready.
        default_strategy: The worker choice strategy of functions without one of their own.
        strategy_retries: How often no worker was eligible and a task had to wait for one.
        worker_nodes: Workers that hold a slot, ready or not.
        idle_worker_nodes: Ready workers that run nothing.
        busy_worker_nodes: Ready workers that run as many tasks at once as they may.
        dynamic_worker_nodes: Workers beyond the minimum.
        stealing_worker_nodes: Workers that run tasks stolen from others.
        back_pressure_worker_nodes: Workers whose queue is full.
        crashed_workers: Workers that died by themselves, before they were ready or later.
        restarted_workers: Workers that were started in the place of one that had died, or had been ended because a
            task would not stop; starts that failed in turn are counted.
        timed_out_tasks: Tasks that ran longer than they may. They count as failed, too, once they have stopped.
        retried_tasks: How often a task was run again.
        max_queued_tasks: The most that ever waited, summed over the workers.
        back_pressure: Whether every worker's queue is full.
        utilization: Run and wait time of all tasks, over lifetime times maximum size: above 1 where
            more waits than runs.
    """

    name: str
    state: str
    failure: str | None
    version: str
    type: str
    worker: str
    started: bool
    ready: bool
    default_strategy: str
    strategy_retries: int
    min_size: int
    max_size: int
    worker_nodes: int
    idle_worker_nodes: int
    busy_worker_nodes: int
    dynamic_worker_nodes: int
    stealing_worker_nodes: int
    back_pressure_worker_nodes: int
    crashed_workers: int
    restarted_workers: int
    submitted_tasks: int
    executing_tasks: int
    executed_tasks: int
    failed_tasks: int
    aborted_tasks: int
    timed_out_tasks: int
    retried_tasks: int
    queued_tasks: int
    max_queued_tasks: int
    stolen_tasks: int
    back_pressure: bool
    utilization: float
    run_time: TimeSummary
    wait_time: TimeSummary
    elu: EluSummary


def pool_info(
    scheduler: Scheduler, *, version: str, worker: str, started: bool, lifetime: float, state: str | None = None
) -> PoolInfo:
    """Takes a snapshot. O(workers x task functions). The state is the scheduler's, unless another one is given."""
    nodes = list(scheduler.sizing.nodes.values())
    holders = scheduler.sizing.by_slot.values()
    usage = FunctionUsage()
    for part in [scheduler.books.retired, *(node.usage for node in nodes)]:
        usage.merge(part.total())
    run_time = usage.run_time.summary()
    wait_time = usage.wait_time.summary()
    ready = [node for node in nodes if node.state == READY]
    strategy = scheduler.choosers.strategy
    capacity = lifetime * scheduler.sizing.maximum
    failure = explanation(scheduler)
    return PoolInfo(
        name=scheduler.options.name,
        state=how_it_stands(scheduler) if state is None else state,
        failure=None if failure is None else str(failure),
        version=version,
        type="dynamic" if scheduler.sizing.dynamic else "fixed",
        worker=worker,
        started=started,
        ready=started and complete(scheduler),
        default_strategy=strategy.value if isinstance(strategy, str) else strategy.__name__,
        strategy_retries=scheduler.strategy_retries,
        min_size=scheduler.sizing.minimum,
        max_size=scheduler.sizing.maximum,
        worker_nodes=len(holders),
        idle_worker_nodes=sum(not node.sent for node in ready),
        busy_worker_nodes=sum(node.load >= node.quota for node in ready),
        dynamic_worker_nodes=sum(node.dynamic for node in holders),
        stealing_worker_nodes=sum(node.stealing for node in nodes),
        back_pressure_worker_nodes=sum(node.pressed for node in nodes),
        crashed_workers=scheduler.books.crashed,
        restarted_workers=scheduler.workforce.restarted,
        submitted_tasks=scheduler.books.submitted,
        executing_tasks=sum(node.executing for node in nodes),
        executed_tasks=usage.executed,
        failed_tasks=usage.failed,
        aborted_tasks=usage.aborted,
        timed_out_tasks=scheduler.books.timed_out,
        retried_tasks=scheduler.books.retried,
        queued_tasks=scheduler.lobby.length + scheduler.books.surplus + sum(node.queued for node in nodes),
        max_queued_tasks=sum(node.usage.max_queued for node in nodes),
        stolen_tasks=usage.stolen,
        back_pressure=0 < scheduler.placement.pressed == len(holders),
        utilization=(run_time.total + wait_time.total) / capacity if capacity > 0.0 else 0.0,
        run_time=run_time,
        wait_time=wait_time,
        elu=EluSummary.of(
            scheduler.books.active + sum(node.active for node in nodes),
            scheduler.books.idle + sum(node.idle for node in nodes),
        ),
    )


def worker_usage(node: Node) -> WorkerUsage:
    """What one worker has done, all task functions together. O(tasks at the worker)."""
    total = node.usage.total()
    counts = _counts(total, node.usage, node.executing, node.queued + _surplus([*node.sent.values(), *node.queue]))
    return _usage(total, counts, EluSummary.of(node.active, node.idle))


def function_usage(node: Node) -> dict[str, WorkerUsage]:
    """What one worker has done, by task function. O(tasks at the worker)."""
    running = list(node.sent.values())
    executing = running[: node.capacity]
    waiting = [*running[node.capacity :], *node.queue]
    usages: dict[str, WorkerUsage] = {}
    functions = dict.fromkeys([*node.usage.by_function, *(task.function for task in [*executing, *waiting])])
    # One that was replaced while there were tasks of it counts under the name that both have.
    for name in dict.fromkeys(function.name for function in functions):
        usage = FunctionUsage()
        for function in functions:
            if function.name == name:
                usage.merge(node.usage.of(function))
        counts = TaskCounts(
            executing=sum(task.function.name == name for task in executing),
            executed=usage.executed,
            failed=usage.failed,
            aborted=usage.aborted,
            queued=sum(task.function.name == name for task in waiting)
            + _surplus([task for task in [*executing, *waiting] if task.function.name == name]),
            stolen=usage.stolen,
        )
        # A runtime's active time is not measured by function; while one runs, its run time is what it is.
        usages[name] = _usage(usage, counts, EluSummary())
    return usages


def _surplus(tasks: list[Task]) -> int:
    """Items of chunks beyond the first of each."""
    return sum(task.extra.items - 1 for task in tasks if task.extra is not None)


def _counts(total: FunctionUsage, usage: NodeUsage, executing: int, queued: int) -> TaskCounts:
    return TaskCounts(
        executing=executing,
        executed=total.executed,
        failed=total.failed,
        aborted=total.aborted,
        queued=queued,
        max_queued=usage.max_queued,
        stolen=total.stolen,
        sequentially_stolen=usage.sequentially_stolen,
    )


def _usage(usage: FunctionUsage, counts: TaskCounts, elu: EluSummary) -> WorkerUsage:
    return WorkerUsage(counts, usage.run_time.summary(), usage.wait_time.summary(), elu)
