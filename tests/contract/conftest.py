"""One suite for every kind of worker: `kind` is what a test gets its pools from."""

import sys
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec

import psutil
import pytest

from poolifier import (
    DynamicInterpreterPool,
    DynamicProcessPool,
    DynamicRayPool,
    DynamicThreadPool,
    FixedInterpreterPool,
    FixedProcessPool,
    FixedRayPool,
    FixedThreadPool,
    Pool,
)


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
    Kind("ray", FixedRayPool, DynamicRayPool, by_reference=False, killable=True),
]
if sys.version_info >= (3, 13):
    # Elsewhere there are none, and a test of theirs proves that this is said.
    KINDS.append(Kind("interpreter", FixedInterpreterPool, DynamicInterpreterPool, by_reference=False, killable=False))

NEEDS = {"ray": pytest.mark.skipif(find_spec("ray") is None, reason="Ray has no wheels for this Python")}


@pytest.fixture(params=[pytest.param(kind, marks=NEEDS.get(kind.name, ()), id=kind.name) for kind in KINDS])
def kind(request):
    if request.param.name == "ray":
        request.getfixturevalue("ray_cluster")
    return request.param


@pytest.fixture
def nothing_left(request, kind):
    """Checks that children, threads and descriptors are as before; a thread that has ended may be seen for a moment."""
    if kind.name == "ray":
        # Ray keeps descriptors and threads of its own, as many as it likes.
        actors_left = request.getfixturevalue("actors_left")
        before = set(threading.enumerate())
        yield
        left = [thread for thread in threading.enumerate() if thread not in before and "poolifier" in thread.name]
        assert not left
        assert not actors_left()
        return
    me = psutil.Process()

    def held():
        return me.num_threads(), len(me.children(recursive=True)), me.num_fds()

    before = held()
    yield
    deadline = time.monotonic() + 120
    # Fewer will do: a thread that an earlier test abandoned may have ended meanwhile.
    while any(now > then for now, then in zip(held(), before, strict=True)) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert all(now <= then for now, then in zip(held(), before, strict=True)), (before, held())
