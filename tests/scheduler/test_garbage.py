"""What a task leads to, and what becomes of a scheduler that is forgotten while tasks wait.

Compiled tasks are no objects that Python's garbage collector looks at, so all of this has to hold by construction.
"""

import gc
import types

import pytest

from poolifier import compiled
from poolifier.errors import WorkerCrashedError
from poolifier.protocols import Strategy
from poolifier.scheduler.choosers import Choosers
from poolifier.scheduler.functions import Functions
from poolifier.scheduler.node import Node
from poolifier.scheduler.scheduler import Scheduler
from poolifier.task_functions import TaskFunction, TaskFunctionProperties
from tests.scheduler.support import Pool


class First(Strategy):
    """A user's own strategy, which may know the pool."""

    def __init__(self, options):
        self.workers = []

    def worker_added(self, worker):
        self.workers.append(worker)

    def worker_removed(self, worker):
        self.workers.remove(worker)

    def choose(self, now):
        return self.workers[0] if self.workers else None


def work(data):
    return data


def busy_pool(**options):
    """A pool with tasks sent, queued at both workers, stolen, retried, limited and aborted, of several functions."""
    functions = (
        TaskFunctionProperties("work"),
        TaskFunctionProperties("here", worker_nodes=(1,), strategy="fair_share"),
        TaskFunctionProperties("timed", timeout=5.0, priority=3),
    )
    pool = Pool(2, *functions, check=False, **options)
    pool.scheduler.learn(pool.says, 0.0, {"work": TaskFunction(work), "here": TaskFunction(work)})
    for name in ("work", "here", "timed") * 20:
        pool.submit(name, retries=2)
    killer = next(iter(pool.nodes[0].sent.values()))
    pool.lose(pool.nodes[0], started=killer.sequence)
    pool.wait(1.0)
    pool.all_ready()
    pool.scheduler.put_function(TaskFunctionProperties("work"), "work@2", TaskFunction(work))
    tasks = [pool.submit("work") for _ in range(10)]
    pool.abort(tasks[-1])
    return pool


@pytest.mark.parametrize("strategy", ["least_used", "fair_share", "interleaved_weighted_round_robin", First])
def test_no_task_leads_to_the_scheduler_or_to_anything_of_the_users(strategy):
    pool = busy_pool(worker_choice_strategy=strategy)
    waiting = [task for node in pool.nodes for task in (*node.queue, *node.sent.values())]
    assert any(task.extra is not None and task.extra.history for task in waiting)
    crashed = [error for task in waiting if task.extra is not None for error in task.extra.history]
    assert all(type(error) is WorkerCrashedError and error.__traceback__ is None for error in crashed)
    seen = {}
    # By its attributes, for of compiled ones it is all that can be seen.
    left = [thing for task in waiting for thing in (task.function, task.node, task.extra, task.note)]
    while left:
        thing = left.pop()
        if id(thing) in seen or isinstance(thing, type | types.ModuleType):
            continue
        seen[id(thing)] = thing
        left += gc.get_referents(thing)
    met = {type(thing) for thing in seen.values()}
    assert met >= {Node, WorkerCrashedError}
    assert not met & {Scheduler, Choosers, Functions, TaskFunction, First, types.FunctionType, types.MethodType}


def nodes():
    return [thing for thing in gc.get_objects() if type(thing) is Node]


@pytest.mark.parametrize("lost", [False, True])
def test_a_scheduler_that_is_forgotten_leaves_nothing(lost):
    gc.collect()
    before = {id(node) for node in nodes()}
    pool = busy_pool()
    pool.scheduler.lobby.push(pool.submit("here"))
    if lost:
        pool.lose(pool.nodes[1])
    task = pool.submit("work")
    assert gc.is_tracked(task) is not compiled
    assert len([node for node in nodes() if id(node) not in before]) >= 2
    del pool, task
    gc.collect()
    gc.collect()  # what the first one has taken apart
    # Each task has its node: so the tasks are gone as well.
    assert [node for node in nodes() if id(node) not in before] == []


def test_a_scheduler_that_cannot_be_made_ends_quietly(recwarn, monkeypatch):
    class Broken(First):
        def __init__(self, options):
            raise ValueError("no such weights")

    ignored = []
    monkeypatch.setattr("sys.unraisablehook", ignored.append)
    with pytest.raises(ValueError, match="no such weights"):
        Pool(2, worker_choice_strategy=Broken)
    gc.collect()
    assert ignored == []
