import pytest

from poolifier.options import TasksQueueOptions
from poolifier.scheduler.affinity import Affinity
from poolifier.scheduler.node import Node
from poolifier.scheduler.stealing import HungryNodes, Stealing
from poolifier.task_functions import TaskFunctionProperties
from tests.scheduler.support import WORK, Pool, counts_looks

PINNED = TaskFunctionProperties("pinned", worker_nodes=(0,))


def node(slot):
    return Node(slot + 1, slot, dynamic=False, options=TasksQueueOptions(size=4), now=0.0)


def stealing(workers, **options):
    made = Stealing(TasksQueueOptions(size=4, **options))
    made.resize(workers)
    return made


@pytest.mark.parametrize(
    ("workers", "ratio", "limit"), [(1, 0.6, 1), (2, 0.6, 2), (5, 0.6, 3), (10, 0.6, 6), (20, 0.55, 11), (3, 0.0, 0)]
)
def test_how_many_may_steal_at_a_time(workers, ratio, limit):
    assert stealing(workers, tasks_stealing_ratio=ratio).limit == limit


def test_thieves_are_counted_once():
    made = stealing(2)
    first, second, third = node(0), node(1), node(2)
    made.begin(first)
    made.begin(first)
    made.begin(second)
    assert made.thieves == 2
    assert made.may_steal(first)
    assert not made.may_steal(third)
    assert made.end(first)
    assert not made.end(first)
    assert made.may_steal(third)


def test_the_hungry_are_found_by_affinity():
    made = stealing(10)
    nodes = [node(slot) for slot in range(4)]
    low, high = Affinity(frozenset({0, 1})), Affinity(frozenset({3}))
    assert made.hungry_for(low) is None
    assert made.add_hungry(nodes[2])
    assert not made.add_hungry(nodes[1])
    assert not made.add_hungry(nodes[1])
    assert made.hungry_for(low) is nodes[1]
    assert made.hungry_for(high) is None
    made.add_hungry(nodes[3])
    assert made.hungry_for(high) is nodes[3]
    assert not made.remove_hungry(nodes[1])
    assert made.hungry_for(low) is None
    assert not made.remove_hungry(nodes[3])
    assert made.remove_hungry(nodes[2])
    assert not made.remove_hungry(nodes[2])
    assert made.hungry_for(Affinity(None)) is None


def test_no_thief_beyond_the_limit_or_where_stealing_is_off():
    made = stealing(1)
    hungry = node(0)
    made.add_hungry(hungry)
    assert made.thief_for(Affinity(None)) is hungry
    made.begin(node(1))
    assert made.thief_for(Affinity(None)) is None
    assert made.hungry_for(Affinity(None)) is hungry
    assert stealing(4, task_stealing=False).thief_for(Affinity(None)) is None


def test_a_set_that_gives_away_any_member():
    hungry = HungryNodes()
    nodes = [node(slot) for slot in range(5)]
    for each in nodes:
        hungry.add(each)
    for each in (nodes[1], nodes[4], nodes[1], nodes[0]):
        hungry.discard(each)
    assert {hungry.any()} <= {nodes[2], nodes[3]}
    hungry.discard(nodes[2])
    assert hungry.any() is nodes[3]
    hungry.discard(nodes[3])
    assert hungry.any() is None


# ---- in a pool ------------------------------------------------------------------------------------


def test_a_worker_that_runs_dry_takes_from_the_fullest_queue_at_once():
    pool = Pool(3, worker_choice_strategy="round_robin")
    tasks = [pool.submit() for _ in range(12)]  # 0: 1 4 7 10, 1: 2 5 8 11, 2: 3 6 9 12
    for number in (3, 6, 9):
        pool.done(tasks[number - 1])
    pool.done(tasks[0])
    assert pool.load() == [3, 4, 1]
    pool.sent.clear()
    pool.done(tasks[11])
    assert pool.sent == [(2, 5)]  # the first of slot 1, which has 3 waiting to slot 0's 2
    assert pool.load() == [3, 3, 1]


def test_a_stolen_task_is_the_thiefs_in_every_respect():
    pool = Pool(2, worker_choice_strategy="round_robin")
    tasks = [pool.submit() for _ in range(4)]  # 0: 1 3, 1: 2 4
    pool.done(tasks[1])
    pool.done(tasks[3])
    assert tasks[2].node is pool.nodes[1]
    assert pool.executing() == [1, 1]
    assert pool.done(tasks[2]) is tasks[2]
    pool.done(tasks[0])
    assert pool.executing() == [0, 0]
    assert [node.usage.counts() for node in pool.nodes] == [(1, 0, 0, 0), (3, 0, 0, 1)]


def test_abort_and_crash_follow_a_stolen_task():
    pool = Pool(2, worker_choice_strategy="round_robin")
    tasks = [pool.submit() for _ in range(4)]
    pool.done(tasks[1])
    pool.done(tasks[3])
    thief = tasks[2].node
    assert thief is pool.nodes[1]
    pool.lose(pool.nodes[0], started=1)
    assert list(pool.failed()) == [1]  # the victim takes down its own, not what was stolen from it
    pool.lose(thief, started=tasks[2].sequence)
    assert list(pool.failed()) == [1, 3]


