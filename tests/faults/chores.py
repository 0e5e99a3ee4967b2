"""What a soaked pool is given to do. By itself, for what tests import would take each new worker half a second."""

import gc
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from poolifier import TaskAborted, TaskFunction

MEBIBYTE = 1 << 20

hoarded = []


class Weight(NamedTuple):
    """What this process takes: MiB of memory, objects on the heap of Python, descriptors."""

    memory: float
    objects: int
    descriptors: int


def weigh():
    gc.collect()
    return Weight(own_memory("self"), sys.getallocatedblocks(), descriptors("self"))


def own_memory(process):
    """What is shared comes and goes with large data, and would count twice where it is mapped twice."""
    _, resident, shared, *_ = map(int, Path(f"/proc/{process}/statm").read_text().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE


def descriptors(process):
    return len(os.listdir(f"/proc/{process}/fd"))  # noqa: PTH208 - names are all that is needed


def echo(data):
    return data


def hoard(number):
    """As `echo`, and keeps something: a leak."""
    hoarded.append([bytes(1000)])
    return number


def fail(number):
    raise ValueError(number)


def nap(seconds):
    """In slices, for in between it can be interrupted on threads, too."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.005)


def die():
    os._exit(3)


def collect():
    gc.collect()


def cling(seconds):
    """Does not stop when it is told to, and so costs its worker, which goes on for that long."""
    try:
        nap(600)
    except TaskAborted:
        nap(seconds)


def count_up(number):
    yield from range(number)


FUNCTIONS = {
    "echo": echo,
    "fail": fail,
    "nap": nap,
    "count_up": count_up,
    # The worker of the lowest slot is the one that stays; of the highest, the one that comes last.
    "weigh": TaskFunction(weigh, worker_nodes=[0]),
    "hoard": TaskFunction(hoard, worker_nodes=[0]),
    "die": TaskFunction(die, worker_nodes=[2]),
    "cling": TaskFunction(cling, worker_nodes=[2]),
    **{f"collect {slot}": TaskFunction(collect, worker_nodes=[slot]) for slot in range(3)},
}
