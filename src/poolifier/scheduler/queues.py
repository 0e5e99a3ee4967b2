"""A worker's queue: priorities with ageing, first-in-first-out among equals.

The effective priority of a waiting task is

    priority - waited seconds * aging_factor * (1 + load ** load_exponent)

and the lowest runs first. All tasks of a queue age at the same rate, so of two tasks of one nice
level the older is always first, whatever the rate: one first-in-first-out *lane* per nice level is
enough, and only the heads of the lanes compete. That is exact, and costs O(nice levels present)
instead of O(log tasks) with keys that go stale as the rate changes.

Lanes are grouped by affinity into *shelves*, so that a thief finds what it may take without
looking at what it may not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from poolifier.scheduler.task import ENDED, Task, by_id

if TYPE_CHECKING:
    from poolifier.options import TasksQueueOptions
    from poolifier.scheduler.affinity import Affinity
    from poolifier.scheduler.node import Node

DEAD_BEFORE_COMPACTION = 32


class Lane:
    """The waiting tasks of one nice level and affinity, oldest first."""

    __slots__ = ("dead", "priority", "tasks", "unsorted")

    def __init__(self, priority: int) -> None:
        self.priority: int = priority
        self.tasks: deque[Task] = deque()
        # An aborted task stays in the deque, marked as ended, until it reaches the head: removing it
        # there and then would cost O(n). Heads are always alive.
        self.dead: int = 0
        # A task that comes back (reclaimed, or from a worker that died) is older than the tail.
        # Sorting once before the next removal beats inserting each in its place.
        self.unsorted: bool = False

    def drop_dead_heads(self) -> None:
        """Restores the rule that the head is alive."""
        tasks = self.tasks
        while self.dead and tasks[0].state == ENDED:
            tasks.popleft()
            self.dead -= 1

    def compact(self) -> None:
        """Removes the dead once they outnumber the living, so that memory follows what waits."""
        if self.dead > DEAD_BEFORE_COMPACTION and self.dead * 2 > len(self.tasks):
            self.tasks = deque(task for task in self.tasks if task.state != ENDED)
            self.dead = 0

    def sort(self) -> None:
        """Puts the oldest first again."""
        self.tasks = deque(sorted(self.tasks, key=by_id))
        self.unsorted = False
        self.drop_dead_heads()


class Shelf:
    """The lanes of one queue that share an affinity. `bucket` and `position` belong to the backlog index."""

    __slots__ = ("affinity", "bucket", "lanes", "lanes_by_priority", "length", "node", "position")

    def __init__(self, node: Node | None, affinity: Affinity) -> None:
        self.node: Node | None = node
        self.affinity: Affinity = affinity
        self.length: int = 0
        self.lanes: list[Lane] = []
        self.lanes_by_priority: dict[int, Lane] = {}
        self.bucket: int = -1
        self.position: int = 0


class TaskQueue:
    """Tasks that wait for one worker, or (without a node) for any worker at all."""

    __slots__ = ("_options", "length", "node", "shelves")

    def __init__(self, node: Node | None, options: TasksQueueOptions) -> None:
        self.node: Node | None = node
        self.length: int = 0
        self.shelves: list[Shelf] = []
        self._options = options

    def configure(self, options: TasksQueueOptions) -> None:
        """Takes over other ageing options."""
        self._options = options

    def push(self, task: Task) -> None:
        """Adds a task. O(1)."""
        shelf = self._shelf(task.function.affinity)
        lane = shelf.lanes_by_priority.get(task.priority)
        if lane is None:
            lane = shelf.lanes_by_priority[task.priority] = Lane(task.priority)
        tasks = lane.tasks
        if not tasks:
            shelf.lanes.append(lane)
            tasks.append(task)
        elif tasks[-1].id < task.id:
            tasks.append(task)
        elif tasks[0].id > task.id:
            tasks.appendleft(task)  # It comes back, and is the oldest of all as most that do.
        else:
            tasks.append(task)
            lane.unsorted = True
        self.length += 1
        shelf.affinity.waiting += 1
        length = shelf.length = shelf.length + 1
        # The backlog index goes by powers of two, so it only hears of those.
        if not length & (length - 1):
            shelf.affinity.backlog.update(shelf)

    def pop(self, now: float) -> Task:
        """Removes and returns the task of the lowest effective priority. The queue must not be empty."""
        best_shelf = None
        best_lane = None
        best = 0.0
        best_id = 0
        rate = -1.0
        for shelf in self.shelves:
            for lane in shelf.lanes:
                if lane.unsorted:
                    lane.sort()
                if best_lane is None and len(shelf.lanes) == 1 and self.length == shelf.length:
                    return self._take(shelf, lane)
                if rate < 0.0:
                    rate = self.aging_rate()
                head = lane.tasks[0]
                effective = lane.priority - (now - head.submitted_at) * rate
                if best_lane is None or effective < best or (effective == best and head.id < best_id):
                    best_shelf, best_lane, best, best_id = shelf, lane, effective, head.id
        assert best_shelf is not None
        assert best_lane is not None
        return self._take(best_shelf, best_lane)

    def pop_from(self, shelf: Shelf, now: float) -> Task:
        """Removes and returns the first task of one shelf, which must not be empty: what a thief may take."""
        rate = self.aging_rate() if len(shelf.lanes) > 1 else 0.0
        best_lane = None
        best = 0.0
        best_id = 0
        for lane in shelf.lanes:
            if lane.unsorted:
                lane.sort()
            head = lane.tasks[0]
            effective = lane.priority - (now - head.submitted_at) * rate
            if best_lane is None or effective < best or (effective == best and head.id < best_id):
                best_lane, best, best_id = lane, effective, head.id
        assert best_lane is not None
        return self._take(shelf, best_lane)

    def remove(self, task: Task) -> None:
        """Forgets a waiting task whose state is already `ENDED`. O(1) amortised."""
        shelf = self._shelf(task.function.affinity)
        lane = shelf.lanes_by_priority[task.priority]
        lane.dead += 1
        if lane.tasks[0] is task:
            lane.drop_dead_heads()
        self._shrunk(shelf, lane)
        lane.compact()

    def drain(self, node: Node | None = None) -> list[Task]:
        """Removes and returns everything (or what may run on `node`), oldest first. O(n log n)."""
        tasks: list[Task] = []
        for shelf in self.shelves:
            if not shelf.length or (node is not None and not node.allowed(shelf.affinity)):
                continue
            for lane in shelf.lanes:
                tasks.extend(task for task in lane.tasks if task.state != ENDED)
                lane.tasks.clear()
                lane.dead = 0
                lane.unsorted = False
            shelf.lanes.clear()
            self.length -= shelf.length
            shelf.affinity.waiting -= shelf.length
            shelf.length = 0
            shelf.affinity.backlog.update(shelf)
        tasks.sort(key=by_id)
        return tasks

    def forget(self) -> None:
        """Lets go of everything, for there is nobody left to run it."""
        for shelf in self.shelves:
            for lane in shelf.lanes:
                lane.tasks.clear()

    def __iter__(self) -> Iterator[Task]:
        """The waiting tasks, oldest first. O(n log n)."""
        waiting = [task for shelf in self.shelves for lane in shelf.lanes for task in lane.tasks if task.state != ENDED]
        return iter(sorted(waiting, key=by_id))

    def aging_rate(self) -> float:
        """Nice levels that a waiting task gains a second, at the present load."""
        options = self._options
        size = options.size or 1
        load = min(1.0, self.length / size)
        return float(options.aging_factor * (1.0 + load**options.load_exponent))

    def _shelf(self, affinity: Affinity) -> Shelf:
        for shelf in self.shelves:
            if shelf.affinity is affinity:
                return shelf
        shelf = Shelf(self.node, affinity)
        self.shelves.append(shelf)
        return shelf

    def _take(self, shelf: Shelf, lane: Lane) -> Task:
        task = lane.tasks.popleft()
        if lane.dead:
            lane.drop_dead_heads()
        self._shrunk(shelf, lane)
        return task

    def _shrunk(self, shelf: Shelf, lane: Lane) -> None:
        self.length -= 1
        shelf.affinity.waiting -= 1
        length = shelf.length
        shelf.length = length - 1
        if not lane.tasks:
            shelf.lanes.remove(lane)
        if not length & (length - 1):
            shelf.affinity.backlog.update(shelf)
