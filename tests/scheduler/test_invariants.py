"""The checks check: each rule is broken by hand, and noticed."""

import pytest

from poolifier.scheduler import invariants
from poolifier.scheduler.task import ENDED, SENT
from tests.scheduler.support import Pool


def pool():
    made = Pool(2, worker_choice_strategy="round_robin", tasks_queue_options={"tasks_stealing_ratio": 1.0})
    for _ in range(6):
        made.submit()
    return made


BREAKS = {
    "load": lambda made: setattr(made.nodes[0], "load", 7),
    "queue length": lambda made: setattr(made.nodes[0].queue, "length", 7),
    "ready count": lambda made: setattr(made.scheduler, "ready_count", 7),
    "submitted": lambda made: setattr(made.scheduler.books, "submitted", 7),
    "state of what waits": lambda made: setattr(next(iter(made.nodes[0].queue)), "state", SENT),
    "state of what was sent": lambda made: setattr(next(iter(made.nodes[0].sent.values())), "state", ENDED),
    "node of what was sent": lambda made: setattr(next(iter(made.nodes[0].sent.values())), "node", made.nodes[1]),
    "sequence": lambda made: setattr(next(iter(made.nodes[0].sent.values())), "sequence", 99),
    "two places": lambda made: made.nodes[0].sent.update(made.nodes[1].sent),
    "pressed": lambda made: setattr(made.nodes[0], "pressed", True),
    "ahead": lambda made: setattr(made.nodes[0], "ahead", 77.0),
    "thieves": lambda made: setattr(made.scheduler.placement.stealing, "thieves", 1),
    "hungry": lambda made: made.scheduler.placement.stealing.add_hungry(made.nodes[0]),
    "index": lambda made: setattr(made.nodes[0].queue.shelves[0], "bucket", 5),
    "slots": lambda made: made.scheduler.sizing.by_slot.pop(0),
    "outbox": lambda made: made.nodes[0].outbox.append(next(iter(made.nodes[0].sent.values()))),
}


@pytest.mark.parametrize("what", BREAKS)
def test_notices_what_is_broken(what):
    made = pool()
    invariants.check(made.scheduler)
    BREAKS[what](made)
    with pytest.raises(AssertionError):
        invariants.check(made.scheduler)
