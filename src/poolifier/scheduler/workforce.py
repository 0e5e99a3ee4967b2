"""Which workers there are: growing, starting, replacing. Decides only; tasks are the scheduler's."""

from __future__ import annotations

from poolifier.options import PoolOptions
from poolifier.scheduler.effects import Effect, StartWorker
from poolifier.scheduler.functions import Function
from poolifier.scheduler.node import PLANNED, STARTING, UNLIMITED, Node
from poolifier.scheduler.placement import Placement
from poolifier.scheduler.restarts import Restarts
from poolifier.scheduler.sizing import Sizing


class Workforce:
    """Adds workers, now or after a back-off, and says when there is no point in it any more."""

    __slots__ = ("_effects", "_last_node_id", "_options", "_placement", "_restarts", "_sizing")

    def __init__(self, options: PoolOptions, sizing: Sizing, placement: Placement, effects: list[Effect]) -> None:
        self._options = options
        self._sizing = sizing
        self._placement = placement
        self._effects = effects
        self._restarts = Restarts(options.restart_limit)
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
        if affinity.slots is None and waiting < self._sizing.coming:
            return chosen  # For each task that waits, this one included, a worker is on its way.
        slot = self._sizing.free_slot(affinity)
        if slot is None:
            return chosen
        node = self.add(slot, now, dynamic=True)
        if node.state == PLANNED and chosen is not None:
            return chosen  # It may not start for a while, after a crash in its slot.
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
        delay = self._restarts.delay(slot, now)
        if delay > 0.0:
            self._sizing.plan(node, now + delay)
        else:
            self.start(node, now)
        return node

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
            self.succeed(node, now, self._restarts.delay(node.slot, now))
        else:
            node.task_limit = node.memory_limit = UNLIMITED

    def replace(self, node: Node, now: float) -> str | None:
        """Replaces a worker that died, or says why the pool has to give up."""
        why = self.crashed(node, now)
        if why is None and self._options.restart_worker_on_error and not node.dynamic:
            self.refill(node.slot, now)
        return why

    def refill(self, slot: int, now: float) -> None:
        """Adds a worker of the minimum where the last one was, unless a successor is there already."""
        if slot not in self._sizing.by_slot:
            self.add(slot, now, dynamic=False)

    def crashed(self, node: Node, now: float) -> str | None:
        """Takes in that a worker died, or says why the pool has to give up."""
        delay = self._restarts.crashed(node.slot, now)
        if delay is None and (self._options.restart_worker_on_error or self._sizing.dynamic):
            # A dynamic pool starts workers for the tasks that wait, restarts or not: that has to end as well.
            restarts, seconds = self._options.restart_limit
            return f"workers died more than {restarts} times in {seconds:g} s in slot {node.slot}"
        if self._options.restart_worker_on_error or self._sizing.by_slot or self._sizing.dynamic:
            return None
        return "the last worker died, and restart_worker_on_error is off"
