"""What is sent, what is queued, what is asked back."""

import pytest

from poolifier.options import TasksQueueOptions
from poolifier.scheduler import effects as effect
from poolifier.scheduler.functions import UNKNOWN_RUN_TIME
from poolifier.scheduler.placement import AHEAD, CHUNKS_AHEAD, MOST_AHEAD, SILENCE
from poolifier.scheduler.task import ENDED, QUEUED, SENT
from poolifier.task_functions import TaskFunctionProperties
from poolifier.testing import Simulation
from tests.scheduler.support import Pool

PINNED = TaskFunctionProperties("pinned", worker_nodes=(1,))
FAIR = TaskFunctionProperties("fair", strategy="fair_share")


def test_without_queues_every_task_goes_to_its_worker_at_once():
    pool = Pool(2, enable_tasks_queue=False)
    for _ in range(6):
        pool.submit()
    assert len(pool.sent) == 6
    assert pool.executing() == [3, 3]
    pool.wait(1.0)
    assert pool.wanted(effect.Reclaim) == []


def test_switching_the_queues_off_and_on():
    pool = Pool(2)
    tasks = [pool.submit() for _ in range(6)]
    assert len(pool.sent) == 2
    options = TasksQueueOptions(size=4)
    pool.scheduler.set_queue(options, 0.0, enabled=False)
    pool.pump()
    assert len(pool.sent) == 6
    pool.scheduler.set_queue(options, 0.0, enabled=True)
    pool.wait(2 * SILENCE)
    assert {wanted.node.slot for wanted in pool.wanted(effect.Reclaim)} == {0, 1}
    pool.scheduler.tasks_returned(tasks[0].node, [tasks[4].sequence, tasks[2].sequence], pool.now)
    pool.pump()
    assert [task.state for task in tasks] == [SENT, SENT, QUEUED, SENT, QUEUED, SENT]


def test_a_higher_concurrency_takes_effect_at_once():
    pool = Pool(1)
    for _ in range(4):
        pool.submit()
    pool.scheduler.set_queue(TasksQueueOptions(size=4, concurrency=3), 0.0, enabled=True)
    pool.pump()
    assert pool.executing() == [3]


def test_priorities_go_before_age():
    pool = Pool(1)
    running = pool.submit()
    tasks = [pool.submit(priority=priority) for priority in (5, -5, 0, -20)]
    order = []
    while tasks:
        pool.done(running)
        running = next(task for task in tasks if task.state == SENT)
        tasks.remove(running)
        order.append(running.priority)
    assert order == [-20, -5, 0, 5]


@pytest.mark.parametrize(("factor", "exponent"), [(1.0, 2 / 3), (5.0, 0.5), (0.5, 0.0)])
def test_nothing_starves(factor, exponent):
    """An endless stream of the most urgent tasks delays one of the least urgent by a time that the options bound.

    With a stream of priority -20 the oldest of which has waited w, the late one (19, waited W) goes first once
    19 - W r < -20 - w r, that is once W - w > 39 / r. The stream keeps the queue at a steady length, so w is at
    most the time that many tasks take, and the rate r lies between the factor and twice that.
    """
    task_time, standing = 0.1, 20
    simulation = Simulation(1, tasks_queue_options={"aging_factor": factor, "load_exponent": exponent, "size": 40})
    simulation.start()
    for _ in range(standing):
        simulation.submit(task_time, priority=-20)
    late = simulation.submit(task_time, priority=19)
    rate = factor * (1 + (standing / 40) ** exponent)
    bound = 39 / rate + (standing + 2) * task_time

    def stream():
        simulation.submit(task_time, priority=-20)
        simulation.clock.after(task_time, stream)

    simulation.clock.after(task_time, stream)
    simulation.run(until=bound)
    assert late.note == "done"
    # And it is not simply first in, first out: it did wait for as long as its priority says.
    waits = simulation.result()
    assert waits.done > 39 / rate / task_time * 0.8


# ---- sending ahead -------------------------------------------------------------------------------


def test_tiny_tasks_are_sent_ahead():
    pool = Pool(1)
    pool.done(pool.submit(), run_time=AHEAD / 10)
    tasks = [pool.submit() for _ in range(30)]
    sent = [task for task in tasks if task.state == SENT]
    assert len(sent) == pytest.approx(10, abs=1)
    assert pool.executing() == [1]
    assert pool.nodes[0].queued == 29
    pool.scheduler.functions.find("work").estimate = 0.0
    pool.done(tasks[0], run_time=0.0)
    assert len(pool.nodes[0].sent) == 29


def test_never_more_than_so_many():
    pool = Pool(1, check=False)
    pool.scheduler.functions.find("work").estimate = 0.0
    for _ in range(2 * MOST_AHEAD):
        pool.submit()
    assert len(pool.nodes[0].sent) == MOST_AHEAD + 1


def test_what_has_crashed_a_worker_travels_alone():
    pool = Pool(1)
    pool.done(pool.submit(), run_time=1e-6)
    suspects = [pool.submit(retries=1) for _ in range(3)]
    pool.lose(pool.nodes[0], started=pool.nodes[0].sequence)
    others = [pool.submit() for _ in range(3)]
    pool.all_ready()
    (node,) = pool.nodes
    for suspect in suspects:
        assert list(node.sent.values()) == [suspect]
        pool.done(suspect, run_time=1e-6)
    assert list(node.sent.values()) == others, "the others are sent ahead again"


