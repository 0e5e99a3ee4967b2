"""How many workers there are, in which slots, and when one may come or go. Decides only."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

from poolifier.options import KillBehavior
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.node import PLANNED, READY, STARTING, Node


class Sizing:
    """The slots of a pool.

    Attributes:
        nodes: Every worker that holds a slot, by id.
        by_slot: The same, by slot.
        minimum: Workers below this are not dynamic: they never retire for want of work.
        maximum: The number of slots.
        retire_at: When to look next for workers that have been idle for too long.
    """

    __slots__ = ("_free", "_planned", "by_slot", "dynamic", "maximum", "minimum", "nodes", "retire_at")

    def __init__(self, minimum: int, maximum: int, *, dynamic: bool) -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.dynamic = dynamic
        self.nodes: dict[int, Node] = {}
        self.by_slot: dict[int, Node] = {}
        self.retire_at = inf
        self._free = list(range(maximum))
        self._planned: list[tuple[float, int]] = []

    @property
    def growable(self) -> bool:
        """Whether one more worker may be added for want of workers."""
        return self.dynamic and bool(self._free)

    def free_slot(self, affinity: Affinity | None = None) -> int | None:
        """The lowest free slot, or the lowest free one that the affinity allows; None where there is none."""
        if affinity is None or affinity.slots is None:
            return self._free[0] if self._free else None
        return min((slot for slot in affinity.slots if slot < self.maximum and slot not in self.by_slot), default=None)

    def occupy(self, node: Node) -> None:
        """Gives a node its slot, which must be free."""
        if self._free and self._free[0] == node.slot:
            heappop(self._free)
        else:
            self._free.remove(node.slot)
            heapify(self._free)
        self.nodes[node.id] = node
        self.by_slot[node.slot] = node

    def vacate(self, node: Node) -> None:
        """Takes a node out of its slot."""
        del self.nodes[node.id]
        del self.by_slot[node.slot]
        heappush(self._free, node.slot)

    def missing(self) -> int:
        """Workers that are missing up to the minimum."""
        return max(0, self.minimum - sum(not node.dynamic for node in self.nodes.values()))

    def wants_worker(self, waiting: int) -> bool:
        """Whether so many waiting tasks warrant another worker beside those that are on their way. O(workers)."""
        coming = sum(node.state in (PLANNED, STARTING) for node in self.nodes.values())
        return coming < waiting

    def plan(self, node: Node, at: float) -> None:
        """Notes that the node's worker is to be started then."""
        heappush(self._planned, (at, node.id))

    def due(self, now: float) -> list[Node]:
        """The nodes whose workers are to be started by now."""
        nodes: list[Node] = []
        while self._planned and self._planned[0][0] <= now:
            node = self.nodes.get(heappop(self._planned)[1])
            if node is not None and node.state == PLANNED:
                nodes.append(node)
        return nodes

    def next_start(self) -> float:
        """When the next worker is to be started."""
        return self._planned[0][0] if self._planned else inf

    def watch(self, node: Node, now: float) -> None:
        """Sees to it that a dynamic worker is looked at once it has been inactive for too long."""
        if node.dynamic:
            self.retire_at = min(self.retire_at, now + node.max_inactive_time)

    def inactive(self, now: float) -> list[Node]:
        """Dynamic workers that may retire by now; works out when to look again. O(workers)."""
        self.retire_at = inf
        leaving: list[Node] = []
        for node in self.nodes.values():
            if not node.dynamic or node.state != READY:
                continue
            if node.load and (node.kill_behavior is KillBehavior.SOFT or node.queue.length):
                continue  # It is looked at again when it goes idle, or when its queue has run dry.
            at = max(node.active_since, node.heard_at) + node.max_inactive_time
            if at <= now:
                leaving.append(node)
            else:
                self.retire_at = min(self.retire_at, at)
        return leaving
