"""Which workers there are: growing, starting, replacing. Decides only; tasks are the scheduler's."""

from __future__ import annotations

from poolifier.options import PoolOptions
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.effects import Effect, StartWorker
from poolifier.scheduler.functions import Function
from poolifier.scheduler.node import PLANNED, STARTING, UNLIMITED, Node
from poolifier.scheduler.placement import Placement
from poolifier.scheduler.restarts import Restarts
from poolifier.scheduler.sizing import Sizing


class Workforce:
    """Adds workers, now or after a back-off.

    Attributes:
        restarts: The starts that failed.
        restarted: Workers that were started where the last one had died, or had been ended.
    """

    __slots__ = ("_effects", "_last_node_id", "_options", "_placement", "_sizing", "restarted", "restarts")

    def __init__(self, options: PoolOptions, sizing: Sizing, placement: Placement, effects: list[Effect]) -> None:
        self._options = options
        self._sizing = sizing
        self._placement = placement
        self._effects = effects
        self.restarts: Restarts = Restarts(options.restart_limit)
        self.restarted: int = 0
        self._last_node_id = 0

    @property
    def ever_grown(self) -> bool:
        """Whether there has been any worker yet."""
        return self._last_node_id > 0

    def fill(self, now: float) -> None:
        """Adds the workers that are missing up to the minimum."""
        for _ in range(self._sizing.missing()):
            slot = self._sizing.free_slot()
            if slot is not None:
                self.add(slot, now, dynamic=False)

    def grow(self, function: Function, chosen: Node | None, now: float) -> Node | None:
        """Adds a worker where all that might take a task are busy. Returns where the task is to go."""
        affinity = function.affinity
        if self._placement.stealing.hungry_for(affinity) is not None:
            return chosen
        waiting = sum(each.waiting for each in self._placement.choosers.affinities)
        coming = self._sizing.coming
        if self.restarts.failed:
            # Those are tried, but nothing is to wait for them.
            coming -= sum(slot in self._sizing.by_slot for slot in self.restarts.failed)
        if affinity.slots is None and waiting < coming:
            return chosen  # For each task that waits, this one included, a worker is on its way.
        slot = self._free_slot(affinity)
        if slot is None:
            return chosen
        node = self.add(slot, now, dynamic=True)
        if node.state == PLANNED:
            # It may not start for a while, after failed starts in its slot. Where no other is there, the task waits for
            # whichever is ready first.
            return chosen
        policy = self._placement.choosers.made[function.choice].policy
        if policy.dynamic_worker_ready:
            self._placement.choosers.add(node)
        return node if policy.dynamic_worker_usage or chosen is None else chosen

    def add(self, slot: int, now: float, *, dynamic: bool) -> Node:
        """Adds a worker in a free slot, as soon as the slot's back-off allows."""
        self._last_node_id += 1
        node = Node(self._last_node_id, slot, dynamic=dynamic, options=self._placement.options, now=now)
        self._placement.set_quota(node)
        self._sizing.occupy(node)
        self.resized(now)
        delay = self.restarts.delay(slot, now)
        if delay > 0.0:
            self._sizing.plan(node, now + delay)
        else:
            self.start(node, now)
        return node

    def _free_slot(self, affinity: Affinity) -> int | None:
        """A free slot for one more worker, in which one can be started."""
        slot = self._sizing.free_slot(affinity)
        if slot is None or slot not in self.restarts.failed:
            return slot
        # Nothing is tried in it any more, or it would not be free: workers that die are not to be replaced.
        return min(
            (each for each in self._sizing.free_slots(affinity) if each not in self.restarts.failed), default=None
        )

    def start_again(self, node: Node, now: float) -> None:
        """Has the worker of a node started whose slot was backing off."""
        self.restarted += 1
        self.start(node, now)

    def start(self, node: Node, now: float) -> None:
        """Has the node's worker started now."""
        node.state = STARTING
        node.heard_at = now
        self._effects.append(StartWorker(node))

    def resized(self, now: float) -> None:
        """The number of workers has changed, and with it how many may steal."""
        self._placement.stealing.resize(len(self._sizing.by_slot))
        self._placement.edges.changed = True
        self._placement.feed_all(now)

    def succeed(self, node: Node, now: float, delay: float) -> None:
        """Starts a successor of a worker that is to be recycled, after so many seconds."""
        self._last_node_id += 1
        successor = Node(self._last_node_id, node.slot, dynamic=node.dynamic, options=self._placement.options, now=now)
        self._sizing.add_spare(successor, node)
        if delay > 0.0:
            self._sizing.plan(successor, now + delay)
        else:
            self.start(successor, now)

    def succeed_again(self, node: Node, now: float) -> None:
        """Starts another successor after the first has died, once the slot's back-off allows."""
        if self._options.restart_worker_on_error:
            self.succeed(node, now, self.restarts.delay(node.slot, now))
        else:
            node.task_limit = node.memory_limit = UNLIMITED

    def replace(self, node: Node, now: float) -> None:
        """Replaces a worker that died, where that is wanted."""
        # A dynamic one comes back with the next task that waits, unless its slot has failed: that is tried on.
        if self._options.restart_worker_on_error and (not node.dynamic or node.slot in self.restarts.failed):
            self.refill(node, now)

    def try_on(self, node: Node, now: float) -> None:
        """Sees to it that a slot which has failed is tried again, although nobody waits for it."""
        if self._options.restart_worker_on_error and node.slot in self.restarts.failed:
            self.refill(node, now)

    def refill(self, node: Node, now: float) -> None:
        """Adds a worker where the last one was, unless a successor is there already."""
        if node.slot not in self._sizing.by_slot:
            added = self.add(node.slot, now, dynamic=node.dynamic)
            if added.state == STARTING:
                self.restarted += 1

    def hurry(self, now: float) -> None:
        """Starts can succeed again: those that were put off are tried now."""
        for node in self._sizing.by_slot.values():
            if node.state == PLANNED:
                self._sizing.plan(node, now)