def test_a_worker_further_away_is_sent_more_ahead():
    near, far = Pool(1), Pool(1, ahead=0.002)
    for pool in (near, far):
        pool.done(pool.submit(), run_time=0.0004)
        for _ in range(20):
            pool.submit()
    assert len(far.nodes[0].sent) > len(near.nodes[0].sent)


def test_chunks_are_sent_further_ahead_than_tasks():
    pool = Pool(1)
    pool.done(pool.submit(), run_time=0.00001)
    chunks = [pool.submit(items=100) for _ in range(10)]
    sent = [chunk for chunk in chunks if chunk.state == SENT]
    assert len(sent) == pytest.approx(CHUNKS_AHEAD / 0.001, abs=1)
    # What comes behind them is not.
    for chunk in chunks[len(sent) :]:
        pool.abort(chunk)
    tasks = [pool.submit() for _ in range(3)]
    pool.done(sent[0], run_time=0.00001)
    assert [task.state for task in tasks].count(SENT) == 1


def test_what_was_sent_ahead_in_error_is_asked_back():
    pool = Pool(1)
    pool.done(pool.submit(), run_time=0.00001)
    tasks = [pool.submit() for _ in range(4)]
    node = pool.nodes[0]
    assert len(node.sent) == 4
    pool.wait(SILENCE)
    assert pool.wanted(effect.Reclaim) == [effect.Reclaim(node)]
    pool.scheduler.tasks_returned(node, [task.sequence for task in tasks[1:]], pool.now)
    pool.pump()
    assert [task.state for task in tasks] == [SENT, QUEUED, QUEUED, QUEUED]
    assert node.ahead == pytest.approx(UNKNOWN_RUN_TIME)
    pool.done(tasks[0], run_time=0.5)
    assert [task.state for task in tasks] == [ENDED, SENT, QUEUED, QUEUED]  # it has learned


def test_nothing_overtakes_what_is_on_its_way_back():
    """The worker finished some before it was told, and the pool hears of these first."""
    pool = Pool(1)
    pool.done(pool.submit(), run_time=0.00001)
    tasks = [pool.submit() for _ in range(100)]
    node = pool.nodes[0]
    sent = len(node.sent)
    assert 4 < sent < 100
    pool.wait(SILENCE)
    assert pool.wanted(effect.Reclaim) == [effect.Reclaim(node)]
    for task in tasks[:3]:
        pool.done(task, run_time=0.00001)
    assert len(node.sent) == sent - 3
    pool.scheduler.tasks_returned(node, [task.sequence for task in tasks[3:sent]], pool.now)
    pool.pump()
    for task in tasks[3:]:
        pool.done(task, run_time=0.00001)
    order = [task_id for _, task_id in pool.sent]
    assert order[sent + 1 :] == [task.id for task in tasks[3:]]


def test_a_worker_that_had_nothing_to_hand_back_is_sent_ahead_again():
    pool = Pool(1)
    pool.done(pool.submit(), run_time=0.00001)
    tasks = [pool.submit() for _ in range(100)]
    node = pool.nodes[0]
    sent = len(node.sent)
    pool.wait(SILENCE)
    assert pool.wanted(effect.Reclaim) == [effect.Reclaim(node)]
    for task in tasks[:sent]:
        pool.done(task, run_time=0.00001)
    assert len(node.sent) > 4


def test_a_worker_that_answers_is_not_silent():
    pool = Pool(1)
    pool.done(pool.submit(), run_time=0.00001)
    tasks = [pool.submit() for _ in range(4)]
    for task in tasks[:2]:
        pool.now += SILENCE / 2
        pool.done(task, run_time=0.00001)
    pool.scheduler.tick(pool.now)
    pool.pump()
    assert pool.wanted(effect.Reclaim) == []


def test_a_worker_that_is_silent_is_sent_nothing_ahead():
    """It may hang in C code, where it cannot be asked to hand anything back."""
    pool = Pool(1)
    pool.done(pool.submit(), run_time=0.00001)
    pool.now = 1000.0
    hanging = pool.submit()
    [node] = pool.nodes
    pool.now += SILENCE / 2
    pool.submit()
    assert len(node.sent) == 2
    pool.now += SILENCE
    pool.scheduler.tick(pool.now)
    waiting = [pool.submit() for _ in range(3)]
    assert (len(node.sent), node.queue.length) == (2, 3)
    pool.done(hanging, run_time=0.00001)
    assert all(task.sequence in node.sent for task in waiting)


def test_silence_begins_when_it_is_sent_something():
    """Not when it was last heard of, which may be long ago."""
    pool = Pool(1)
    pool.done(pool.submit(), run_time=0.00001)
    pool.now = 1000.0
    for _ in range(4):
        pool.submit()
    assert pool.scheduler.next_deadline() == pytest.approx(1000.0 + SILENCE)
    pool.wait(SILENCE / 2)
    assert pool.wanted(effect.Reclaim) == []
