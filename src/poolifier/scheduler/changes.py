"""Changes of a running pool's settings, and what they mean for tasks that wait.

Part of the scheduler, which calls it and which it calls to place tasks and to report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from poolifier.exchange import WorkerReady
from poolifier.options import TasksQueueOptions, WorkerChoiceStrategyOptions
from poolifier.scheduler.choosers import StrategyKey
from poolifier.scheduler.node import READY, RETIRING
from poolifier.scheduler.task import by_id
from poolifier.task_functions import TaskFunction

if TYPE_CHECKING:
    from poolifier.scheduler.scheduler import Scheduler


class Changes:
    """Task functions, strategy, queues and size, changed while tasks wait and run."""

    __slots__ = (
        "_books",
        "_choosers",
        "_edges",
        "_functions",
        "_lobby",
        "_placement",
        "_scheduler",
        "_sizing",
        "_workforce",
    )

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._sizing = scheduler.sizing
        self._placement = scheduler.placement
        self._choosers = scheduler.choosers
        self._books = scheduler.books
        self._workforce = scheduler.workforce
        self._functions = scheduler.functions
        self._lobby = scheduler.lobby
        self._edges = scheduler.edges

    def learn(self, ready: WorkerReady, now: float, declared: Mapping[str, TaskFunction] | None = None) -> None:
        """Takes in the task functions; places again what was submitted on trust."""
        waiting = self._lobby.drain()
        for node in self._sizing.nodes.values():
            waiting.extend(self._placement.empty_queue(node))
        self._functions.learn(ready.functions, ready.origins, declared)
        for task in sorted(waiting, key=by_id):
            function = self._functions.current(task.function)
            if function is None:
                sought = task.function
                given = "" if sought.origin is None else str(sought.origin)
                self._books.fail(task, self._functions.unknown(sought.name, given))
                continue
            task.function = function
            if task.priority == 0:
                task.priority = task.function.priority
            self._scheduler.place_again(task, now)

    def forget_functions(self) -> list[str]:
        """Lets go of functions that were replaced or removed and that no task needs any more. O(tasks).

        Returns:
            Their keys, for the workers to forget as well.
        """
        nodes = self._sizing.nodes.values()
        needed = {task.function for task in self._lobby}
        for node in nodes:
            needed.update(task.function for task in (*node.queue, *node.sent.values()))
        unneeded = self._functions.unneeded(needed)
        for function, heir in unneeded:
            for usage in (self._books.retired, *(node.usage for node in nodes)):
                usage.inherit(heir, function)
        return [function.key for function, _ in unneeded]

    def employ(self, now: float) -> None:
        """Sees to it that a dynamic pool has a worker, or one on its way, whether or not there are tasks."""
        nodes = self._sizing.nodes.values()
        if (
            self._scheduler.closing
            or self._scheduler.failure is not None
            or not self._sizing.dynamic
            or any(node.state != RETIRING for node in nodes)
        ):
            return
        slot = self._sizing.free_slot()
        if slot is not None:
            self._workforce.add(slot, now, dynamic=True)
            self._scheduler.report()

    def set_strategy(
        self, strategy: StrategyKey, options: WorkerChoiceStrategyOptions, now: float | None = None
    ) -> None:
        """Changes the worker choice strategy for tasks placed from now on. O(workers).

        Given the time, tasks for which the last strategy found no worker are placed by the new one.
        """
        self._choosers.change(strategy, options)
        if now is not None:
            for task in self._lobby.drain():
                self._scheduler.place_again(task, now)
            self._scheduler.report()

    def set_queue(self, options: TasksQueueOptions, now: float, *, enabled: bool) -> None:
        """Changes the tasks queue options; switching the queues off sends all that waits to its worker."""
        self._placement.configure(options, queue_enabled=enabled)
        self._lobby.configure(options)
        nodes = list(self._sizing.nodes.values())
        for node in nodes:
            node.queue.configure(options)
            self._placement.set_quota(node)
            self._placement.relieve(node)
            self._placement.press(node)
            self._placement.stealing.remove_hungry(node)
            if len(node.sent) > node.capacity and not node.watched:
                self._placement.watch(node, now)
        # All have their new quota before the first steals from another.
        for node in nodes:
            if node.state == READY:
                self._placement.refill(node, now)
        self._placement.feed_all(now)
        self._edges.changed = True
        self._scheduler.report()
