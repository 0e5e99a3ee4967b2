"""Workers come and go: what becomes of them, of their tasks and of their slots then.

Part of the scheduler, which calls it and which it calls to place tasks and to report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolifier.errors import PoolFailedError
from poolifier.exchange import WorkerExit, WorkerReady
from poolifier.scheduler.crashes import cannot_start, none_left, start_failed, worker_crashed
from poolifier.scheduler.effects import Emit, KillWorker, StopWorker
from poolifier.scheduler.node import GONE, PLANNED, READY, RETIRING, STARTING, Node
from poolifier.scheduler.task import ABORTING, by_id

if TYPE_CHECKING:
    from poolifier.scheduler.scheduler import Scheduler


class Turnover:
    """Takes workers in, sees them off, gives their slots to their successors, and says when none can be had."""

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
        "_restarts",
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
        self._restarts = scheduler.workforce.restarts
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
        node.heard_at = node.active_since = node.ready_at = now
        node.max_inactive_time = ready.max_inactive_time
        node.kill_behavior = ready.kill_behavior
        self._recycling.begin(node)
        self._scheduler.ready_count += 1
        self._sizing.coming -= 1
        if not self._functions.learned:
            self._scheduler.learn(ready, now)
        self._effects.append(Emit("worker_online", node))
        self._restarts.ready(node.slot)
        if self._scheduler.failure is not None:
            self._scheduler.failure = None
            self._effects.append(Emit("recovered"))
            self._workforce.hurry(now)
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
        # One that has handed its slot over has no say any more in how starts go there.
        counts = self._sizing.by_slot.get(node.slot) is node
        begun = exited.started > 0
        self._bury(node)
        # A worker that has begun a task, or that could have for a while, is none whose start has failed.
        lasted = node.ready_at >= 0.0 and (begun or expected or self._restarts.settled(now - node.ready_at))
        if counts and lasted:
            self._restarts.succeeded(node.slot)
        successor = self._succeed(node, now)
        self._workforce.resized(now)
        if not expected:
            error = (
                start_failed(self._pool, node.id, exited)
                if was_starting
                else worker_crashed(self._pool, node.id, exited)
            )
            self._books.crashed += 1
            self._effects.append(Emit("error", node, error))
            failed = False
            if counts and not begun:
                self._restarts.count(node.slot, error, now, was_ready=node.ready_at >= 0.0)
                failed = self._restarts.judge(node.slot)
            self._workforce.replace(node, now)
            self._judge(node.slot, error, failed=failed)
        elif counts and not self._scheduler.closing:
            if node.dynamic:
                self._workforce.try_on(node, now)
            else:
                self._workforce.refill(node, now)
        if expected and exited.abandoned:
            # Its pool goes on without it, but somebody should know of what it leaves behind.
            self._effects.append(Emit("error", node, worker_crashed(self._pool, node.id, exited)))
        self._effects.append(Emit("worker_exit", node, exited))
        if successor is not None:
            self.ready(*successor, now)
        # What waits for any worker may have waited for this one, or for its slot to become free.
        unsettled.extend(self._lobby.drain())
        for task in sorted(unsettled, key=by_id):
            self._scheduler.place_again(task, now)
        self._scheduler.report()

    def _judge(self, slot: int, error: BaseException, *, failed: bool) -> None:
        """A worker has died, and perhaps its slot has failed: where there is no other to wait for, the pool is failing.

        A slot that has failed is tried on, but nothing waits for it. So there is hope while any other has a worker,
        be it one that has yet to start.
        """
        if not self._sizing.by_slot and not self._sizing.dynamic:
            self._fail(none_left(self._pool, None, error))
        elif failed and self._restarts.hopeless(frozenset(self._sizing.by_slot)):
            self._fail(cannot_start(self._pool, None, slot, self._restarts.failed[slot]))

    def _fail(self, failure: PoolFailedError) -> None:
        """The pool is failing, as of now or still: what waits and what comes has this error until a worker is ready."""
        before = self._scheduler.failure
        self._scheduler.failure = failure
        if before is None:
            self._effects.append(Emit("failing", None, failure))

    def retire(self, node: Node, now: float) -> None:
        """Lets a worker leave: what it was sent it finishes, what waits for it moves.

        A worker of the minimum is replaced once it is gone. Does nothing where it is leaving already.
        """
        if node.state in (RETIRING, GONE):
            return
        if node.state == PLANNED:
            # There is no worker yet that could be asked to leave.
            if (not node.dynamic or node.slot in self._restarts.failed) and not self._scheduler.closing:
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

    def _succeed(self, node: Node, now: float) -> tuple[int, WorkerReady] | None:
        """A worker is gone: its successor, if it has one, takes the slot now. Returns who it is if it is ready."""
        successor = node.successor
        if successor is None or successor.id not in self._sizing.spares:
            return None
        due = self._recycling.due(node)
        self._placement.set_quota(successor)
        self._sizing.hand_over(node, successor)
        if successor.state == PLANNED:
            # It may start sooner, now that it is known how well the one before it went.
            self._sizing.plan(successor, now + self._restarts.delay(successor.slot, now))
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
        self._books.crashed += 1
        self._effects.append(Emit("error", successor, error))
        self._effects.append(Emit("worker_exit", successor, exited))
        # Its slot has a worker, so it has not failed. It has once that is gone, if this goes on.
        self._restarts.count(node.slot, error, now, was_ready=stood_by)
        if node.state == READY:
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
