"""Which task is at which worker: assigning, sending ahead, stealing, back pressure.

The hot path. One task costs a placement (`assign`) and, at its end, a refill (`freed`).
"""

from __future__ import annotations

from math import inf
from typing import Any, Final

from poolifier.options import TasksQueueOptions
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.choosers import Choosers
from poolifier.scheduler.edges import Edges
from poolifier.scheduler.functions import UNKNOWN_RUN_TIME
from poolifier.scheduler.limits import Limits
from poolifier.scheduler.node import READY, UNLIMITED, Node
from poolifier.scheduler.sizing import Sizing
from poolifier.scheduler.stealing import Stealing
from poolifier.scheduler.task import SENT, Task
from poolifier.worker_choice import WorkerChoiceStrategy

AHEAD: Final = 0.0005
"""A worker is sent ahead what it will run within so many seconds, to hide the round trip."""

CHUNKS_AHEAD: Final = 0.004
"""And while it has been sent chunks, what it will run within so many: they take longer, and are handed back as well."""

MOST_AHEAD: Final = 512
"""And never more tasks than this, so that a wrong estimate holds up few."""

SILENCE: Final = 0.01
"""A worker that was sent ahead and says nothing for so many seconds is asked to hand back, and is sent no more."""


class Placement:
    """Moves tasks between queues and workers.

    Attributes:
        dirty: Nodes whose `outbox` is to be sent.
        pressed: How many queues are full.
        watch_at: When to look next for workers that have gone silent over what they were sent ahead.
    """

    __slots__ = (
        "_chunks_ahead",
        "_size",
        "_watched",
        "ahead",
        "choosers",
        "dirty",
        "edges",
        "limits",
        "options",
        "pressed",
        "queue_enabled",
        "sizing",
        "stealing",
        "watch_at",
    )

    def __init__(
        self,
        choosers: Choosers,
        sizing: Sizing,
        edges: Edges,
        limits: Limits,
        options: TasksQueueOptions,
        *,
        queue_enabled: bool,
        ahead: float = AHEAD,
    ) -> None:
        self.ahead: float = ahead
        self._chunks_ahead = max(ahead, CHUNKS_AHEAD)
        self.choosers: Choosers = choosers
        self.sizing: Sizing = sizing
        self.edges: Edges = edges
        self.limits: Limits = limits
        self.stealing: Stealing = Stealing(options)
        self.dirty: list[Node] = []
        self.pressed: int = 0
        self.watch_at: float = inf
        self._watched: list[Node] = []
        self.configure(options, queue_enabled=queue_enabled)

    def configure(self, options: TasksQueueOptions, *, queue_enabled: bool) -> None:
        """Takes over other tasks queue options."""
        self.options: TasksQueueOptions = options
        self.queue_enabled: bool = queue_enabled
        self._size = options.size or 1
        self.stealing.configure(options)
        self.stealing.resize(len(self.sizing.by_slot))

    def set_quota(self, node: Node) -> None:
        """Tells a node how much to run at once, and how much to be sent."""
        node.quota = self.options.concurrency
        node.capacity = node.quota if self.queue_enabled else UNLIMITED
        node.most = node.capacity + MOST_AHEAD
        if node.task_limit != UNLIMITED:
            self.tighten(node)

    def tighten(self, node: Node) -> None:
        """Leaves a worker that is recycled after so many tasks no more than it may still run."""
        # Items of a chunk count from when it is sent. Where it has more than may still run, it runs all the same.
        left = max(node.task_limit - node.ran - node.surplus, len(node.sent))
        if left < node.most:
            node.most = left
            node.capacity = min(node.capacity, left)
            node.quota = min(node.quota, left)
            if node.load >= node.quota and self.stealing.remove_hungry(node):
                self.edges.changed = True

    def assign(self, node: Node, task: Task, now: float) -> None:
        """Gives a task to a worker: sends it, or queues it there."""
        task.node = node
        load = node.load = node.load + 1
        if node.eligible:
            for load_changed in self.choosers.load_watchers:
                load_changed(node)
        if node.ready:
            if load == 1 and node.dynamic:
                node.active_since = now
                self.sizing.watch(node, now)
            if load == node.quota and self.stealing.remove_hungry(node):
                self.edges.changed = True
            if load <= node.capacity:
                self._send(node, task, now)
                return
            if load - node.capacity > node.usage.max_queued:
                node.usage.max_queued = load - node.capacity
            if (
                node.ahead < node.reach
                and not node.queue.length
                and not self.stealing.hungry
                and len(node.sent) < node.most
                and not _is_suspect(task)
                # What it runs takes longer than was thought, and may hang where it cannot be asked to hand back.
                and now - node.busy_since < SILENCE
            ):
                self._send(node, task, now)
                return
        elif load > node.usage.max_queued:
            node.usage.max_queued = load
        queue = node.queue
        queue.push(task)
        if node.ready and self.stealing.hungry:
            self._feed(task.function.affinity, now)
        if queue.length >= self._size:
            if not node.pressed:
                self.press(node)
            if self.pressed < len(self.sizing.by_slot) and self.stealing.on_back_pressure and node.ready:
                self._shed(node, task.function.affinity, now)

    def _send(self, node: Node, task: Task, now: float) -> None:
        sequence = node.sequence = node.sequence + 1
        task.sequence = sequence
        task.state = SENT
        estimate = task.function.estimate
        if not node.sent:
            node.busy_since = now
        node.sent[sequence] = task
        single = True
        items = 1
        if task.extra is not None:
            items = task.extra.items
            single = items <= 1
            estimate *= items
            self.limits.sent(node, task, now)
            if task.extra.history and estimate < self.ahead:
                # Nothing is sent behind it.
                estimate = self.ahead
        task.estimate = estimate
        node.ahead += estimate
        node.reach = self.ahead if single else self._chunks_ahead
        if not single:
            node.surplus += items - 1
            if node.task_limit != UNLIMITED:
                self.tighten(node)
        node.outbox.append(task)
        if not node.in_outbox:
            node.in_outbox = True
            self.dirty.append(node)
        # Behind others, or several in one, it can be handed back.
        if not node.watched and (len(node.sent) > node.capacity or not single):
            self.watch(node, now)

    def watch(self, node: Node, now: float) -> None:
        """Sees to it that a worker that was sent ahead is asked to hand back, should it say nothing."""
        node.watched = True
        # It may not have been heard of for long because it had nothing to do: its silence begins now.
        node.heard_at = now
        self._watched.append(node)
        self.watch_at = min(self.watch_at, now + SILENCE)

    def freed(self, node: Node, task: Task, now: float) -> None:
        """A worker is done with a task it was sent: what next?"""
        sent = node.sent
        if node.limited:
            self.limits.gone(node, task)
            self.limits.advanced(node, now)
        # Adding and taking away leaves a rounding error; an empty worker is a chance to be exact again.
        node.ahead = node.ahead - task.estimate if sent else 0.0
        load = node.load = node.load - 1
        node.busy_since = now
        if node.eligible:
            for load_changed in self.choosers.load_watchers:
                load_changed(node)
            if node.queue.length:
                self.refill(node, now)
            elif load < node.quota:
                self._ran_dry(node, now)
        elif node.state == READY:
            self.refill(node, now)
        else:
            # It is leaving, and its successor may have waited for this.
            self.edges.changed = True

    def refill(self, node: Node, now: float) -> None:
        """Sends a worker from its own queue what it has room for."""
        queue = node.queue
        sent = node.sent
        while queue.length and (len(sent) < node.capacity or (node.ahead < node.reach and len(sent) < node.most)):
            task = queue.pop(now)
            if task.extra is not None and len(sent) >= node.capacity and _is_suspect(task):
                queue.push(task)
                break
            self._send(node, task, now)
        if node.pressed:
            self.relieve(node)
        if node.load < node.quota:
            self._ran_dry(node, now)
        elif node.stealing and self.stealing.end(node):
            self.feed_all(now)

    def _ran_dry(self, node: Node, now: float) -> None:
        """A worker runs fewer tasks than it may and nothing waits for it: it steals, or is hungry."""
        if not node.load and node.dynamic:
            node.active_since = now
            self.sizing.watch(node, now)
        if self.stealing.add_hungry(node):
            self.edges.changed = True
        for affinity in self.choosers.affinities:
            if affinity.waiting:
                if self._steal(node, now):
                    return
                break
        if (node.stealing or node.usage.sequentially_stolen) and self.stealing.end(node):
            self.feed_all(now)

    def lighten(self, node: Node, now: float) -> None:
        """One task less waits for a worker, which runs what it ran."""
        node.load -= 1
        if node.eligible:
            for load_changed in self.choosers.load_watchers:
                load_changed(node)
        if node.ready and node.load < node.quota:
            self._ran_dry(node, now)

    def welcome(self, node: Node, now: float) -> None:
        """Fills a new worker: with what came while it started, and with what it was added for.

        That waits for others, from whom it takes it however many steal already.
        """
        self.refill(node, now)
        if node.load < node.quota and self.stealing.enabled:
            self._steal(node, now, invited=True)

    def welcome_hungry(self, now: float) -> None:
        """Has those who have nothing to do take what waits, however many steal already: it waits for nothing else."""
        for node in list(self.stealing.hungry):
            self.welcome(node, now)

    def _steal(self, thief: Node, now: float, *, invited: bool = False) -> bool:
        """Fills a hungry worker from the fullest queues. False where it still is hungry then."""
        permitted = self.stealing.may_steal(thief)
        if not permitted and not invited:
            return False
        sent = thief.sent
        while len(sent) < thief.quota or (thief.ahead < thief.reach and len(sent) < thief.most):
            shelf = self.stealing.victim(thief, self.choosers.affinities)
            if shelf is None or shelf.node is None:
                break
            victim = shelf.node
            task = victim.queue.pop_from(shelf, now)
            if len(sent) >= thief.quota and _is_suspect(task):
                victim.queue.push(task)
                break
            self.relieve(victim)
            self._move(task, victim, thief, now)
        if thief.load < thief.quota:
            return False
        if permitted:
            self.stealing.begin(thief)
        if self.stealing.remove_hungry(thief):
            self.edges.changed = True
        return True

    def _move(self, task: Task, victim: Node, thief: Node, now: float) -> None:
        """Hands a waiting task over: from here on it is the thief's in every respect."""
        victim.load -= 1
        thief.load += 1
        if victim.eligible:
            for load_changed in self.choosers.load_watchers:
                load_changed(victim)
        if thief.eligible:
            for load_changed in self.choosers.load_watchers:
                load_changed(thief)
        task.node = thief
        thief.usage.of(task.function).stolen += 1
        thief.usage.sequentially_stolen += 1
        self._send(thief, task, now)

    def _feed(self, affinity: Affinity, now: float) -> None:
        """Something of that affinity waits: a hungry worker takes it."""
        thief = self.stealing.thief_for(affinity)
        if thief is not None:
            self._steal(thief, now)

    def feed_all(self, now: float) -> None:
        """Lets hungry workers steal for as long as there is something to take."""
        for affinity in self.choosers.affinities:
            while affinity.backlog.fullest() is not None:
                thief = self.stealing.thief_for(affinity)
                if thief is None or not self._steal(thief, now):
                    break

    def _shed(self, node: Node, affinity: Affinity, now: float) -> None:
        """Moves the first task of a full queue to the least used worker, if that has room."""
        # This index is made when a queue first fills up, so that pools whose queues never do pay nothing.
        least_used: Any = self.choosers.chooser(WorkerChoiceStrategy.LEAST_USED, affinity)
        target: Node | None = least_used.choose(now)
        if target is None or target is node or not target.ready:
            return
        if target.queue.length >= self._size or target.load >= node.load - 1:
            return
        for shelf in node.queue.shelves:
            if shelf.affinity is affinity and shelf.length:
                task = node.queue.pop_from(shelf, now)
                self.relieve(node)
                node.load -= 1
                for load_changed in self.choosers.load_watchers:
                    load_changed(node)
                target.usage.of(task.function).stolen += 1
                self.assign(target, task, now)
                return

    def press(self, node: Node) -> None:
        """Notes how much waits for a worker, and that its queue is full, if it is."""
        node.usage.max_queued = max(node.usage.max_queued, node.queued)
        if not node.pressed and node.queue.length >= self._size:
            node.pressed = True
            self.pressed += 1
            self.edges.changed = True

    def relieve(self, node: Node) -> None:
        """Notes that a queue has room again, if it has."""
        if node.pressed and node.queue.length < self._size:
            node.pressed = False
            self.pressed -= 1
            self.edges.changed = True

    def withdraw(self, node: Node) -> None:
        """Takes a worker out of the running: nothing chooses, feeds or steals from it any more."""
        node.ready = False
        self.choosers.remove(node)
        self.stealing.remove_hungry(node)
        self.stealing.end(node)  # Whoever withdraws it calls `feed_all` once it is out of the way.
        for shelf in node.queue.shelves:
            shelf.affinity.backlog.update(shelf)
        if node.pressed:
            node.pressed = False
            self.pressed -= 1
        self.edges.changed = True

    def empty_queue(self, node: Node) -> list[Task]:
        """Takes away all that waits for a worker, oldest first."""
        queued = node.queue.drain()
        for _ in queued:
            node.load -= 1
            if node.eligible:
                for load_changed in self.choosers.load_watchers:
                    load_changed(node)
        self.relieve(node)
        return queued

    def silent(self, now: float) -> list[Node]:
        """Workers that hold back what they were sent ahead; works out when to look again. O(such workers)."""
        silent: list[Node] = []
        watched, self._watched = self._watched, []
        self.watch_at = inf
        for node in watched:
            # One that is gone has nothing at it any more.
            node.watched = len(node.sent) > node.capacity or _is_chunk(next(iter(node.sent.values()), None))
            if not node.watched:
                continue
            self._watched.append(node)
            if now - node.heard_at >= SILENCE:
                # What runs takes longer than expected, so nothing more is to be sent behind it. Nor behind the
                # last: what was finished before the worker heard of this is answered before the rest comes
                # back, and what were sent then would overtake that.
                for task in (next(iter(node.sent.values())), next(reversed(node.sent.values()))):
                    node.ahead += UNKNOWN_RUN_TIME - task.estimate
                    task.estimate = UNKNOWN_RUN_TIME
                node.heard_at = now
                silent.append(node)
        if self._watched:
            self.watch_at = now + SILENCE
        return silent


def _is_suspect(task: Task) -> bool:
    """Whether a worker has crashed over it: it is not sent ahead, lest it take others with it the next time."""
    return task.extra is not None and bool(task.extra.history)


def _is_chunk(task: Task | None) -> bool:
    """Whether it stands for several items, which can be handed back in the middle."""
    return task is not None and task.extra is not None and task.extra.items > 1
