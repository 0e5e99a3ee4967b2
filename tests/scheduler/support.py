"""Schedulers in a known state, and short words for what happens to them."""

from __future__ import annotations

import pytest

from poolifier import compiled
from poolifier.exchange import WorkerExit, WorkerReady
from poolifier.options import PoolOptions, TasksQueueOptions
from poolifier.scheduler import effects as effect
from poolifier.scheduler import invariants
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.functions import Function
from poolifier.scheduler.node import STARTING, Node
from poolifier.scheduler.placement import AHEAD
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import Task, TaskExtra
from poolifier.task_functions import KillBehavior, TaskFunctionProperties

WORK = TaskFunctionProperties("work")

counts_looks = pytest.mark.skipif(
    compiled, reason="counts what the Python source looks at; the compiled one does the same"
)
"""For tests that find out what is read by replacing classes, which compiled ones do not allow."""


def function(name="work", affinity=None):
    """A task function that no scheduler knows."""
    return Function(TaskFunctionProperties(name), affinity or Affinity(None), 0)


def node(slot=0, **options):
    """A worker that no scheduler knows, ready."""
    made = Node(slot + 1, slot, dynamic=False, options=TasksQueueOptions(**{"size": 100, **options}), now=0.0)
    made.ready = True
    return made


def candidate(slot, load=0, active=0.0, worker_id=None):
    """A worker as a strategy sees it."""
    made = Node(slot + 1 if worker_id is None else worker_id, slot, dynamic=False, options=TasksQueueOptions(), now=0.0)
    made.load = load
    made.active = active
    return made


def candidates(strategy, count):
    workers = [candidate(slot) for slot in range(count)]
    for worker in workers:
        strategy.worker_added(worker)
    return workers


def choices(strategy, count, now=0.0):
    """The slots of so many choices in a row."""
    return [strategy.choose(now).slot for _ in range(count)]


class Pool:
    """A scheduler, the time, and everything it has wanted done."""

    def __init__(
        self,
        sizes=2,
        *functions,
        ready=True,
        known=True,
        inactive=60.0,
        kill=KillBehavior.SOFT,
        check=True,
        ahead=AHEAD,
        **options,
    ):
        low, high = (sizes, sizes) if isinstance(sizes, int) else sizes
        self.options = PoolOptions.checked(sizes=(low, high), dynamic=low < high, **options)
        self.scheduler = Scheduler(self.options, ahead)
        self.says = WorkerReady(functions or (WORK,), inactive, kill)
        self.now = 0.0
        self.check = check
        self.effects = []
        self.sent = []
        self.last_id = 0
        if known:
            self.scheduler.learn(self.says, 0.0)
        self.scheduler.start(0.0)
        self.pump()
        if ready:
            self.all_ready()

    def pump(self):
        """Takes in what the scheduler wants, and checks its invariants."""
        for node in self.scheduler.dirty:
            self.sent.extend((node.slot, task.id) for task in node.outbox)
            node.outbox = []
            node.in_outbox = False
        self.scheduler.dirty.clear()
        self.effects.extend(self.scheduler.effects)
        self.scheduler.effects.clear()
        if self.check:
            invariants.check(self.scheduler)

    def all_ready(self):
        for node in self.nodes:
            if node.state == STARTING:
                self.scheduler.worker_ready(node.id, self.says, self.now)
                self.pump()

    @property
    def nodes(self):
        by_slot = self.scheduler.sizing.by_slot
        return [by_slot[slot] for slot in sorted(by_slot)]

    @property
    def events(self):
        return [wanted.event for wanted in self.effects if isinstance(wanted, effect.Emit)]

    def wanted(self, kind):
        return [wanted for wanted in self.effects if isinstance(wanted, kind)]

    def failed(self):
        """The errors of the tasks that failed without having run, by task id."""
        return {wanted.task.id: wanted.error for wanted in self.wanted(effect.FailTask | effect.TimeOutTask)}

    def submit(self, name="default", priority=None, retries=0, items=1):
        self.last_id += 1
        function = self.scheduler.functions.find(name)
        task = Task(self.last_id, function, function.priority if priority is None else priority)
        if retries or items > 1:
            task.extra = TaskExtra(retries)
            task.extra.items = items
        self.scheduler.submit(task, self.now)
        self.pump()
        return task

    def done(self, task, run_time=1.0, active=None):
        node = task.node
        active = run_time if active is None else active
        node.active += active
        ended = self.scheduler.task_done(node, task.sequence, run_time, active, self.now)
        node.heard_at = self.now
        self.pump()
        return ended

    def abort(self, task):
        self.scheduler.abort(task, self.now)
        self.pump()

    def lose(self, node, started=0, **exited):
        self.scheduler.worker_lost(node.id, WorkerExit(**{"signal": "SIGKILL", "started": started, **exited}), self.now)
        self.pump()

    def wait(self, seconds):
        self.now += seconds
        self.scheduler.tick(self.now)
        self.pump()

    def load(self):
        return [node.load for node in self.nodes]

    def executing(self):
        return [node.executing for node in self.nodes]
