"""Finds out where tasks on threads wait for tasks of their own pool, and nobody is left to run those.

A pool of threads can be reached from its tasks: by `asyncio.run_coroutine_threadsafe`, or as an executor. Were every
worker to wait in this way, nothing would ever end. So where a pool stands still it is looked at what each of its
threads waits for; where that is nothing but the pool itself, for all of them, one wait ends with an error.

Tasks pay nothing for that. A thread that waits in another way, with a time limit, or for anything else besides, is
taken to go on some time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import as_completed, wait
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import ref

from poolifier.backends.stacks import innermost
from poolifier.backends.thread.channel import ThreadChannel
from poolifier.backends.thread.worker import ThreadWorker
from poolifier.pool.future import Waiter
from poolifier.scheduler.node import READY
from poolifier.scheduler.task import ENDED, QUEUED, SENT, Task

if TYPE_CHECKING:
    from types import FrameType

    from poolifier.pool.base import Pool
    from poolifier.pool.driver import Driver

__all__ = ["PERIOD", "watch_own_waits"]

PERIOD: Final = 1.0
"""Seconds between looks."""

_SOON: Final = 0.05
"""Seconds after which it is looked again, where it might be so."""

_DEPTH: Final = 6
"""Frames between a thread's innermost and the one that says what it waits for: those of locks and events."""

Stuck: TypeAlias = "dict[int, tuple[ThreadWorker, list[Any]]]"
"""Workers that wait for their own pool, by number, with the futures that they wait for."""

_ONE: Final = frozenset({ThreadFuture.result.__code__, ThreadFuture.exception.__code__})
_MANY: Final = frozenset({wait.__code__, as_completed.__code__})


def watch_own_waits(pool: Pool[Any, Any], driver: Driver) -> None:
    """Looks at a pool that has this driver, now and then, until it is closed or forgotten."""
    _Watch(pool, driver).look_later(PERIOD)


class _Watch:
    def __init__(self, pool: Pool[Any, Any], driver: Driver) -> None:
        # The event loop has this, and is not to keep the pool. (For drivers weak references fail where they
        # are compiled.)
        self._pool = ref(pool)
        self._loop = driver.loop
        self._before: list[object] = []

    def look_later(self, seconds: float) -> None:
        self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        pool = self._pool()
        driver = None if pool is None else pool._driver
        if driver is None or driver.closed:
            return
        seconds = PERIOD
        waited = _waited_for(driver)
        if waited:
            state: list[object] = [*driver.channels, *map(id, waited)]
            if state == self._before:
                _end_wait(driver, waited)
                state = []
            self._before = state
            seconds = _SOON
        self.look_later(seconds)


def _waited_for(driver: Driver) -> list[Any]:
    """What workers wait for that will never be, for it takes one of them to bring it about."""
    scheduler = driver.scheduler
    if not scheduler.unfinished:
        return []
    nodes = list(scheduler.sizing.nodes.values())
    stuck: Stuck = {}
    for node in nodes:
        channel = driver.channels.get(node.id)
        if node.state == READY and isinstance(channel, ThreadChannel) and not channel.worker.outgoing:
            waited = _stuck(channel.worker, driver)
            if waited:
                stuck[node.id] = (channel.worker, waited)
    if stuck and (len(stuck) < len(nodes) or len(nodes) < scheduler.sizing.maximum):
        # There are others, or there will be.
        if scheduler.placement.stealing.hungry:
            driver.changed(scheduler.placement.welcome_hungry)
        _drop_hopeful(stuck, driver)
    return [future for _, waited in stuck.values() for future in waited]


def _drop_hopeful(stuck: Stuck, driver: Driver) -> None:
    """Leaves only workers that wait for tasks which nobody else can run."""
    hopeful = True
    while hopeful:
        hopeful = False
        for node_id, (_, waited) in list(stuck.items()):
            tasks = [task for future in waited for task in _tasks_of(future)]
            if not tasks or not all(_is_behind(task, stuck, driver) for task in tasks):
                del stuck[node_id]
                hopeful = True


