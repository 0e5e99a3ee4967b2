"""The brain: where does this task run, now?

`Scheduler` is the only mutator of tasks and nodes. It does no I/O and reads no clock: every method
takes `now`, in monotonic seconds. What it wants done it leaves in two places, which the driver
empties after every call: `dirty` (nodes with tasks to send) and `effects` (everything else).

The rules, which `invariants.py` states as code:

1. A task is in exactly one place: a queue, the lobby, or `sent` of one node; `task.node` says which.
2. A task ends once. State changes come before effects, so a late or repeated reply finds nothing.
3. No worker is hungry while something it may run waits in another's queue, as far as
   `tasks_stealing_ratio` allows.
4. submitted = executed + failed + aborted + executing + queued, at any moment.

See README.md for the theory of operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from poolifier.errors import PoolFailedError
from poolifier.exchange import WorkerExit, WorkerReady
from poolifier.options import PoolOptions, TasksQueueOptions, WorkerChoiceStrategyOptions
from poolifier.scheduler.books import Books
from poolifier.scheduler.changes import Changes
from poolifier.scheduler.choosers import Choosers, StrategyKey
from poolifier.scheduler.edges import Edges
from poolifier.scheduler.effects import AbortTask, CancelTask, Effect, Emit
from poolifier.scheduler.functions import UNKNOWN_RUN_TIME, Functions
from poolifier.scheduler.limits import Limits
from poolifier.scheduler.node import Node
from poolifier.scheduler.placement import AHEAD, Placement
from poolifier.scheduler.queues import TaskQueue
from poolifier.scheduler.recycling import Recycling
from poolifier.scheduler.sizing import Sizing
from poolifier.scheduler.task import ABORTING, ENDED, QUEUED, SENT, Task
from poolifier.scheduler.timetable import Timetable
from poolifier.scheduler.turnover import Turnover
from poolifier.scheduler.unstarted import Unstarted
from poolifier.scheduler.usage import PENDING
from poolifier.scheduler.workforce import Workforce
from poolifier.task_functions import TaskFunction, TaskFunctionProperties

FEW: Final = 8
"""Items of a chunk of which the last still has its say in how long its function takes."""


class Scheduler:
    """Places tasks on workers, and decides which workers there are.

    Attributes:
        dirty: Nodes whose `outbox` is to be sent; the driver clears the list, the outboxes and `in_outbox`.
        effects: What else is to be done, in order; the driver clears the list.
        retired: What workers that are gone have done, and what ended without any worker.
        failure: Why the pool has given up, or None.
        surplus: Items of chunks beyond the first of each: they count as queued, and no queue holds them.
    """

    def __init__(self, options: PoolOptions, ahead: float = AHEAD) -> None:
        queue = options.tasks_queue_options
        # These first, for the end needs them, also where a strategy of the user's own cannot be made.
        self.sizing: Sizing = Sizing(options.min_size, options.max_size, dynamic=options.dynamic)
        self.lobby: TaskQueue = TaskQueue(None, queue)
        self.options = options
        self.effects: list[Effect] = []
        self.edges: Edges = Edges()
        self.choosers: Choosers = Choosers(
            options.worker_choice_strategy, options.worker_choice_strategy_options, self.effects
        )
        self.functions: Functions = Functions(self.choosers)
        self.limits: Limits = Limits(options.abort_grace, options.destroy_timeout)
        self.books: Books = Books(self.effects, self.limits, options.name)
        self.placement: Placement = Placement(
            self.choosers,
            self.sizing,
            self.edges,
            self.limits,
            queue,
            queue_enabled=options.enable_tasks_queue,
            ahead=ahead,
        )
        self.workforce: Workforce = Workforce(options, self.sizing, self.placement, self.effects)
        self.recycling: Recycling = Recycling(options, self.choosers, self.placement, self.workforce)
        self.dirty: list[Node] = self.placement.dirty
        self.failure: BaseException | None = None
        self.closing: bool = False
        self.was_ready: bool = False
        self.ready_count = 0
        self.strategy_retries: int = 0
        self._turnover = Turnover(self)
        self._unstarted = Unstarted(self, self._turnover)
        self._timetable = Timetable(self)
        self._changes = Changes(self)

    def __del__(self) -> None:
        # A pool that was forgotten with tasks waiting. See `Task`.
        self.lobby.forget()
        for node in self.sizing.nodes.values():
            node.forget()

    # ---- tasks ------------------------------------------------------------------------------------

    def submit(self, task: Task, now: float) -> None:
        """Takes a task and places it. O(1), plus what the strategy costs.

        Where a strategy raises before it has its place, it has ended, and counts as never submitted.
        """
        task.submitted_at = now
        books = self.books
        books.submitted += 1
        if task.extra is not None:
            books.add_surplus(task.extra.items - 1)
        if self.failure is not None:
            books.fail(task, self._turnover.pool_failed())
            return
        try:
            self.place(task, now)
        except BaseException:
            # A strategy of the user's own may raise anything.
            self._unstarted.refuse(task)
            raise
        if self.edges.changed:
            if task.node is not None and task.node.successor is not None:
                self._turnover.hand_over(task.node, now)
            self.report()

    def task_done(self, node: Node, sequence: int, run_time: float, active: float, now: float) -> Task | None:
        """A worker finished a task. `active` is the time its runtime computed for it.

        Returns:
            The task, for its future to be resolved, or None where nobody waits for it any more.
        """
        task = node.sent.pop(sequence, None)
        if task is None:
            return None
        function = task.function
        usage = node.usage.by_function.get(function)
        if usage is None:
            usage = node.usage.of(function)
        wanted = task.state == SENT
        if wanted:
            if task.extra is not None:
                self.books.drop_surplus(task)
            usage.executed += 1
        else:
            self.books.drop(task, usage)
        task.state = ENDED
        if function.estimate == UNKNOWN_RUN_TIME:
            function.estimate = run_time
        elif task.extra is None or task.extra.ended < FEW:
            # The last of many items tells less than those before it, whose mean the estimate is.
            function.estimate += (run_time - function.estimate) * 0.125
        wait_time = now - task.submitted_at - run_time
        if wait_time < 0.0:
            wait_time = 0.0
        pending = usage.pending
        pending.append(run_time)
        pending.append(wait_time)
        if len(pending) >= PENDING:
            usage.fold()
        if node.eligible:
            for task_ended in self.choosers.end_watchers:
                task_ended(node, run_time, wait_time, active)
        self.placement.freed(node, task, now)
        if self.lobby.length:
            self._retry(node, now)
        if self.edges.changed:
            if node.successor is not None:
                self._turnover.hand_over(node, now)
            self.report()
        return task if wanted else None

    def items_done(self, node: Node, sequence: int, run_times: list[float], now: float, *, failed: bool) -> Task | None:
        """A worker finished items of a chunk, the last not among them. Returns as `task_done` does. O(items)."""
        task = node.sent.get(sequence)
        if task is None or task.extra is None or task.extra.items <= len(run_times) or task.state != SENT:
            return None
        self.books.items_done(node, task, run_times, now, failed=failed)
        return task

    def run_done(
        self, node: Node, sequence: int, counts: list[int], means: list[float], run_time: float, now: float
    ) -> Task | None:
        """As `items_done`, for items that have results and were timed in groups of so many, with these means.

        `run_time` is that of all. O(groups).
        """
        task = node.sent.get(sequence)
        if task is None or task.extra is None or task.extra.items <= sum(counts) or task.state != SENT:
            return None
        self.books.run_done(node, task, counts, means, run_time, now)
        return task

    def task_cut(self, node: Node, sequence: int, now: float) -> None:
        """A worker hands back what is left of a chunk that it has begun; it is submitted again, in new chunks."""
        task = node.sent.pop(sequence)
        self.books.submitted -= self.books.take_items(task)
        task.state = ENDED
        self.placement.freed(node, task, now)
        self.report()

    def task_failed(self, node: Node, sequence: int, run_time: float, active: float, now: float) -> Task | None:
        """A task function raised, or its result could not be carried. Returns as `task_done` does."""
        waiting = node.sent.get(sequence)
        if waiting is None:
            return None
        task = self.task_done(node, sequence, run_time, active, now)
        if task is not None:
            usage = node.usage.of(task.function)
            usage.executed -= 1
            usage.failed += 1
        return task

    def task_aborted(self, node: Node, sequence: int, run_time: float, active: float, now: float) -> Task | None:
        """A worker stopped a task, or dropped it unstarted. Returns as `task_done` does."""
        task = node.sent.get(sequence)
        if task is None:
            return None
        if task.state == SENT:
            # Nobody asked for it, so TaskAborted came out of the function itself: a failure like others.
            return self.task_failed(node, sequence, run_time, active, now)
        if run_time > 0.0:
            return self.task_done(node, sequence, run_time, active, now)
        self._unstarted.end(node, sequence, now)
        return None

    def task_unsendable(self, node: Node, sequence: int, now: float) -> Task | None:
        """A task's data cannot be pickled, so it was never sent. Returns it for its future to fail."""
        task = node.sent.get(sequence)
        if task is None:
            return None
        wanted = task.state == SENT
        self._unstarted.end(node, sequence, now)
        return task if wanted else None

    def tasks_returned(self, node: Node, sequences: list[int], now: float) -> None:
        """A worker hands back tasks that it has not started: they are queued again, as old as they are."""
        self._unstarted.returned(node, sequences, now)

    def abort(self, task: Task, now: float) -> None:
        """The caller does not want the task any more. O(1) amortised; does nothing once it has ended."""
        node = task.node
        if task.state == QUEUED:
            task.state = ENDED
            if node is None:
                self.books.drop(task, self.books.retired.of(task.function))
                self.lobby.remove(task)
            else:
                self.books.drop(task, node.usage.of(task.function))
                node.queue.remove(task)
                self.placement.relieve(node)
                self.placement.lighten(node, now)
            if self.edges.changed:
                self.report()
        elif task.state == SENT and node is not None:
            task.state = ABORTING
            self.limits.abort(task, now)
            self.effects.append(AbortTask(node, task.sequence))

    def drop_all(self, now: float) -> int:
        """Ends every task: those that wait are dropped, those at a worker are aborted. O(tasks log tasks).

        Returns:
            How many they were; each item of a map counts.
        """
        nodes = list(self.sizing.nodes.values())
        waiting = [*self.lobby, *(task for node in nodes for task in node.queue)]
        dropped = 0
        for task in [*waiting, *(task for node in nodes for task in node.sent.values())]:
            if task.state in (QUEUED, SENT):
                dropped += 1 if task.extra is None else task.extra.items
                self.abort(task, now)
                self.effects.append(CancelTask(task))
        return dropped

    @property
    def unfinished(self) -> int:
        """Tasks that have not ended. O(workers)."""
        return self.lobby.length + sum(node.load for node in self.sizing.nodes.values())

    # ---- workers ----------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Asks for the workers that are missing up to the minimum."""
        self.workforce.fill(now)
        if self.sizing.minimum == 0 and not self.was_ready:
            self.was_ready = True
            self.effects.append(Emit("ready"))
        self.report()

    def close(self) -> None:
        """From here on no worker is started or replaced."""
        self.closing = True
        self._turnover.dismiss_spares()

    def worker_ready(self, node_id: int, ready: WorkerReady, now: float) -> None:
        """A worker can run tasks."""
        self.recycling.started(self.sizing.nodes.get(node_id) or self.sizing.spares.get(node_id), now)
        self._turnover.ready(node_id, ready, now)

    def worker_lost(self, node_id: int, exited: WorkerExit, now: float) -> None:
        """A worker is gone. Its started tasks fail or run again as asked, the others move, all exactly once."""
        self._turnover.lost(node_id, exited, now)

    def retire(self, node: Node, now: float) -> None:
        """Lets a worker leave: what it was sent it finishes, what waits for it moves.

        A worker of the minimum is replaced once it is gone. Does nothing where it is leaving already.
        """
        self._turnover.retire(node, now)

    def give_up(self, error: BaseException, why: str) -> None:
        """Fails the pool, and every task with it."""
        self._turnover.give_up(error, why)

    def memory_measured(self, node: Node, memory: int) -> None:
        """A worker takes so many bytes of memory, which `MeasureMemory` asked for."""
        if not self.closing:
            self.recycling.measured(node, memory)

    # ---- time -------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `tick` has to be called next; infinity where there is nothing to wait for."""
        return self._timetable.next_deadline()

    def tick(self, now: float) -> None:
        """Does what is due: delayed restarts, reclaiming from silent workers, time limits, memory, retirements."""
        self._timetable.tick(now)

    # ---- changes at run time ----------------------------------------------------------------------

    def learn(self, ready: WorkerReady, now: float, declared: Mapping[str, TaskFunction] | None = None) -> None:
        """Takes in the task functions, of which the pool may have objects; places again what was submitted on trust."""
        self._changes.learn(ready, now, declared)

    def put_function(self, properties: TaskFunctionProperties, key: str, declared: TaskFunction | None = None) -> None:
        """Adds or replaces a task function, for tasks submitted from now on. All workers must know its key."""
        self.functions.put(properties, key, declared)

    def remove_function(self, name: str) -> None:
        """Removes a task function, for tasks submitted from now on. Raises as `Functions.remove`."""
        self.functions.remove(name)

    def set_default_function(self, name: str) -> None:
        """Changes the default task function, for tasks submitted from now on. Raises as `Functions.set_default`."""
        self.functions.set_default(name)

    def forget_functions(self) -> list[str]:
        """Lets go of functions that were replaced or removed and that no task needs any more. O(tasks).

        Returns:
            Their keys, for the workers to forget as well.
        """
        return self._changes.forget_functions()

    def employ(self, now: float) -> None:
        """Sees to it that a dynamic pool has a worker, or one on its way, whether or not there are tasks."""
        self._changes.employ(now)

    def set_strategy(
        self, strategy: StrategyKey, options: WorkerChoiceStrategyOptions, now: float | None = None
    ) -> None:
        """Changes the worker choice strategy for tasks placed from now on. O(workers).

        Given the time, tasks for which the last strategy found no worker are placed by the new one.
        """
        self._changes.set_strategy(strategy, options, now)

    def set_queue(self, options: TasksQueueOptions, now: float, *, enabled: bool) -> None:
        """Changes the tasks queue options; switching the queues off sends all that waits to its worker."""
        self._changes.set_queue(options, now, enabled=enabled)

    # ---- inside -----------------------------------------------------------------------------------

    def place_again(self, task: Task, now: float) -> None:
        """Places a task that was submitted before; it fails if its strategy raises. For the scheduler's own parts."""
        try:
            self.place(task, now)
        except Exception as error:  # noqa: BLE001 - a strategy of the user's own may raise anything
            self.books.fail(task, error)

    def place(self, task: Task, now: float) -> None:
        """Gives a task that is nowhere to a worker, or to the lobby. Raises what its strategy raises."""
        function = task.function
        node: Node | None = self.choosers.made[function.choice].choose(now)
        if self.sizing.growable and not self.closing:
            node = self.workforce.grow(function, node, now)
        if node is not None:
            self.placement.assign(node, task, now)
            return
        self.strategy_retries += 1
        task.node = None
        slots = function.affinity.slots
        if self.closing or self._may_still_come(slots):
            self.lobby.push(task)
            return
        where = "no worker is left" if slots is None else f"no worker is left in the slots {sorted(slots)}"
        self.books.fail(
            task, PoolFailedError(f"pool {self.options.name!r}: {where}, and restart_worker_on_error is off")
        )

    def _retry(self, node: Node, now: float) -> None:
        """Tasks for which a user's strategy found no worker before: it may find one now that a task has ended."""
        lobby = self.lobby
        for shelf in lobby.shelves:
            while shelf.length and node.eligible and node.allowed(shelf.affinity):
                task = lobby.pop_from(shelf, now)
                self.place_again(task, now)
                if task.node is None:
                    break

    def _may_still_come(self, slots: frozenset[int] | None) -> bool:
        """Whether a worker that may run tasks of that affinity is there, on its way, or can be created."""
        sizing = self.sizing
        if sizing.growable or not self.workforce.ever_grown:
            return True
        return bool(sizing.by_slot) if slots is None else not slots.isdisjoint(sizing.by_slot)

    def report(self) -> None:
        """Turns states that have changed into events. For the scheduler's own parts."""
        if self.edges.changed:
            able = self.ready_count + self.recycling.standing_by > 0
            busy = able and not self.placement.stealing.hungry
            self.edges.check(self.effects, self.sizing, busy=busy, pressed=self.placement.pressed)
