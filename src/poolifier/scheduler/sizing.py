"""How many workers there are, in which slots, and when one may come or go. Decides only."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

from poolifier.options import KillBehavior
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.node import PLANNED, READY, Node


class Sizing:
    """The slots of a pool.

    Attributes:
        nodes: Every worker that holds a slot, by id, and those that finish tasks after handing it over.
        by_slot: Those that hold a slot, by slot.
        spares: Successors that have no slot yet, by id.
        minimum: Workers below this are not dynamic: they never retire for want of work.
        maximum: The number of slots.
        growable: Whether one more worker may be added for want of workers.
        coming: Workers that are planned or starting.
        vacated: How often a slot has become free.
        retire_at: When to look next for workers that have been idle for too long.
    """

    __slots__ = (
        "_free",
        "_planned",
        "by_slot",
        "coming",
        "dynamic",
        "growable",
        "maximum",
        "minimum",
        "nodes",
        "retire_at",
        "spares",
        "vacated",
    )

    def __init__(self, minimum: int, maximum: int, *, dynamic: bool) -> None:
        self.minimum: int = minimum
        self.maximum: int = maximum
        self.dynamic: bool = dynamic
        self.nodes: dict[int, Node] = {}
        self.by_slot: dict[int, Node] = {}
        self.spares: dict[int, Node] = {}
        self.retire_at: float = inf
        self.growable: bool = dynamic
        self.coming: int = 0
        self.vacated: int = 0
        self._free = list(range(maximum))
        self._planned: list[tuple[float, int]] = []

    def free_slot(self, affinity: Affinity | None = None) -> int | None:
        """The lowest free slot, or the lowest free one that the affinity allows; None where there is none.

        O(slots of the affinity) where a worker has come or gone since the last call, else O(1).
        """
        if affinity is None or affinity.slots is None:
            return self._free[0] if self._free else None
        if affinity.taken_at == self.vacated:
            return None
        slots = (slot for slot in affinity.slots if slot < self.maximum and slot not in self.by_slot)
        slot = min(slots, default=None)
        if slot is None:
            affinity.taken_at = self.vacated
        return slot

    def occupy(self, node: Node) -> None:
        """Gives a node its slot, which must be free."""
        if self._free and self._free[0] == node.slot:
            heappop(self._free)
        else:
            self._free.remove(node.slot)
            heapify(self._free)
        self.nodes[node.id] = node
        self.by_slot[node.slot] = node
        self.coming += 1
        self.growable = self.dynamic and bool(self._free)

    def vacate(self, node: Node) -> None:
        """Takes a node out of its slot, if it has not handed it over already."""
        del self.nodes[node.id]
        if self.by_slot.get(node.slot) is not node:
            return
        del self.by_slot[node.slot]
        heappush(self._free, node.slot)
        self.vacated += 1
        self.growable = self.dynamic

    def add_spare(self, successor: Node, node: Node) -> None:
        """Notes who is to have the node's slot."""
        node.successor = successor
        successor.predecessor = node
        self.spares[successor.id] = successor

    def drop_spare(self, successor: Node) -> Node:
        """Forgets a spare; returns the node whose slot it was to have."""
        node = successor.predecessor
        assert node is not None
        del self.spares[successor.id]
        successor.predecessor = None
        node.successor = None
        return node

    def hand_over(self, node: Node, successor: Node) -> None:
        """Gives a node's slot to its successor."""
        del self.spares[successor.id]
        successor.predecessor = None
        if self.by_slot.get(node.slot) is node:
            self.nodes[successor.id] = self.by_slot[node.slot] = successor
            self.coming += 1
        else:
            self.occupy(successor)

    def missing(self) -> int:
        """Workers that are missing up to the minimum."""
        return max(0, self.minimum - sum(not node.dynamic for node in self.by_slot.values()))

    def plan(self, node: Node, at: float) -> None:
        """Notes that the node's worker is to be started then."""
        heappush(self._planned, (at, node.id))

    def due(self, now: float) -> list[Node]:
        """The nodes whose workers are to be started by now."""
        nodes: list[Node] = []
        while self._planned and self._planned[0][0] <= now:
            node_id = heappop(self._planned)[1]
            node = self.nodes.get(node_id) or self.spares.get(node_id)
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
            at = max(node.active_since, node.heard_at) + node.max_inactive_time
            if node.load:
                if node.kill_behavior is KillBehavior.SOFT or not node.sent:
                    continue  # It is looked at again when it goes idle, or what waits for its successor is.
                last = next(reversed(node.sent.values()))
                at = max(at, last.submitted_at + node.max_inactive_time)
                if node.queued:
                    # What waits for it would have to move, or would be aborted with what runs.
                    at = max(at, now + node.max_inactive_time)
            if at <= now:
                leaving.append(node)
            else:
                self.retire_at = min(self.retire_at, at)
        return leaving
