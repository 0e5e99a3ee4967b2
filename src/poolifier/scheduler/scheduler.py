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

from math import inf
from typing import Any

from poolifier.errors import PoolFailedError, TaskTimeoutError
from poolifier.exchange import WorkerExit, WorkerReady
from poolifier.options import PoolOptions, TasksQueueOptions, WorkerChoiceStrategyOptions
from poolifier.scheduler.books import Books
from poolifier.scheduler.choosers import Choosers, StrategyKey
from poolifier.scheduler.crashes import start_failed, worker_crashed
from poolifier.scheduler.edges import Edges
from poolifier.scheduler.effects import (
    AbortTask,
    CancelTask,
    Effect,
    Emit,
    FailPool,
    FailTask,
    KillWorker,
    MeasureMemory,
    Reclaim,
    StopWorker,
)
from poolifier.scheduler.functions import UNKNOWN_RUN_TIME, Functions
from poolifier.scheduler.limits import Limits
from poolifier.scheduler.node import GONE, PLANNED, READY, RETIRING, STARTING, Node
from poolifier.scheduler.placement import AHEAD, Placement
from poolifier.scheduler.queues import TaskQueue
from poolifier.scheduler.recycling import Recycling
from poolifier.scheduler.sizing import Sizing
from poolifier.scheduler.task import ABORTING, ENDED, QUEUED, SENT, Task
from poolifier.scheduler.usage import PENDING
from poolifier.scheduler.workforce import Workforce
from poolifier.task_functions import TaskFunctionProperties


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
        self.options = options
        self.effects: list[Effect] = []
        self.edges = Edges()
        self.choosers = Choosers(options.worker_choice_strategy, options.worker_choice_strategy_options)
        self.functions = Functions(self.choosers)
        self.sizing = Sizing(options.min_size, options.max_size, dynamic=options.dynamic)
        self.limits = Limits(options.abort_grace, options.destroy_timeout)
        self.books = Books(self.effects, self.limits)
        self.placement = Placement(
            self.choosers,
            self.sizing,
            self.edges,
            self.limits,
            queue,
            queue_enabled=options.enable_tasks_queue,
            ahead=ahead,
        )
        self.workforce = Workforce(options, self.sizing, self.placement, self.effects)
        self.recycling = Recycling(options, self.choosers, self.sizing, self.workforce)
        self.dirty = self.placement.dirty
        self.lobby = TaskQueue(None, queue)
        self.failure: BaseException | None = None
        self.closing = False
        self.was_ready = False
        self.ready_count = 0
        self.strategy_retries = 0

    # ---- tasks ------------------------------------------------------------------------------------

    def submit(self, task: Task, now: float) -> None:
        """Takes a task and places it. O(1), plus what the strategy costs."""
        task.submitted_at = now
        self.books.submit(task)
        if self.failure is not None:
            self.books.fail(task, self._pool_failed())
            return
        self._place(task, now)
        if self.edges.changed:
            self._report()

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
        else:
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
            self._hand_over(node, now)
            self._report()
        return task if wanted else None

    def item_done(self, node: Node, sequence: int, run_time: float, now: float, *, failed: bool) -> Task | None:
        """A worker finished an item of a chunk, other than the last. Returns the task, as `task_done` does."""
        task = node.sent.get(sequence)
        if task is None or task.extra is None or task.extra.items <= 1:
            return None
        if task.state != SENT:
            return None
        task.extra.items -= 1
        self.books.surplus -= 1
        node.ran += 1
        function = task.function
        usage = node.usage.of(function)
        if failed:
            usage.failed += 1
        else:
            usage.executed += 1
        function.estimate += (run_time - function.estimate) * 0.125
        pending = usage.pending
        pending.append(run_time)
        pending.append(max(0.0, now - task.submitted_at - run_time))
        if len(pending) >= PENDING:
            usage.fold()
        return task

    def task_cut(self, node: Node, sequence: int, now: float) -> None:
        """A worker hands back what is left of a chunk that it has begun; it is submitted again, in new chunks."""
        task = node.sent.pop(sequence)
        self.books.submitted -= self.books.take_items(task)
        task.state = ENDED
        self.placement.freed(node, task, now)
        self._report()

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
        self._end_unstarted(node, sequence, now)
        return None

    def task_unsendable(self, node: Node, sequence: int, now: float) -> Task | None:
        """A task's data cannot be pickled, so it was never sent. Returns it for its future to fail."""
        task = node.sent.get(sequence)
        if task is None:
            return None
        wanted = task.state == SENT
        self._end_unstarted(node, sequence, now)
        return task if wanted else None

    def tasks_returned(self, node: Node, sequences: list[int], now: float) -> None:
        """A worker hands back tasks that it has not started: they are queued again, as old as they are."""
        # The youngest first, so that each goes to the head of its lane.
        for sequence in sorted(sequences, reverse=True):
            task = node.sent.get(sequence)
            if task is None:
                continue
            if task.state == ABORTING:
                self._end_unstarted(node, sequence, now)
                continue
            del node.sent[sequence]
            if node.limited:
                self.limits.gone(node, task)
                self.limits.advanced(node, now)
            node.ahead = node.ahead - task.estimate if node.sent else 0.0
            task.state = QUEUED
            task.sequence = 0
            if node.state == READY:
                node.queue.push(task)
            else:
                node.load -= 1
                self._place(task, now)
        if node.state == READY:
            self.placement.press(node)
            self.placement.refill(node, now)
        self.placement.feed_all(now)
        self._hand_over(node, now)
        self._report()

    def abort(self, task: Task, now: float) -> None:
        """The caller does not want the task any more. O(1) amortised; does nothing once it has ended."""
        node = task.node
        if task.state == QUEUED:
            task.state = ENDED
            task.data = None
            if node is None:
                self.books.drop(task, self.books.retired.of(task.function))
                self.lobby.remove(task)
            else:
                self.books.drop(task, node.usage.of(task.function))
                node.queue.remove(task)
                self.placement.relieve(node)
                self.placement.lighten(node, now)
            if self.edges.changed:
                self._report()
        elif task.state == SENT and node is not None:
            task.state = ABORTING
            self.limits.abort(task, now)
            self.effects.append(AbortTask(node, task.sequence))

    def drop_all(self, now: float) -> None:
        """Ends every task: those that wait are dropped, those at a worker are aborted. O(tasks log tasks)."""
        nodes = list(self.sizing.nodes.values())
        waiting = [*self.lobby, *(task for node in nodes for task in node.queue)]
        for task in [*waiting, *(task for node in nodes for task in node.sent.values())]:
            if task.state in (QUEUED, SENT):
                self.abort(task, now)
                self.effects.append(CancelTask(task))

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
        self._report()

    def close(self) -> None:
        """From here on no worker is started or replaced."""
        self.closing = True
        self._dismiss_spares()

    def worker_ready(self, node_id: int, ready: WorkerReady, now: float) -> None:
        """A worker can run tasks."""
        node = self.sizing.nodes.get(node_id)
        if node is None:
            self._spare_ready(node_id, ready, now)
            return
        if node.state != STARTING:
            return
        node.state = READY
        node.ready = True
        node.heard_at = node.active_since = now
        node.max_inactive_time = ready.max_inactive_time
        node.kill_behavior = ready.kill_behavior
        self.recycling.begin(node)
        self.ready_count += 1
        self.sizing.coming -= 1
        if not self.functions.learned:
            self.learn(ready, now)
        self.effects.append(Emit("worker_online", node))
        self.choosers.add(node)
        for shelf in node.queue.shelves:
            shelf.affinity.backlog.update(shelf)
        self.sizing.watch(node, now)
        # First its own: once it is known to be hungry, no further worker is created for what is in the lobby.
        self.placement.refill(node, now)
        for task in self.lobby.drain(node):
            self._place(task, now)
        # Its own queue may have filled while it started; from here on others may steal from it.
        self.placement.feed_all(now)
        if not self.was_ready and self.ready_count >= self.sizing.minimum:
            self.was_ready = True
            self.effects.append(Emit("ready"))
        self.edges.changed = True
        self._report()

    def worker_lost(self, node_id: int, exited: WorkerExit, now: float) -> None:
        """A worker is gone. Its started tasks fail or run again as asked, the others move, all exactly once."""
        node = self.sizing.nodes.get(node_id)
        if node is None:
            self._spare_lost(node_id, exited, now)
            return
        was_starting = node.state in (PLANNED, STARTING)
        unfinished = any(task.state != ABORTING for task in node.sent.values())
        # A worker that was killed because a task on it would not stop has not failed: it is replaced, no more.
        expected = self.closing or node.condemned or (node.state == RETIRING and not unfinished)
        self._withdraw(node, GONE)
        unsettled = self.books.settle_lost(node, exited)
        self._bury(node)
        successor = self._succeed(node)
        self.workforce.resized(now)
        if not expected:
            error = start_failed(node.id, exited) if was_starting else worker_crashed(node.id, exited)
            self.effects.append(Emit("error", node, error))
            why = self.workforce.replace(node, now)
            if why is not None:
                self.give_up(error, why)
        elif not self.closing and not node.dynamic:
            self.workforce.refill(node.slot, now)
        if expected and exited.abandoned:
            # Its pool goes on without it, but somebody should know of what it leaves behind.
            self.effects.append(Emit("error", node, worker_crashed(node.id, exited)))
        self.effects.append(Emit("worker_exit", node, exited))
        if successor is not None:
            self.worker_ready(*successor, now)
        # What waits for any worker may have waited for this one, or for its slot to become free.
        unsettled.extend(self.lobby.drain())
        for task in sorted(unsettled, key=_by_id):
            if self.failure is not None:
                self.books.fail(task, self._pool_failed())
            else:
                self._place(task, now)
        self._report()

    def retire(self, node: Node, now: float) -> None:
        """Lets a worker leave: what it was sent it finishes, what waits for it moves.

        A worker of the minimum is replaced once it is gone. Does nothing where it is leaving already.
        """
        if node.state in (RETIRING, GONE):
            return
        if node.state == PLANNED:
            # There is no worker yet that could be asked to leave.
            if not node.dynamic and not self.closing:
                return
            self._withdraw(node, GONE)
            self._bury(node)
            self.workforce.resized(now)
        else:
            self._withdraw(node, RETIRING)
            self.limits.leave(node, now)
            self.effects.append(StopWorker(node))
        waiting = self.placement.empty_queue(node)
        if node.state == GONE:
            waiting.extend(self.lobby.drain())
        for task in sorted(waiting, key=_by_id):
            self._place(task, now)
        self.placement.feed_all(now)
        self._report()

    def memory_measured(self, node: Node, memory: int) -> None:
        """A worker takes so many bytes of memory, which `MeasureMemory` asked for."""
        if not self.closing:
            self.recycling.measured(node, memory)

    # ---- time -------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `tick` has to be called next; infinity where there is nothing to wait for."""
        return min(
            self.placement.watch_at,
            self.sizing.next_start(),
            self.sizing.retire_at,
            self.limits.next_deadline(),
            self.recycling.measure_at,
        )

    def tick(self, now: float) -> None:
        """Does what is due: delayed restarts, reclaiming from silent workers, time limits, memory, retirements."""
        for node in self.sizing.due(now):
            if not self.closing:
                self.workforce.start(node, now)
        if now >= self.placement.watch_at:
            self.effects.extend(Reclaim(node) for node in self.placement.silent(now))
        self._enforce_limits(now)
        if now >= self.recycling.measure_at:
            self.effects.extend(MeasureMemory(node) for node in self.recycling.to_measure(now))
        if now >= self.sizing.retire_at:
            for node in () if self.closing else self.sizing.inactive(now):
                for task in node.sent.values():
                    if task.state == SENT:
                        self.abort(task, now)
                        self.effects.append(CancelTask(task))
                self.retire(node, now)
        self._report()

    # ---- changes at run time ----------------------------------------------------------------------

    def learn(self, ready: WorkerReady, now: float) -> None:
        """Takes in the task functions; places again what was submitted on trust."""
        waiting = self.lobby.drain()
        for node in self.sizing.nodes.values():
            waiting.extend(self.placement.empty_queue(node))
        self.functions.learn(ready.functions)
        for task in sorted(waiting, key=_by_id):
            function = self.functions.current(task.function)
            if function is None:
                self.books.fail(task, self.functions.unknown(task.function.name))
                continue
            task.function = function
            if task.priority == 0:
                task.priority = task.function.priority
            self._place(task, now)

    def put_function(self, properties: TaskFunctionProperties, key: str) -> None:
        """Adds or replaces a task function, for tasks submitted from now on. All workers must know its key."""
        self.functions.put(properties, key)

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
        nodes = self.sizing.nodes.values()
        needed = {task.function for task in self.lobby}
        for node in nodes:
            needed.update(task.function for task in (*node.queue, *node.sent.values()))
        unneeded = self.functions.unneeded(needed)
        for function, heir in unneeded:
            for usage in (self.books.retired, *(node.usage for node in nodes)):
                usage.inherit(heir, function)
        return [function.key for function, _ in unneeded]

    def employ(self, now: float) -> None:
        """Sees to it that a dynamic pool has a worker, or one on its way, whether or not there are tasks."""
        nodes = self.sizing.nodes.values()
        if self.closing or not self.sizing.dynamic or any(node.state != RETIRING for node in nodes):
            return
        slot = self.sizing.free_slot()
        if slot is not None:
            self.workforce.add(slot, now, dynamic=True)
            self._report()

    def set_strategy(
        self, strategy: StrategyKey, options: WorkerChoiceStrategyOptions, now: float | None = None
    ) -> None:
        """Changes the worker choice strategy for tasks placed from now on. O(workers).

        Given the time, tasks for which the last strategy found no worker are placed by the new one.
        """
        self.choosers.change(strategy, options)
        self.functions.rechoose()
        if now is not None:
            for task in self.lobby.drain():
                self._place(task, now)
            self._report()

    def set_queue(self, options: TasksQueueOptions, now: float, *, enabled: bool) -> None:
        """Changes the tasks queue options; switching the queues off sends all that waits to its worker."""
        self.placement.configure(options, queue_enabled=enabled)
        self.lobby.configure(options)
        nodes = list(self.sizing.nodes.values())
        for node in nodes:
            node.queue.configure(options)
            self.placement.set_quota(node)
            self.placement.relieve(node)
            self.placement.press(node)
            self.placement.stealing.remove_hungry(node)
            if len(node.sent) > node.capacity and not node.watched:
                self.placement.watch(node, now)
        # All have their new quota before the first steals from another.
        for node in nodes:
            if node.state == READY:
                self.placement.refill(node, now)
        self.placement.feed_all(now)
        self.edges.changed = True
        self._report()

    # ---- inside -----------------------------------------------------------------------------------

    def _enforce_limits(self, now: float) -> None:
        for task in self.limits.overdue(now):
            extra = task.extra
            if extra is None or extra.timed_out:
                continue  # Handed back and sent again within one moment, it is in the heap twice.
            extra.timed_out = True
            self.abort(task, now)
            message = f"task {task.id} ({task.function.name!r}) ran longer than {extra.timeout:g} s"
            self.effects.append(FailTask(task, TaskTimeoutError(message)))
        for node in self.limits.lingering(now):
            self.effects.append(KillWorker(node))
        for node in self.limits.stubborn(now):
            if not node.condemned:
                node.condemned = True
                self.retire(node, now)  # Nothing more is sent to it, and what waits for it moves at once.
                self.effects.append(KillWorker(node))

    def _spare_ready(self, spare_id: int, ready: WorkerReady, now: float) -> None:
        """A successor can run tasks: the worker whose slot it is to have may leave."""
        successor = self.sizing.spares.get(spare_id)
        if successor is None or successor.predecessor is None:
            return
        node = successor.predecessor
        self.recycling.stand_by(successor, ready)
        self.retire(node, now)
        self._hand_over(node, now)
        self._report()

    def _hand_over(self, node: Node, now: float) -> None:
        """Gives a leaving worker's slot to its successor, if that is ready and the worker runs few enough tasks."""
        if node.successor is None:
            return
        due = self.recycling.due(node)
        if due is not None:
            successor, ready = due
            self.placement.set_quota(successor)
            self.sizing.hand_over(node, successor)
            self.worker_ready(successor.id, ready, now)

    def _succeed(self, node: Node) -> tuple[int, WorkerReady] | None:
        """A worker is gone: its successor, if it has one, takes the slot now. Returns who it is if it is ready."""
        successor = node.successor
        if successor is None or successor.id not in self.sizing.spares:
            return None
        due = self.recycling.due(node)
        self.placement.set_quota(successor)
        self.sizing.hand_over(node, successor)
        return None if due is None else (successor.id, due[1])

    def _spare_lost(self, spare_id: int, exited: WorkerExit, now: float) -> None:
        """A successor is gone before it had a slot: the worker it was for stays, and gets another."""
        successor = self.sizing.spares.get(spare_id)
        if successor is None:
            return
        node = self.sizing.drop_spare(successor)
        stood_by = self.recycling.lost(successor)
        successor.state = GONE
        error = worker_crashed(spare_id, exited) if stood_by else start_failed(spare_id, exited)
        self.effects.append(Emit("error", successor, error))
        self.effects.append(Emit("worker_exit", successor, exited))
        why = self.workforce.crashed(node, now)
        if why is not None:
            self.give_up(error, why)
        elif node.state == READY:
            self.workforce.succeed_again(node, now)
        self._report()

    def _dismiss_spares(self) -> None:
        for successor in list(self.sizing.spares.values()):
            self.sizing.drop_spare(successor)
            self.recycling.lost(successor)
            successor.state = GONE
            self.effects.append(KillWorker(successor))

    def _place(self, task: Task, now: float) -> None:
        function = task.function
        node: Any = function.chooser.choose(now)
        if node is not None and not node.eligible:
            node = None  # A strategy of the user's that has not listened: that worker is gone.
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
        self.books.fail(task, PoolFailedError(f"{where}, and restart_worker_on_error is off"))

    def _retry(self, node: Node, now: float) -> None:
        """Tasks for which a user's strategy found no worker before: it may find one now that a task has ended."""
        lobby = self.lobby
        for shelf in lobby.shelves:
            while shelf.length and node.eligible and node.allowed(shelf.affinity):
                task = lobby.pop_from(shelf, now)
                self._place(task, now)
                if task.node is None:
                    break

    def _may_still_come(self, slots: frozenset[int] | None) -> bool:
        """Whether a worker that may run tasks of that affinity is there, on its way, or can be created."""
        sizing = self.sizing
        if sizing.growable or not self.workforce.ever_grown:
            return True
        return bool(sizing.by_slot) if slots is None else not slots.isdisjoint(sizing.by_slot)

    def _end_unstarted(self, node: Node, sequence: int, now: float) -> None:
        """Ends a task that the worker has not run: aborted where that was asked for, else failed."""
        task = node.sent.pop(sequence)
        usage = node.usage.of(task.function)
        if task.state == ABORTING:
            self.books.drop(task, usage)
        else:
            self.books.drop_surplus(task)
            usage.failed += 1
        task.state = ENDED
        self.placement.freed(node, task, now)
        if self.edges.changed:
            self._hand_over(node, now)
            self._report()

    def _withdraw(self, node: Node, state: int) -> None:
        if node.ready:
            self.ready_count -= 1
        elif node.state in (PLANNED, STARTING):
            self.sizing.coming -= 1
        self.placement.withdraw(node)
        node.state = state

    def give_up(self, error: BaseException, why: str) -> None:
        """Fails the pool, and every task with it."""
        failure = PoolFailedError(f"the pool has failed: {why}; the last: {error}")
        failure.__cause__ = error
        self.failure = failure
        self.closing = True
        self._dismiss_spares()
        self.sizing.retire_at = inf
        for task in self.lobby.drain():
            self.books.fail(task, self._pool_failed())
        for node in list(self.sizing.nodes.values()):
            for task in [*node.queue.drain(), *node.sent.values()]:
                if node.limited and task.state != QUEUED:
                    self.limits.gone(node, task)
                if task.state == ABORTING:
                    self.books.drop(task, node.usage.of(task.function))
                    task.state = ENDED
                else:
                    self.books.fail(task, self._pool_failed(), node)
            node.sent.clear()
            node.outbox.clear()
            node.load = 0
            node.ahead = 0.0
            if node.state == PLANNED:
                self._withdraw(node, GONE)
                self._bury(node)
            else:
                self._withdraw(node, RETIRING)
                self.effects.append(KillWorker(node))
        self.effects.append(FailPool(failure))

    def _bury(self, node: Node) -> None:
        """Frees the slot of a worker that is gone."""
        self.sizing.vacate(node)
        self.books.close(node)

    def _pool_failed(self) -> PoolFailedError:
        """A fresh error for one task: one that many raise would collect all their tracebacks."""
        assert self.failure is not None
        error = PoolFailedError(*self.failure.args)
        error.__cause__ = self.failure.__cause__
        return error

    def _report(self) -> None:
        if self.edges.changed:
            able = self.ready_count + self.recycling.standing_by > 0
            busy = able and not self.placement.stealing.hungry
            self.edges.check(self.effects, self.sizing, busy=busy, pressed=self.placement.pressed)


def _by_id(task: Task) -> int:
    return task.id