def _is_behind(task: Task, stuck: Stuck, driver: Driver) -> bool:
    """Whether a task is at a worker that waits, and stays there."""
    if task.node is None or task.node.id not in stuck:
        return False
    worker = stuck[task.node.id][0]
    if task.state == SENT:
        running = worker.task
        return (
            task.sequence > worker.started
            or task.sequence in worker.running
            or (running is not None and running[0] == task.sequence)
        )
    if task.state != QUEUED:
        return False
    slots = task.function.affinity.slots
    taken = driver.scheduler.sizing.by_slot
    return not driver.scheduler.placement.stealing.enabled or (
        slots is not None and all(slot in taken and taken[slot].id in stuck for slot in slots)
    )


def _tasks_of(future: Any) -> list[Task]:
    """The tasks that settle a future of the pool; none where that is not known."""
    if isinstance(future, Waiter):
        return future.tasks()
    task: Task | None = future._task
    return [] if task is None else [task]


def _stuck(worker: ThreadWorker, driver: Driver) -> list[Any]:
    """What keeps a worker from anything else, where that is its own pool."""
    if worker.task is not None:
        futures = _futures_in(innermost(worker.ident, worker.stack))
        return _all_of(futures, driver) if futures else []
    running = list(worker.running.values())
    if len(running) < worker.settings.concurrency:
        return []
    return _all_of([running.task for running in running], driver)


def _futures_in(frame: FrameType | None) -> list[Any]:
    """The futures that a thread waits for without a time limit."""
    for _ in range(_DEPTH):
        if frame is None:
            break
        if frame.f_code in _ONE or frame.f_code in _MANY:
            known = frame.f_locals
            if known.get("timeout") is not None:
                break
            return [known["self"]] if frame.f_code in _ONE else list(known.get("fs", ()))
        frame = frame.f_back
    return []


def _all_of(futures: Iterable[Any], driver: Driver) -> list[Any]:
    """What those that are not done come down to, where all do."""
    found: list[Any] = []
    for future in futures:
        if future is None or future.done():
            continue
        below = _below(future, driver)
        if not below:
            return []
        found += below
    return found


def _below(future: Any, driver: Driver) -> list[Any]:
    """The futures of this pool that a future comes down to; nothing where it depends on anything else."""
    if getattr(future, "_driver", None) is driver:
        return [future]
    inner = getattr(future, "_fut_waiter", None)
    if inner is not None:
        return _all_of([inner], driver)
    children = getattr(future, "_children", None)
    if children:
        return _all_of(children, driver)
    return _all_of(_chained(future), driver)


def _chained(future: Any) -> Iterator[Any]:
    """The future that asyncio has tied this one to, from one thread to another."""
    if isinstance(future, ThreadFuture):
        callbacks = list(getattr(future, "_done_callbacks", ()))
    else:
        callbacks = [callback for callback, _ in getattr(future, "_callbacks", None) or ()]
    for callback in callbacks:
        if getattr(callback, "__qualname__", "").startswith("_chain_future.") and callback.__closure__:
            cells = dict(zip(callback.__code__.co_freevars, callback.__closure__, strict=True))
            if callback.__name__ == "_call_check_cancel" and "source" in cells:
                yield cells["source"].cell_contents


def _end_wait(driver: Driver, waited: list[Any]) -> None:
    """Ends the wait for what was submitted last."""
    future = max(waited, key=lambda future: max((task.id for task in _tasks_of(future)), default=0))
    tasks = [] if isinstance(future, Waiter) else _tasks_of(future)
    future.set_exception(
        RuntimeError(
            "a task waits for a task of its own pool that no worker is left to run, for they all wait likewise: "
            "use another pool for what tasks wait for, or more workers, or do not wait"
        )
    )
    for task in tasks:
        if task.state != ENDED:
            driver.abort(task)
