"""Who may steal, and from whom. Decides only; the scheduler moves the task.

A worker is *hungry* when it runs fewer tasks than its quota and its own queue is dry. It steals at
once, from the fullest queue that holds something it may run. There is no timer: a worker turns
hungry only when a task ends or it gets ready, and something to steal appears only when a task is
queued, so looking at these two moments misses nothing.
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

    __slots__ = ("_ratio", "enabled", "hungry", "limit", "on_back_pressure", "thieves")

    def __init__(self, options: TasksQueueOptions) -> None:
        self.hungry: list[Node] = []
        self.thieves = 0
        self.limit = 0
        self.configure(options)

    def configure(self, options: TasksQueueOptions) -> None:
        """Takes over other options; `resize` has to follow."""
        self._ratio = options.tasks_stealing_ratio
        self.enabled = options.task_stealing
        self.on_back_pressure = options.tasks_stealing_on_back_pressure and self._ratio > 0

    def resize(self, workers: int) -> None:
        """Works out anew how many may steal at a time."""
        self.limit = ceil(workers * self._ratio)

    def add_hungry(self, node: Node) -> None:
        """Notes that a worker has run dry. O(1)."""
        if node.hungry_position < 0:
            node.hungry_position = len(self.hungry)
            self.hungry.append(node)

    def remove_hungry(self, node: Node) -> None:
        """Notes that a worker has enough to do, or is gone. O(1)."""
        position = node.hungry_position
        if position >= 0:
            last = self.hungry.pop()
            if last is not node:
                self.hungry[position] = last
                last.hungry_position = position
            node.hungry_position = -1

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

    def hungry_for(self, affinity: Affinity, by_slot: dict[int, Node]) -> Node | None:
        """A hungry worker that may run tasks of that affinity. O(1), or O(slots) of the affinity."""
        hungry = self.hungry
        if not hungry:
            return None
        slots = affinity.slots
        if self.thieves >= self.limit:
            # No further worker may begin to steal; one that has begun and has room left may go on.
            return next((node for node in hungry if node.stealing and node.allowed(affinity)), None)
        if slots is None:
            return hungry[-1]
        if len(hungry) < len(slots):
            return next((node for node in hungry if node.slot in slots), None)
        candidates = (by_slot.get(slot) for slot in slots)
        return next((node for node in candidates if node is not None and node.hungry_position >= 0), None)