def test_a_thief_stops_being_one_when_its_own_queue_feeds_it():
    pool = Pool(2, worker_choice_strategy="round_robin")
    tasks = [pool.submit() for _ in range(6)]  # 0: 1 3 5, 1: 2 4 6
    for number in (2, 4, 6):
        pool.done(tasks[number - 1])
    thief = pool.nodes[1]
    assert thief.stealing
    assert thief.usage.sequentially_stolen == 1
    pool.submit()  # round robin: slot 0
    own = pool.submit()
    assert own.node is thief
    pool.done(tasks[2])
    assert not thief.stealing
    assert thief.usage.sequentially_stolen == 0


def test_a_task_stays_where_its_affinity_keeps_it():
    pool = Pool(2, WORK, PINNED)
    tasks = [pool.submit("pinned") for _ in range(3)]
    assert pool.load() == [3, 0]
    loose = pool.submit()
    assert loose.node is pool.nodes[1]
    pool.done(loose)
    assert pool.load() == [3, 0]
    assert {task.node.slot for task in tasks} == {0}


def test_at_most_so_many_steal():
    pool = Pool(5, worker_choice_strategy="weighted_round_robin", tasks_queue_options={"tasks_stealing_ratio": 0.4})
    for _ in range(20):
        pool.submit()  # of all nothing is known, so all go to the first
    assert pool.executing()[0] == 1
    assert sum(pool.executing()) == 3
    assert sum(node.stealing for node in pool.nodes) == 2


def test_when_one_stops_another_may_begin():
    pool = Pool(3, worker_choice_strategy="weighted_round_robin", tasks_queue_options={"tasks_stealing_ratio": 0.3})
    for _ in range(9):
        pool.submit()
    (thief,) = [node for node in pool.nodes if node.stealing]
    pool.lose(thief, started=thief.sequence)
    assert sum(node.stealing for node in pool.nodes) == 1
    assert sum(pool.executing()) == 2


def test_none_from_a_worker_that_is_not_ready():
    pool = Pool((1, 2), worker_choice_strategy="round_robin")
    first = pool.submit()
    second = pool.submit()  # creates the other worker, which gets it at once
    assert second.node is pool.nodes[1]
    pool.done(first)
    assert pool.load() == [0, 1]
    pool.all_ready()
    assert pool.executing() == [0, 1]


def test_switched_off_each_keeps_its_own():
    pool = Pool(2, worker_choice_strategy="round_robin", tasks_queue_options={"task_stealing": False})
    tasks = [pool.submit() for _ in range(6)]
    for number in (2, 4, 6):
        pool.done(tasks[number - 1])
    assert pool.load() == [3, 0]


def test_a_worker_with_room_for_more_takes_as_much_as_it_may_run():
    pool = Pool(2, worker_choice_strategy="weighted_round_robin", tasks_queue_options={"concurrency": 3})
    for _ in range(10):
        pool.submit()
    assert pool.executing() == [3, 3]


def test_on_back_pressure_tasks_move_to_those_with_room():
    pool = Pool(
        2,
        worker_choice_strategy="weighted_round_robin",
        tasks_queue_options={"size": 3, "task_stealing": False},
    )
    for _ in range(8):
        pool.submit()
    # The first runs one and holds two; what would fill its queue goes over as long as that evens out.
    assert pool.load() == [4, 4]
    assert [node.usage.counts()[3] for node in pool.nodes] == [0, 4]


def test_on_back_pressure_nothing_moves_where_that_is_off():
    pool = Pool(
        2,
        worker_choice_strategy="weighted_round_robin",
        tasks_queue_options={"size": 3, "task_stealing": False, "tasks_stealing_on_back_pressure": False},
    )
    for _ in range(8):
        pool.submit()
    assert pool.load() == [8, 0]


@counts_looks
@pytest.mark.parametrize("workers", [10, 1000])
def test_finding_victim_and_thief_looks_at_a_few_workers_however_many_there_are(workers):
    """Counted, not timed: reads of any worker's slot, load or queue length."""
    pool = Pool(workers, WORK, PINNED, check=False, worker_choice_strategy="weighted_round_robin")
    for _ in range(3 * workers):
        pool.submit()
    looked_at = []

    class Watched(Node):
        __slots__ = ()

        def __getattribute__(self, name):
            if name in ("slot", "stealing", "hungry_position"):
                looked_at.append(id(self))
            return super().__getattribute__(name)

    thief = next(each for each in pool.nodes if each.stealing)
    task = next(iter(thief.sent.values()))
    for each in pool.nodes:
        each.__class__ = Watched
    pool.scheduler.task_done(thief, task.sequence, 0.1, 0.1, 0.0)
    pool.scheduler.placement.stealing.thief_for(pool.scheduler.functions.find("pinned").affinity)
    assert len(set(looked_at)) <= 20


def test_a_worker_that_was_added_takes_what_it_was_added_for_however_many_steal():
    pool = Pool((1, 12), WORK)
    for _ in range(12):
        pool.submit()
        pool.all_ready()
    assert [len(each.sent) for each in pool.nodes] == [1] * 12
    assert pool.scheduler.placement.stealing.thieves <= pool.scheduler.placement.stealing.limit
