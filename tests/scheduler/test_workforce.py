"""How many workers there are, and which."""

import pytest

from poolifier.scheduler import effects as effect
from poolifier.scheduler.node import PLANNED, RETIRING, STARTING
from poolifier.scheduler.task import ENDED, SENT
from poolifier.task_functions import KillBehavior, TaskFunctionProperties
from poolifier.testing import Simulation
from tests.scheduler.support import WORK, Pool

PINNED = TaskFunctionProperties("pinned", worker_nodes=(1,))
FAIR = TaskFunctionProperties("fair", strategy="fair_share")


def test_grows_when_all_are_busy_and_shrinks_when_idle():
    pool = Pool((1, 3), inactive=10.0)
    first = pool.submit()
    assert len(pool.nodes) == 1
    second = pool.submit()
    third = pool.submit()
    pool.submit()
    assert [node.dynamic for node in pool.nodes] == [False, True, True]
    assert pool.events.count("full") == 1
    pool.all_ready()
    for _ in range(4):
        for node in pool.nodes:
            if node.sent:
                pool.done(next(iter(node.sent.values())))
    pool.wait(10.0)
    assert [node.state for node in pool.nodes[1:]] == [RETIRING, RETIRING]
    for node in pool.nodes[1:]:
        pool.lose(node, signal=None, exit_code=0)
    assert len(pool.nodes) == 1
    assert pool.events.count("full_end") == 1
    assert "error" not in pool.events
    assert {first.state, second.state, third.state} == {ENDED}


def test_from_nothing_to_nothing_and_again():
    simulation = Simulation((0, 2), start_delay=0.5, max_inactive_time=5.0)
    simulation.start()
    assert [name for _, name in simulation.events] == ["ready"]
    for _ in range(2):
        task = simulation.submit(1.0)
        simulation.run()
        assert task.note == "done"
        assert simulation.nodes == []
    assert [name for _, name in simulation.events].count("empty") == 2


def test_one_waiting_task_creates_one_worker():
    pool = Pool((0, 5))
    task = pool.submit()
    assert len(pool.nodes) == 1
    pool.all_ready()
    assert len(pool.nodes) == 1
    assert task.state == SENT
    pool.submit()
    assert len(pool.nodes) == 2


def test_idle_workers_keep_a_pool_from_growing_whoever_may_steal():
    for options in ({"tasks_stealing_ratio": 0.0}, {"task_stealing": False}, {}):
        pool = Pool((2, 9), tasks_queue_options=options)
        for _ in range(10):
            pool.done(pool.submit())
        assert len(pool.nodes) == 2


def test_affinity_creates_the_slots_that_it_needs():
    pool = Pool((0, 4), WORK, TaskFunctionProperties("last", worker_nodes=(2, 3)))
    pool.submit("last")
    assert [node.slot for node in pool.nodes] == [2]
    pool.submit("last")
    pool.submit("last")
    assert [node.slot for node in pool.nodes] == [2, 3]
    pool.submit()
    assert [node.slot for node in pool.nodes] == [0, 2, 3]


@pytest.mark.parametrize(("strategy", "slots"), [("round_robin", [0, 1, 1]), ("least_used", [0, 0, 0])])
def test_the_strategys_policy_for_a_new_worker(strategy, slots):
    pool = Pool((1, 2), worker_choice_strategy=strategy)
    tasks = [pool.submit() for _ in range(2)]
    assert len(pool.nodes) == 2
    assert pool.nodes[1].state == STARTING
    assert pool.nodes[1].eligible == (strategy == "round_robin")
    tasks.append(pool.submit())
    chosen = [task.node.slot for task in tasks]
    assert chosen[:2] == slots[:2]


def test_a_worker_whose_slot_backs_off_gets_nothing_that_another_can_take():
    pool = Pool((1, 2), worker_choice_strategy="round_robin")
    first, second = pool.submit(), pool.submit()
    for _ in range(2):
        pool.lose(pool.nodes[1])
    assert pool.nodes[1].state == PLANNED
    third = pool.submit()
    assert third.node is pool.nodes[0]
    assert (first.node, second.node.slot) == (pool.nodes[0], 0)


def test_hard_retirement_aborts_what_runs_and_is_no_crash():
    pool = Pool((0, 1), inactive=10.0, kill=KillBehavior.HARD)
    task = pool.submit()
    pool.all_ready()
    pool.wait(10.0)
    node = pool.nodes[0]
    assert pool.wanted(effect.CancelTask) == [effect.CancelTask(task)]
    assert pool.wanted(effect.AbortTask) == [effect.AbortTask(node, task.sequence)]
    assert pool.wanted(effect.KillWorker) == []
    pool.wait(pool.options.abort_grace)
    assert pool.wanted(effect.KillWorker) == [effect.KillWorker(node)]
    pool.lose(node, started=task.sequence)
    assert "error" not in pool.events
    assert pool.scheduler.books.retired.counts() == (0, 0, 1, 0)


def test_soft_retirement_waits():
    pool = Pool((0, 1), inactive=10.0)
    task = pool.submit()
    pool.all_ready()
    pool.wait(100.0)
    assert pool.nodes[0].state != RETIRING
    pool.done(task)
    pool.wait(9.0)
    assert pool.nodes[0].state != RETIRING
    pool.wait(1.0)
    assert pool.nodes[0].state == RETIRING


def test_a_task_that_comes_while_the_last_worker_leaves():
    pool = Pool((0, 1), inactive=10.0)
    pool.submit()
    pool.all_ready()
    pool.done(next(iter(pool.nodes[0].sent.values())))
    pool.wait(10.0)
    task = pool.submit()
    assert task.node is None
    pool.lose(pool.nodes[0], signal=None, exit_code=0)
    pool.all_ready()
    assert task.state == SENT


def test_retiring_moves_what_waits_and_replaces_a_worker_of_the_minimum():
    pool = Pool(2, worker_choice_strategy="round_robin")
    tasks = [pool.submit() for _ in range(6)]
    node = pool.nodes[0]
    pool.scheduler.retire(node, 0.0)
    pool.scheduler.retire(node, 0.0)
    pool.pump()
    assert pool.wanted(effect.StopWorker) == [effect.StopWorker(node)]
    assert pool.load() == [1, 5]
    assert pool.done(tasks[0]) is tasks[0]
    pool.lose(node, signal=None, exit_code=0)
    assert "error" not in pool.events
    assert pool.nodes[0].state == STARTING
