"""One suite for every kind of worker: `kind` is what a test gets its pools from."""

import time
from dataclasses import dataclass

import psutil
import pytest

from poolifier import DynamicProcessPool, DynamicThreadPool, FixedProcessPool, FixedThreadPool, Pool


@dataclass(frozen=True)
class Kind:
    """A kind of worker, and what it cannot do.

    Attributes:
        name: As in `PoolInfo.worker`.
        by_reference: Data, results and errors are the very objects.
        killable: A worker can be ended whatever it does.
    """

    name: str
    fixed: type[Pool]
    dynamic: type[Pool]
    by_reference: bool
    killable: bool


KINDS = [
    Kind("process", FixedProcessPool, DynamicProcessPool, by_reference=False, killable=True),
    Kind("thread", FixedThreadPool, DynamicThreadPool, by_reference=True, killable=False),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def nothing_left():
    """Checks that children, threads and descriptors are as before; a thread that has ended may be seen for a moment."""
    me = psutil.Process()

    def held():
        return me.num_threads(), len(me.children(recursive=True)), me.num_fds()

    before = held()
    yield
    deadline = time.monotonic() + 5
    # Fewer will do: a thread that an earlier test abandoned may have ended meanwhile.
    while any(now > then for now, then in zip(held(), before, strict=True)) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert all(now <= then for now, then in zip(held(), before, strict=True)), (before, held())
