"""Workers come and go: what becomes of them, of their tasks and of their slots then.

Part of the scheduler, which calls it and which it calls to place tasks and to report.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from poolifier.errors import PoolFailedError
from poolifier.exchange import WorkerExit, WorkerReady
from poolifier.scheduler.crashes import start_failed, worker_crashed
from poolifier.scheduler.effects import Emit, FailPool, KillWorker, StopWorker
from poolifier.scheduler.node import GONE, PLANNED, READY, RETIRING, STARTING, Node
from poolifier.scheduler.task import ABORTING, ENDED, QUEUED, by_id

if TYPE_CHECKING:
    from poolifier.scheduler.scheduler import Scheduler


class Turnover:
    """Takes workers in, sees them off, gives their slots to their successors, and gives the pool up."""

    __slots__ = (
        "_books",
        "_choosers",
        "_edges",
        "_effects",
        "_functions",
        "_limits",
        "_lobby",
        "_placement",
        "_pool",
        "_recycling",
        "_scheduler",
        "_sizing",
        "_workforce",
    )

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._pool: str = scheduler.options.name
        self._sizing = scheduler.sizing
        self._placement = scheduler.placement
        self._effects = scheduler.effects
        self._choosers = scheduler.choosers
        self._recycling = scheduler.recycling
        self._limits = scheduler.limits
        self._books = scheduler.books
        self._workforce = scheduler.workforce
        self._functions = scheduler.functions
        self._lobby = scheduler.lobby
        self._edges = scheduler.edges

    def ready(self, node_id: int, ready: WorkerReady, now: float) -> None:
        """A worker can run tasks."""
        node = self._sizing.nodes.get(node_id)
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
        self._recycling.begin(node, now)
        self._scheduler.ready_count += 1
        self._sizing.coming -= 1
        if not self._functions.learned:
            self._scheduler.learn(ready, now)
        self._effects.append(Emit("worker_online", node))
        self._choosers.add(node)
        for shelf in node.queue.shelves:
            shelf.affinity.backlog.update(shelf)
        self._sizing.watch(node, now)
        # First its own: once it is known to be hungry, no further worker is created for what is in the lobby.
        self._placement.welcome(node, now)
        for task in self._lobby.drain(node):
            self._scheduler.place_again(task, now)
        # Its own queue may have filled while it started; from here on others may steal from it.
        self._placement.feed_all(now)
        if not self._scheduler.was_ready and self._scheduler.ready_count >= self._sizing.minimum:
            self._scheduler.was_ready = True
            self._effects.append(Emit("ready"))
        self._edges.changed = True
        self._scheduler.report()

    def lost(self, node_id: int, exited: WorkerExit, now: float) -> None:
        """A worker is gone. Its started tasks fail or run again as asked, the others move, all exactly once."""
        node = self._sizing.nodes.get(node_id)
        if node is None:
            self._spare_lost(node_id, exited, now)
            return
        was_starting = node.state in (PLANNED, STARTING)
        unfinished = any(task.state != ABORTING for task in node.sent.values())
        # A worker that was killed because a task on it would not stop has not failed: it is replaced, no more.
        expected = self._scheduler.closing or node.condemned or (node.state == RETIRING and not unfinished)
        self._withdraw(node, GONE)
        unsettled = self._books.settle_lost(node, exited)
        self._bury(node)
        successor = self._succeed(node)
        self._workforce.resized(now)
        if not expected:
            error = (
                start_failed(self._pool, node.id, exited)
                if was_starting
                else worker_crashed(self._pool, node.id, exited)
            )
            self._effects.append(Emit("error", node, error))
            why = self._workforce.replace(node, now)
            if why is not None:
                self.give_up(error, why)
        elif not self._scheduler.closing and not node.dynamic:
            self._workforce.refill(node.slot, now)
        if expected and exited.abandoned:
            # Its pool goes on without it, but somebody should know of what it leaves behind.
            self._effects.append(Emit("error", node, worker_crashed(self._pool, node.id, exited)))
        self._effects.append(Emit("worker_exit", node, exited))
        if successor is not None:
            self.ready(*successor, now)
        # What waits for any worker may have waited for this one, or for its slot to become free.
        unsettled.extend(self._lobby.drain())
        for task in sorted(unsettled, key=by_id):
            if self._scheduler.failure is not None:
                self._books.fail(task, self.pool_failed())
            else:
                self._scheduler.place_again(task, now)
        self._scheduler.report()

    def retire(self, node: Node, now: float) -> None:
        """Lets a worker leave: what it was sent it finishes, what waits for it moves.

        A worker of the minimum is replaced once it is gone. Does nothing where it is leaving already.
        """
        if node.state in (RETIRING, GONE):
            return
        if node.state == PLANNED:
            # There is no worker yet that could be asked to leave.
            if not node.dynamic and not self._scheduler.closing:
                return
            self._withdraw(node, GONE)
            self._bury(node)
            self._workforce.resized(now)
        else:
            self._withdraw(node, RETIRING)
            self._limits.leave(node, now)
            self._effects.append(StopWorker(node))
        waiting = self._placement.empty_queue(node)
        if node.state == GONE:
            waiting.extend(self._lobby.drain())
        for task in sorted(waiting, key=by_id):
            self._scheduler.place_again(task, now)
        self._placement.feed_all(now)
        self._scheduler.report()

    def give_up(self, error: BaseException, why: str) -> None:
        """Fails the pool, and every task with it."""
        failure = PoolFailedError(f"pool {self._pool!r} has failed: {why}; the last: {error}")
        failure.__cause__ = error
        self._scheduler.failure = failure
        self._scheduler.closing = True
        self.dismiss_spares()
        self._sizing.retire_at = inf
        for task in self._lobby.drain():
            self._books.fail(task, self.pool_failed())
        for node in list(self._sizing.nodes.values()):
            for task in [*node.queue.drain(), *node.sent.values()]:
                if node.limited and task.state != QUEUED:
                    self._limits.gone(node, task)
                if task.state == ABORTING:
                    self._books.drop(task, node.usage.of(task.function))
                    task.state = ENDED
                else:
                    self._books.fail(task, self.pool_failed(), node)
            node.sent.clear()
            node.outbox.clear()
            node.load = 0
            node.ahead = 0.0
            if node.state == PLANNED:
                self._withdraw(node, GONE)
                self._bury(node)
            else:
                self._withdraw(node, RETIRING)
                self._effects.append(KillWorker(node))
        self._effects.append(FailPool(failure))

    def hand_over(self, node: Node, now: float) -> None:
        """Gives a leaving worker's slot to its successor, if that is ready and the worker runs few enough tasks."""
        if node.successor is None:
            return
        if node.state == READY and self._recycling.is_over(node):
            self.retire(node, now)
        due = self._recycling.due(node)
        if due is not None:
            successor, ready = due
            self._placement.set_quota(successor)
            self._sizing.hand_over(node, successor)
            self.ready(successor.id, ready, now)

    def _spare_ready(self, spare_id: int, ready: WorkerReady, now: float) -> None:
        """A successor can run tasks: the worker whose slot it is to have may leave."""
        successor = self._sizing.spares.get(spare_id)
        if successor is None or successor.predecessor is None:
            return
        node = successor.predecessor
        self._recycling.stand_by(successor, ready)
        self.hand_over(node, now)
        self._scheduler.report()

    def _succeed(self, node: Node) -> tuple[int, WorkerReady] | None:
        """A worker is gone: its successor, if it has one, takes the slot now. Returns who it is if it is ready."""
        successor = node.successor
        if successor is None or successor.id not in self._sizing.spares:
            return None
        due = self._recycling.due(node)
        self._placement.set_quota(successor)
        self._sizing.hand_over(node, successor)
        return None if due is None else (successor.id, due[1])

    def _spare_lost(self, spare_id: int, exited: WorkerExit, now: float) -> None:
        """A successor is gone before it had a slot: the worker it was for stays, and gets another."""
        successor = self._sizing.spares.get(spare_id)
        if successor is None:
            return
        node = self._sizing.drop_spare(successor)
        stood_by = self._recycling.lost(successor)
        successor.state = GONE
        error = worker_crashed(self._pool, spare_id, exited) if stood_by else start_failed(self._pool, spare_id, exited)
        self._effects.append(Emit("error", successor, error))
        self._effects.append(Emit("worker_exit", successor, exited))
        why = self._workforce.crashed(node, now)
        if why is not None:
            self.give_up(error, why)
        elif node.state == READY:
            self._workforce.succeed_again(node, now)
            self._recycling.go_on(node, now)
        self._scheduler.report()

    def dismiss_spares(self) -> None:
        """Ends the successors that have no slot yet."""
        for successor in list(self._sizing.spares.values()):
            self._sizing.drop_spare(successor)
            self._recycling.lost(successor)
            successor.state = GONE
            self._effects.append(KillWorker(successor))

    def _withdraw(self, node: Node, state: int) -> None:
        if node.ready:
            self._scheduler.ready_count -= 1
        elif node.state in (PLANNED, STARTING):
            self._sizing.coming -= 1
        self._placement.withdraw(node)
        node.state = state

    def _bury(self, node: Node) -> None:
        """Frees the slot of a worker that is gone."""
        self._sizing.vacate(node)
        self._books.close(node)

    def pool_failed(self) -> PoolFailedError:
        """A fresh error for one task: one that many raise would collect all their tracebacks."""
        assert self._scheduler.failure is not None
        error = PoolFailedError(*self._scheduler.failure.args)
        error.__cause__ = self._scheduler.failure.__cause__
        return error
