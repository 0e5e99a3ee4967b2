"""Who may steal, and from whom. Decides only; `Placement` moves the task.

A worker is *hungry* when it runs fewer tasks than its quota and its own queue is dry. It steals at
once, from the fullest queue that holds something it may run. There is no timer: a worker turns
hungry only when a task ends or it gets ready, and something to steal appears only when a task is
queued, so looking at these two moments misses nothing.

A worker that could fill up by stealing is a *thief* until its own queue feeds it again or it runs
dry. So no worker is hungry and a thief at once, which is why a pool that has its `limit` of thieves
need not look for one among the hungry.
"""

from __future__ import annotations

from math import ceil

from poolifier.options import TasksQueueOptions
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.node import Node
from poolifier.scheduler.queues import Shelf


class Stealing:
    """The hungry workers, those that live on stolen tasks, and how many of them there may be.

    Attributes:
        hungry: Ready workers that run fewer tasks than their quota, in no order.
        thieves: How many workers run tasks that they have stolen.
        enabled: Whether hungry workers steal at all.
    """

    __slots__ = ("_ratio", "_restricted", "enabled", "hungry", "limit", "on_back_pressure", "thieves")

    def __init__(self, options: TasksQueueOptions) -> None:
        self.hungry: list[Node] = []
        self.thieves: int = 0
        self.limit: int = 0
        # The hungry by affinity, for those that do not allow every slot: made when first asked for.
        self._restricted: dict[Affinity, HungryNodes] = {}
        self.configure(options)

    def configure(self, options: TasksQueueOptions) -> None:
        """Takes over other options; `resize` has to follow."""
        self._ratio = options.tasks_stealing_ratio
        self.enabled: bool = options.task_stealing
        self.on_back_pressure: bool = options.tasks_stealing_on_back_pressure and self._ratio > 0

    def resize(self, workers: int) -> None:
        """Works out anew how many may steal at a time."""
        # Rounded first: 20 x 0.55 is a little more than 11 in binary, and must not make 12.
        self.limit = ceil(round(workers * self._ratio, 9))

    def add_hungry(self, node: Node) -> bool:
        """Notes that a worker has run dry; True where it is now the only one. O(affinities)."""
        hungry = self.hungry
        if node.hungry_position >= 0:
            return False
        node.hungry_position = len(hungry)
        hungry.append(node)
        if self._restricted:
            for affinity, nodes in self._restricted.items():
                if node.allowed(affinity):
                    nodes.add(node)
        return node.hungry_position == 0

    def remove_hungry(self, node: Node) -> bool:
        """Notes that a worker has enough to do, or is gone; True where none is left. O(affinities)."""
        position = node.hungry_position
        if position < 0:
            return False
        last = self.hungry.pop()
        if last is not node:
            self.hungry[position] = last
            last.hungry_position = position
        node.hungry_position = -1
        if self._restricted:
            for nodes in self._restricted.values():
                nodes.discard(node)
        return not self.hungry

    def may_steal(self, node: Node) -> bool:
        """Whether one more may steal, or this one already does."""
        return self.enabled and (node.stealing or self.thieves < self.limit)

    def begin(self, node: Node) -> None:
        """Notes that the worker lives on stolen tasks from here on."""
        if not node.stealing:
            node.stealing = True
            self.thieves += 1

    def end(self, node: Node) -> bool:
        """Notes that it does not any more; True where that lets another steal."""
        node.usage.sequentially_stolen = 0
        if not node.stealing:
            return False
        node.stealing = False
        self.thieves -= 1
        return True

    def victim(self, thief: Node, affinities: list[Affinity]) -> Shelf | None:
        """The fullest queue that holds something the thief may run. O(affinities)."""
        best = None
        for affinity in affinities:
            if affinity.slots is None or thief.slot in affinity.slots:
                shelf = affinity.backlog.fullest()
                if shelf is not None and shelf.node is not thief and (best is None or shelf.length > best.length):
                    best = shelf
        return best

    def hungry_for(self, affinity: Affinity) -> Node | None:
        """A hungry worker that may run tasks of that affinity, whether or not it may steal. O(1)."""
        hungry = self.hungry
        if not hungry:
            return None
        if affinity.slots is None:
            return hungry[-1]
        nodes = self._restricted.get(affinity)
        if nodes is None:
            nodes = self._restricted[affinity] = HungryNodes()
            for node in hungry:
                if node.allowed(affinity):
                    nodes.add(node)
        return nodes.any()

    def thief_for(self, affinity: Affinity) -> Node | None:
        """A hungry worker that may steal tasks of that affinity. O(1)."""
        if not self.enabled or self.thieves >= self.limit:
            return None
        return self.hungry_for(affinity)


class HungryNodes:
    """A set of nodes from which any one can be had. All in O(1)."""

    __slots__ = ("_nodes", "_positions")

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._positions: dict[int, int] = {}

    def add(self, node: Node) -> None:
        """Adds a node that is not in it."""
        self._positions[node.id] = len(self._nodes)
        self._nodes.append(node)

    def discard(self, node: Node) -> None:
        """Removes a node, if it is in it."""
        position = self._positions.pop(node.id, None)
        if position is None:
            return
        # The last one takes the place, so that nothing else has to move.
        last = self._nodes.pop()
        if last is not node:
            self._nodes[position] = last
            self._positions[last.id] = position

    def any(self) -> Node | None:
        """The one that was added last, or None."""
        return self._nodes[-1] if self._nodes else None
