"""The scheduler against everything that callers, workers and time can do to it, in any order.

Two drivers act upon the same `World`: Hypothesis, which shrinks what it finds to the shortest story,
and random walks, which are ten times as many in the same time. Both check every invariant after
every step, and at the end let everything take its course: nobody may be left waiting.

`HYPOTHESIS_PROFILE=slow` runs both for some minutes; `quick` a tenth of what is usual, for a second
Python: what decides is the scheduler, which is the same on each.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from poolifier.options import WorkerChoiceStrategy
from poolifier.task_functions import KillBehavior
from tests.model.world import ACTIONS, World

PROFILES = {"slow": (10_000, 40_000), "usual": (2_000, 2_400), "quick": (200, 240)}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "usual")
EXAMPLES, WALKS = PROFILES[PROFILE]
SIZES = [(1, 1), (2, 2), (3, 3), (5, 5), (0, 1), (0, 3), (1, 3), (2, 6)]

LIMITS = [(5, 10.0), (1, 10.0), (0, 0.5), None]

number = st.integers(0, 999)
configurations = st.fixed_dictionaries(
    {
        "sizes": st.sampled_from(SIZES),
        "known": st.booleans(),
        "kill": st.sampled_from(KillBehavior),
        "worker_choice_strategy": st.sampled_from(WorkerChoiceStrategy),
        "enable_tasks_queue": st.sampled_from([True, True, False]),
        "restart_worker_on_error": st.sampled_from([True, True, False]),
        "restart_limit": st.sampled_from(LIMITS),
        "max_tasks_per_worker": st.sampled_from([None, None, 1, 3]),
        "max_memory_per_worker": st.sampled_from([None, None, 2000]),
        "tasks_queue_options": st.fixed_dictionaries(
            {
                "size": st.sampled_from([1, 2, 4, None]),
                "tasks_stealing_ratio": st.sampled_from([1.0, 1.0, 0.6, 0.0]),
                "concurrency": st.sampled_from([1, 1, 2, 3]),
            }
        ),
    }
)


class SchedulerModel(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = None

    @initialize(configuration=configurations)
    def begin(self, configuration):
        self.world = World(**configuration)

    def teardown(self):
        if self.world is not None:
            self.world.drain()


def _as_rule(name):
    def act(self, a, b, c):
        getattr(self.world, name)(a, b, c)

    act.__name__ = name
    return rule(a=number, b=number, c=number)(precondition(lambda self: self.world is not None)(act))


for action in ACTIONS:
    setattr(SchedulerModel, action, _as_rule(action))

TestScheduler = SchedulerModel.TestCase
TestScheduler.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=PROFILE != "slow",
)


def walk(seed, **fixed):
    """One random walk; the seed is all it takes to walk it again."""
    pick = random.Random(seed)
    configuration = {
        "sizes": pick.choice(SIZES),
        "known": pick.random() < 0.7,
        "kill": pick.choice(list(KillBehavior)),
        "worker_choice_strategy": pick.choice(list(WorkerChoiceStrategy)),
        "enable_tasks_queue": pick.random() < 0.8,
        "restart_worker_on_error": pick.random() < 0.85,
        "restart_limit": pick.choice(LIMITS),
        "tasks_queue_options": {
            "size": pick.choice([1, 2, 4, None]),
            "tasks_stealing_ratio": pick.choice([1.0, 1.0, 0.6, 0.0]),
            "concurrency": pick.choice([1, 1, 2, 3]),
        },
    }
    world = World(**{**configuration, **fixed})
    story = []
    try:
        for _ in range(pick.choice((6, 12, 24, 48))):
            step = (*pick.choices(list(ACTIONS), ACTIONS.values()), *(pick.randrange(1000) for _ in range(3)))
            story.append(step)
            getattr(world, step[0])(*step[1:])
        story.append("drain")
        world.drain()
    except AssertionError as error:
        error.add_note(f"walk({seed}), {configuration}, after {story}")
        raise


@pytest.mark.parametrize("strategy", WorkerChoiceStrategy)
def test_random_walks(strategy):
    for seed in range(WALKS // 8):
        walk(f"{strategy} {seed}", worker_choice_strategy=strategy)


@pytest.mark.parametrize(
    "fixed",
    [
        {"enable_tasks_queue": False},
        {"sizes": (0, 4)},
        {"max_tasks_per_worker": 1},
        {"restart_limit": (0, 10.0)},
        {"max_tasks_per_worker": 4, "max_memory_per_worker": 3000},
    ],
    ids=["without queues", "from no worker at all", "recycled at once", "failing at once", "recycled"],
)
def test_random_walks_in_a_corner(fixed):
    for seed in range(WALKS // 16):
        walk(f"{fixed} {seed}", **fixed)
