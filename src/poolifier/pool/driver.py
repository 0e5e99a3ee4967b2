"""Joins the scheduler and a backend: carries out effects, settles futures, keeps the timers.

Decisions are the scheduler's, bytes are the backend's. What is here runs on the event loop and
nowhere else, so nothing is locked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from threading import get_ident
from time import monotonic
from typing import Any

from poolifier.errors import TaskAborted
from poolifier.exchange import (
    ABORTED,
    DONE,
    EXHAUSTED,
    FAILED,
    ITEM,
    MAP_FAILED,
    MAPPED,
    MAPPED_RUN,
    RETURNED,
    Reply,
    WireTask,
    WorkerExit,
    WorkerReady,
    WorkerSettings,
)
from poolifier.observe.logs import log_for
from poolifier.options import TasksQueueOptions, check_affinities
from poolifier.pool.anchor import Anchor
from poolifier.pool.callers import Callers
from poolifier.pool.chunk import Chunk
from poolifier.pool.delivery import Delivery
from poolifier.pool.function_changes import FunctionChanges
from poolifier.pool.future import TaskFuture, raisable
from poolifier.pool.performer import Observer, Performer
from poolifier.pool.room import Room
from poolifier.pool.streams import Feed
from poolifier.pool.stubborn_tasks import warn_of_kill
from poolifier.pool.time_outs import TimeOuts
from poolifier.pool.vigil import Vigil
from poolifier.protocols import Backend, Channel
from poolifier.scheduler.crashes import start_failed, worker_crashed
from poolifier.scheduler.functions import Function
from poolifier.scheduler.node import READY, RETIRING, STARTING, Node
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import ENDED, SENT, Task, TaskExtra


class Driver:
    """Drives one pool on one event loop. Implements `WorkerListener`. Nothing here waits; see `start_and_end`.

    Attributes:
        name: The pool's name.
        backend: What starts the workers.
        channels: The way to each worker that was started and is not gone.
        loop: The event loop of the pool.
        loop_is_closed: Tells whether the loop is closed; found once, for every call asks.
        thread: The thread that it runs in.
        callers: What the tasks were given, and who waits for them. It numbers them, too.
        room: Who waits to submit.
        ready: What the pool's start waits for, while it does.
        stir: Set whenever something has changed, once the pool's end waits for that.
        functions: Changes of the task functions.
        anchor: What it is found by, as long as it lives.
        time_outs: Tasks that have run too long, of which it is not known yet where they stand.
        consumers: Open streams, maps that are being read, and executors that share the pool; see `leaving`.
        refuses: The pool takes nothing new any more.
        watchers: Told that the pool is failing, with the reason, and that it has recovered, with None.
        closed: The pool has ended.
    """

    def __init__(self, scheduler: Scheduler, backend: Backend, observer: Observer) -> None:
        self.scheduler = scheduler
        self.name: str = scheduler.options.name
        self.channels: dict[int, Channel] = {}
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.loop_is_closed: Callable[[], bool] = self.loop.is_closed
        self.thread: int = get_ident()
        self.backend = backend
        self._observer = observer
        self._nodes = scheduler.sizing.nodes
        self._flushing = False
        self._carrying_out = False
        self._delivery = Delivery(self.loop, self)
        self._futures_loop: Any = self._delivery
        self._get_loop = self._delivery.get_loop
        self._vigil = Vigil(self.loop)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self.ready: asyncio.Future[None] | None = None
        self.stir: asyncio.Event | None = None
        self.refuses: bool = False
        self.closed: bool = False
        self.callers: Callers = Callers()
        self.consumers: set[Any] = set()
        self.room: Room = Room(self, scheduler.options.max_queued)
        self.functions: FunctionChanges = FunctionChanges(scheduler, backend, self.channels, self.changed)
        self.anchor: Anchor = Anchor(self)
        self.time_outs: TimeOuts = TimeOuts(self)
        self.watchers: list[Callable[[object], object]] = []
        # What kept workers from fitting the pool that were ready, and have yet to leave.
        self._unfit: dict[int, ValueError] = {}
        self._performer = Performer(self, backend, observer)

    # ---- what the pool asks -----------------------------------------------------------------------

    def call(self, function: Function, data: Any, priority: int, extra: TaskExtra | None) -> TaskFuture[Any]:
        """Makes a task of a call, places it, and returns its future."""
        future: TaskFuture[Any] = TaskFuture(loop=self._futures_loop)
        task = Task(self.callers.admit(data, future), function, priority)
        task.extra = extra
        future.get_loop = self._get_loop  # type: ignore[method-assign]
        future._task = task
        self.submit(task)
        return future

    def submit(self, task: Task) -> None:
        """Places a task.

        It is sent at once to a worker that has nothing else to do, and otherwise at the end of this
        turn of the loop, together with its neighbours.
        """
        scheduler = self.scheduler
        try:
            scheduler.submit(task, monotonic())
        except BaseException:
            # A strategy of the user's own may raise anything, also once the task has its place.
            if task.state == ENDED:
                self.callers.leave(task)
            raise
        if not self._flushing:
            dirty = scheduler.dirty
            if len(dirty) == 1 and len(dirty[0].sent) == 1:
                self.send(dirty.pop())
                self._vigil.asked()
                if scheduler.sizing.dynamic or task.extra is not None:
                    self._set_timer()
            elif dirty:
                self._flushing = True
                self.loop.call_soon(self._flush)
        if not scheduler.effects:
            return
        if task.state != ENDED:
            self._carry_out()
        elif not self._flushing:
            # It has failed, for no worker can be started. To await a future that is done gives nobody else a turn, so
            # that one who tries again and again would keep the pool from ever recovering.
            self._flushing = True
            self.loop.call_soon(self._flush)

    def abort(self, task: Task) -> None:
        """Aborts a task whose future has been cancelled."""
        self.scheduler.abort(task, monotonic())
        # Until the worker has let go of it, the task itself is remembered; what its caller gave is not.
        self.callers.leave(task)
        if not self.loop_is_closed():
            self._carry_out()

    def credit(self, task: Task, count: int) -> None:
        """The reader of a stream has taken so many items."""
        channel = self._channel_of(task)
        if channel is not None:
            channel.credit(task.sequence, count)

    def hurry(self, task: Task) -> None:
        """The reader of a stream has waited for a while, so nothing of it is to be held back."""
        channel = self._channel_of(task)
        if channel is not None:
            channel.flush()

    def changed(self, change: Callable[[float], None]) -> None:
        """Applies a change to the scheduler and carries out what follows from it."""
        change(monotonic())
        self._flush()

    def set_queue(self, options: TasksQueueOptions, *, enabled: bool) -> None:
        """Changes the tasks queue options, those of the workers' runtimes included."""
        self.scheduler.set_queue(options, monotonic(), enabled=enabled)
        for node in self._nodes.values():
            channel = self.channels.get(node.id)
            if channel is not None:
                # Before the tasks that are to make use of it, which are yet to be sent.
                channel.configure(WorkerSettings(concurrency=node.capacity))
        self._flush()

    def stirred(self) -> None:
        """Something has changed that the pool's end may wait for."""
        if self.stir is not None:
            self.stir.set()

    def rest(self) -> None:
        """Lets go of the timer: the pool has ended."""
        self.closed = True
        self.time_outs.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- what the backend tells -------------------------------------------------------------------

    def worker_ready(self, worker_id: int, ready: WorkerReady) -> None:
        """See `WorkerListener`."""
        try:
            check_affinities(ready.functions, self.scheduler.sizing.maximum)
        except ValueError as error:
            # Only now is it known what a worker module declares: its start has failed, as if it had raised this.
            self._unfit[worker_id] = error
            self._refuse_start(error)
            self.channels[worker_id].stop()
        else:
            self.scheduler.worker_ready(worker_id, ready, monotonic())
            self.functions.worker_ready()
        self._flush()

    def replies(self, worker_id: int, replies: Sequence[Reply], active: float, idle: float) -> None:
        """See `WorkerListener`. The hot path of results."""
        node = self._nodes.get(worker_id)
        if node is None:
            return
        self._delivery.open()
        try:
            self._replied(node, replies, active, idle)
        finally:
            self._delivery.close()

    def _replied(self, node: Node, replies: Sequence[Reply], active: float, idle: float) -> None:
        scheduler = self.scheduler
        callers = self.callers
        now = monotonic()
        if self._vigil.asked_at:
            self._vigil.heard(now)
        share = (active - node.active) / len(replies) if replies else 0.0
        node.active = active
        node.idle = idle
        returned: list[int] = []
        items = 0
        # Results of one chunk that follow each other.
        chunk = 0
        results: list[Any] = []
        run_times: list[float] = []
        for sequence, status, value, run_time in replies:
            if results and (sequence != chunk or status != MAPPED):
                self._mapped(node, chunk, results, run_times, now)
                results = []
                run_times = []
            if status == DONE:
                task = scheduler.task_done(node, sequence, run_time, share, now)
                if task is not None:
                    future = callers.leave(task)
                    if not future.done():
                        future.set_result(value)
            elif status == MAPPED:
                items += 1
                chunk = sequence
                results.append(value)
                run_times.append(run_time)
            elif status == MAPPED_RUN:
                items += 1
                values, counts, means = value
                # A run is as many replies in one, so what comes after it gets as much less of the time.
                share /= len(values)
                task = scheduler.run_done(node, sequence, counts, means, run_time, now)
                if task is not None:
                    callers.future(task).item_results(values)
            elif status == RETURNED:
                returned.append(sequence)
            elif status >= ITEM:
                items += 1
                self._yielded(node, sequence, status, value, run_time, share, now)
            else:
                self._not_done(node, sequence, status, value, run_time, share, now)
        if results:
            self._mapped(node, chunk, results, run_times, now)
        if returned:
            self._returned(node, returned, now)
        if len(returned) + items < len(replies):
            # Of items there may be many without an end to the task, whose successors are not to wait for it.
            node.heard_at = now
        self._flush()

    def worker_message(self, worker_id: int, message: Any) -> None:
        """See `WorkerListener`."""
        node = self._nodes.get(worker_id)
        if node is not None:
            self._observer.message(node, message)

    def worker_logged(self, worker_id: int, attributes: dict[str, Any]) -> None:
        """See `WorkerListener`."""
        try:
            log_for(self.name, worker_id, attributes)
        except Exception as error:  # noqa: BLE001 - a filter's own, and the worker is not to end for it
            self.loop.call_exception_handler(
                {"message": f"pool {self.name!r}: a worker's log record was not handled", "exception": error}
            )

    def task_stood(self, worker_id: int, sequence: int, frames: list[tuple[str, int, str]]) -> None:
        """See `WorkerListener`."""
        self.time_outs.told(worker_id, sequence, frames)

    def function_added(self, worker_id: int, key: str, error: BaseException | None) -> None:
        """See `WorkerListener`."""
        self.functions.answered(worker_id, key, error)

    def worker_exited(self, worker_id: int, exited: WorkerExit) -> None:
        """See `WorkerListener`."""
        node = self._nodes.get(worker_id)
        unfit = self._unfit.pop(worker_id, None)
        if unfit is not None:
            exited = WorkerExit(exit_code=exited.exit_code, error=unfit, pid=exited.pid)
        ended = node or self.scheduler.sizing.spares.get(worker_id)
        if ended is not None:
            # For whoever hears of it: the channel is gone by the time that some of them look.
            ended.pid = exited.pid
        if node is not None and node.state == STARTING:
            self._refuse_start(start_failed(self.name, worker_id, exited))
        elif node is not None and node.state == READY:
            self._refuse_start(worker_crashed(self.name, worker_id, exited))
        if node is not None:
            warn_of_kill(self.name, node, exited, self.scheduler.options.abort_grace)
        started = node is None or node.state != STARTING
        retiring = node is not None and node.state == RETIRING
        self.scheduler.worker_lost(worker_id, exited, monotonic())
        self._flush()
        self.channels.pop(worker_id, None)
        self.functions.worker_exited(worker_id, exited, started=started, retiring=retiring)
        self.stirred()

    # ---- what the performer needs ------------------------------------------------------------------

    def fail(self, task: Task, error: BaseException) -> None:
        """Fails a task's future, where anyone still waits for it."""
        future = self.callers.leave(task)
        if future is not None and not future.done():
            future.set_exception(raisable(error, task))
            self._observer.task_error(error)

    def send(self, node: Node) -> None:
        """Sends a worker what is in its outbox."""
        outbox = node.outbox
        node.outbox = []
        node.in_outbox = False
        channel = self.channels.get(node.id)
        if channel is None:
            return
        callers = self.callers
        batch: list[WireTask] = [
            (task.sequence, task.function.key, callers.data(task), task.id)
            if task.extra is None
            else (task.sequence, task.function.key, callers.data(task), task.id, _terms(task.extra))
            for task in outbox
            if task.state == SENT
        ]
        if len(batch) < len(outbox):
            # Aborted in the same turn of the loop in which they were placed: the worker never hears of them.
            for task in outbox:
                if task.state != SENT:
                    self.scheduler.task_aborted(node, task.sequence, 0.0, 0.0, monotonic())
        if batch:
            for sequence, error in channel.send(batch):
                task_ = self.scheduler.task_unsendable(node, sequence, monotonic())
                if task_ is not None:
                    self.fail(task_, error)

    # ---- inside -----------------------------------------------------------------------------------

    def _refuse_start(self, error: BaseException) -> None:
        """The first start failed, so trying again is not for the pool to decide: its user hears why."""
        if self.ready is not None and not self.ready.done():
            self.scheduler.close()
            self.ready.set_exception(raisable(error))

    def _returned(self, node: Node, sequences: list[int], now: float) -> None:
        cut: list[Chunk] = []
        for sequence in sequences:
            task = node.sent.get(sequence)
            if task is None or task.state != SENT:
                continue
            chunk = self.callers.future(task)
            if type(chunk) is Chunk and chunk.begun:
                self.scheduler.task_cut(node, sequence, now)
                cut.append(self.callers.leave(task))
        self.scheduler.tasks_returned(node, sequences, now)
        for each in cut:
            each.cut()

    def _mapped(self, node: Node, sequence: int, results: list[Any], run_times: list[float], now: float) -> None:
        task = self.scheduler.items_done(node, sequence, run_times, now, failed=False)
        if task is not None:
            self.callers.future(task).item_results(results)

    def _yielded(
        self, node: Node, sequence: int, status: int, value: Any, run_time: float, share: float, now: float
    ) -> None:
        if status == MAP_FAILED:
            failed = self.scheduler.items_done(node, sequence, [run_time], now, failed=True)
            if failed is not None:
                self.callers.future(failed).item_error(raisable(value, failed))
                self._observer.task_error(value)
            return
        task = node.sent.get(sequence)
        if task is None or task.state != SENT:
            return
        feed: Feed = self.callers.future(task)
        feed.active += share
        if status == ITEM:
            feed.put(value)
        else:
            # The generator goes on to yield what it likes, but its reader can go no further.
            feed.set_exception(raisable(value, task))
            self.abort(task)
            self._observer.task_error(value)

    def _not_done(
        self, node: Node, sequence: int, status: int, value: Any, run_time: float, share: float, now: float
    ) -> None:
        scheduler = self.scheduler
        task = node.sent.get(sequence)
        if task is not None:
            feed = self.callers.future(task)
            if type(feed) is Feed:
                share += feed.active
        if status == EXHAUSTED:
            task = scheduler.task_done(node, sequence, run_time, share, now)
            if task is not None:
                self.callers.leave(task).set_result(None)
            return
        if status == FAILED:
            task = scheduler.task_failed(node, sequence, run_time, share, now)
            error = value
        elif status == ABORTED:
            task = scheduler.task_aborted(node, sequence, run_time, share, now)
            error = TaskAborted("the task function raised TaskAborted of its own accord")
        else:
            return
        if task is not None:
            self.fail(task, error)

    def _flush(self) -> None:
        """Sends what is to be sent, one write per worker, and carries out the effects."""
        self._flushing = False
        dirty = self.scheduler.dirty
        while dirty:
            nodes = dirty[:]
            dirty.clear()
            for node in nodes:
                self.send(node)
        self._carry_out()

    def _carry_out(self) -> None:
        """Carries out effects, in order; doing so may cause further ones.

        A listener or a cancelled future may lead back here: what that adds is left to the call which
        is at work, so that each effect is carried out once, however many there are.
        """
        if self._carrying_out:
            return
        self._carrying_out = True
        effects = self.scheduler.effects
        position = 0
        try:
            while position < len(effects):
                position += 1
                self._performer.perform(effects[position - 1])
        finally:
            del effects[:position]
            self._carrying_out = False
        if self.scheduler.dirty and not self._flushing:
            self._flushing = True
            self.loop.call_soon(self._flush)
        self._set_timer()
        self.room.grew()
        self.stirred()

    def _channel_of(self, task: Task) -> Channel | None:
        """The way to the worker that a task was sent to, or None where it is not at one."""
        node = task.node
        return self.channels.get(node.id) if task.state == SENT and node is not None else None

    def _set_timer(self) -> None:
        deadline = self.scheduler.next_deadline()
        if deadline >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self.loop.call_later(max(0.0, deadline - monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = inf
        self.scheduler.tick(monotonic())
        self._flush()


def _terms(extra: TaskExtra) -> tuple[int, float | None, int]:
    return (len(extra.history) + 1, extra.timeout, extra.buffer)
