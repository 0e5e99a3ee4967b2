"""The strategy objects in use: one for each pair of strategy and affinity that some task function has.

A strategy object only ever hears of the workers that its affinity allows, so it never has to skip
one, and choosing stays as cheap as the strategy itself.

A strategy of the user's own may raise anything. Where it is told something, that is an event of the pool and changes
nothing else: tasks are on their way just then. It may also choose anything, so what it chooses is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from poolifier.options import WorkerChoiceStrategy, WorkerChoiceStrategyOptions
from poolifier.protocols import Strategy, StrategyPolicy
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.effects import Effect, Emit
from poolifier.scheduler.node import Node
from poolifier.scheduler.strategies import create_strategy, is_ours

StrategyKey: TypeAlias = WorkerChoiceStrategy | type[Any]
LoadWatcher: TypeAlias = Callable[[Node], None]
EndWatcher: TypeAlias = Callable[[Node, float, float, float], None]


class Choosers:
    """Creates strategy objects on demand, tells them of workers, and knows who listens to what.

    Attributes:
        load_watchers: Those to call when a worker's load changes by one. Strategies that do not
            listen cost nothing.
        end_watchers: Those to call when a task ends.
        affinities: All affinities in use; `affinities[0]` allows every slot.
        made: What chooses, for each choice: has the `choose` and the `policy` of a strategy.
    """

    __slots__ = (
        "_affinities",
        "_choices",
        "_choosers",
        "_effects",
        "_nodes",
        "_observers",
        "affinities",
        "end_watchers",
        "load_watchers",
        "made",
        "options",
        "strategy",
    )

    def __init__(
        self, strategy: StrategyKey, options: WorkerChoiceStrategyOptions, effects: list[Effect] | None = None
    ) -> None:
        self._effects: list[Effect] = [] if effects is None else effects
        self.strategy = strategy
        self.options: WorkerChoiceStrategyOptions = options
        self._choosers: dict[tuple[StrategyKey, Affinity], Strategy] = {}
        # A choice is a strategy (None: the pool's) and an affinity, and keeps its number whatever becomes of both.
        self._choices: dict[tuple[str | None, Affinity], int] = {}
        self.made: list[Any] = []
        self._nodes: dict[int, Node] = {}
        self._observers: list[tuple[LoadWatcher | None, EndWatcher | None]] = []
        self.load_watchers: tuple[LoadWatcher, ...] = ()
        self.end_watchers: tuple[EndWatcher, ...] = ()
        everywhere = Affinity(None)
        self.affinities: list[Affinity] = [everywhere]
        self._affinities: dict[frozenset[int] | None, Affinity] = {None: everywhere}
        self.chooser(None, everywhere)

    def affinity(self, slots: Iterable[int] | None) -> Affinity:
        """The one object for that set of slots."""
        key = None if slots is None else frozenset(slots)
        affinity = self._affinities.get(key)
        if affinity is None:
            affinity = self._affinities[key] = Affinity(key)
            self.affinities.append(affinity)
        return affinity

    def choice(self, strategy: str | None, affinity: Affinity) -> int:
        """The place in `made` for that strategy (None: the pool's) and affinity."""
        number = self._choices.get((strategy, affinity))
        if number is None:
            self.made.append(self._trusted(self.chooser(strategy, affinity)))
            number = self._choices[strategy, affinity] = len(self.made) - 1
        return number

    def chooser(self, strategy: StrategyKey | str | None, affinity: Affinity) -> Strategy:
        """The strategy object for that strategy (None: the pool's) and affinity."""
        named: StrategyKey
        if isinstance(strategy, str) and not isinstance(strategy, WorkerChoiceStrategy):
            named = WorkerChoiceStrategy(strategy)
        else:
            named = strategy or self.strategy
        chooser = self._choosers.get((named, affinity))
        if chooser is None:
            chooser = create_strategy(named, self.options)
            self._choosers[named, affinity] = chooser
            for node in self._nodes.values():
                if node.allowed(affinity):
                    chooser.worker_added(node)
            self._listen()
        return chooser

    def change(self, strategy: StrategyKey, options: WorkerChoiceStrategyOptions) -> None:
        """Takes over another strategy and options: every choice has another strategy object in `made`."""
        before = self.strategy, self.options, self._choosers
        self.strategy, self.options, self._choosers = strategy, options, {}
        try:
            self.chooser(None, self.affinities[0])
            self.made = [self._trusted(self.chooser(own, affinity)) for own, affinity in self._choices]
        except BaseException:
            # A user's class that cannot be made: all stays as it was.
            self.strategy, self.options, self._choosers = before
            self._listen()
            raise

    def observe(self, load_changed: LoadWatcher | None, task_ended: EndWatcher | None = None) -> None:
        """Has others than strategies called as well, for all workers that are eligible."""
        self._observers.append((load_changed, task_ended))
        self._listen()

    def add(self, node: Node) -> None:
        """A worker has become eligible. Does nothing where it already is."""
        if node.id in self._nodes:
            return
        self._nodes[node.id] = node
        node.eligible = True
        for (_, affinity), chooser in self._choosers.items():
            if node.allowed(affinity):
                try:
                    chooser.worker_added(node)
                except Exception as error:  # noqa: BLE001 - the worker is there, whatever it makes of that
                    self._effects.append(Emit("error", None, error))

    def remove(self, node: Node) -> None:
        """A worker is not eligible any more. Does nothing where it is not."""
        if self._nodes.pop(node.id, None) is None:
            return
        node.eligible = False
        for (_, affinity), chooser in self._choosers.items():
            if node.allowed(affinity):
                try:
                    chooser.worker_removed(node)
                except Exception as error:  # noqa: BLE001 - the worker is gone, whatever it makes of that
                    self._effects.append(Emit("error", None, error))

    def _listen(self) -> None:
        load: list[LoadWatcher] = [watcher for watcher, _ in self._observers if watcher is not None]
        ends: list[EndWatcher] = [watcher for _, watcher in self._observers if watcher is not None]
        for (_, affinity), chooser in self._choosers.items():
            ours = is_ours(chooser)
            if _overrides(chooser, "load_changed"):
                load_changed = _for_allowed_load(chooser, affinity)
                load.append(load_changed if ours else self._harmless(load_changed))
            if _overrides(chooser, "task_ended"):
                task_ended = _for_allowed_end(chooser, affinity)
                ends.append(task_ended if ours else self._harmless(task_ended))
        self.load_watchers = tuple(load)
        self.end_watchers = tuple(ends)

    def _trusted(self, chooser: Strategy) -> Any:
        return chooser if is_ours(chooser) else _Checked(chooser, self._nodes)

    def _harmless(self, hook: Callable[..., None]) -> Callable[..., None]:
        effects = self._effects

        def told(*news: Any) -> None:
            try:
                hook(*news)
            except Exception as error:  # noqa: BLE001 - what it was told of is so, whatever it makes of that
                effects.append(Emit("error", None, error))

        return told


class _Checked:
    """Chooses as a strategy of the user's own does, and nobody but workers that it was told of."""

    __slots__ = ("_nodes", "_strategy")

    def __init__(self, strategy: Strategy, nodes: dict[int, Node]) -> None:
        self._strategy = strategy
        self._nodes = nodes

    @property
    def policy(self) -> StrategyPolicy:
        return self._strategy.policy

    def choose(self, now: float) -> Node | None:
        chosen = self._strategy.choose(now)
        if chosen is None:
            return None
        if isinstance(chosen, Node):
            if not chosen.eligible:
                return None  # It has not listened: that worker is gone.
            if self._nodes.get(chosen.id) is chosen:
                return chosen
        raise TypeError(f"a strategy's choose must return a worker that it was told of, or None, not {chosen!r}")


def _overrides(chooser: Strategy, hook: str) -> bool:
    method = getattr(type(chooser), hook, None)
    return method is not None and method is not getattr(Strategy, hook)


def _for_allowed_load(chooser: Strategy, affinity: Affinity) -> LoadWatcher:
    if affinity.slots is None:
        return chooser.load_changed

    def load_changed(node: Node) -> None:
        if node.allowed(affinity):
            chooser.load_changed(node)

    return load_changed


def _for_allowed_end(chooser: Strategy, affinity: Affinity) -> EndWatcher:
    if affinity.slots is None:
        return chooser.task_ended

    def task_ended(node: Node, run_time: float, wait_time: float, active_time: float) -> None:
        if node.allowed(affinity):
            chooser.task_ended(node, run_time, wait_time, active_time)

    return task_ended
