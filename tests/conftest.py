"""What tests of pools share."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import time
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import psutil
import pytest
from _pytest import runner

from tests.logs import handler, levels, logged

__all__ = ["handler", "levels", "logged"]


class FailuresAtOnce:
    """Names a test as soon as it has failed: pytest's own report is never written where a run is cut off."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = crash.message.partition("\n")[0] if crash is not None else ""
            terminal.write(f"\nfailed ({report.when}): {report.nodeid}: {why}\n", flush=True)


def pytest_configure(config: pytest.Config) -> None:
    """Scripts have what they start in the background ignore Ctrl-C, and children inherit that: tests send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # What it makes functions of opens its own file when the first one is made, in some builds, and keeps it.
    ctypes.CFUNCTYPE(None)(lambda: None)
    config.pluginmanager.register(FailuresAtOnce(config))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--part 2/3`: the second third of all tests, of which each is always in the same one."""
    parser.addoption("--part", metavar="N/OF", help="run only that part of the tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that need Ray come last: descriptors and children of its cluster come and go, and are not ours."""
    if part := config.getoption("part"):
        number, of = map(int, part.split("/"))
        parts: list[list[pytest.Item]] = [[] for _ in range(of)]
        for item in items:
            parts[crc32(item.nodeid.encode()) % of].append(item)
        items[:] = parts.pop(number - 1)
        config.hook.pytest_deselected(items=[item for others in parts for item in others])
    items.sort(key=lambda item: "[ray" in item.name or "ray_cluster" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Has a test that hangs named: what ends it (`faulthandler_timeout`) can do nothing but write all stacks.

    It is written in C and needs no interpreter that still works. So the name of a test, parameters included, is that of
    a function that runs all there is to it, fixtures too.
    """

    def run_test() -> bool:
        return runner.pytest_runtest_protocol(item, nextitem)

    code = run_test.__code__.replace(co_name=item.nodeid, co_qualname=item.nodeid)
    return types.FunctionType(code, globals(), closure=run_test.__closure__)()


@pytest.fixture
def run() -> Callable[..., Any]:
    """Runs a coroutine with a deadline, in seconds, that no machine is too slow for."""

    def run_coroutine(coroutine: Coroutine[Any, Any, Any], deadline: float = 300.0) -> Any:
        return asyncio.run(asyncio.wait_for(coroutine, deadline))

    return run_coroutine


def _thread_ids() -> set[str]:
    return set(os.listdir("/proc/self/task"))  # noqa: PTH208 - names are all that is needed


class Footprint:
    """What this process holds that a pool might leave behind."""

    def __init__(self) -> None:
        me = psutil.Process()
        self.descriptors = sorted(_target(descriptor) for descriptor in Path("/proc/self/fd").iterdir())
        self.children = [child.pid for child in me.children(recursive=True)]
        self.threads = _thread_ids()
        # Mapped here, or named by us: other programs have shared memory of their own.
        maps = Path("/proc/self/maps").read_text().splitlines()
        self.shared_memory = [line for line in maps if "poolifier" in line and ("memfd" in line or "/dev/shm" in line)]
        self.shared_memory += sorted(str(path) for path in Path("/dev/shm").glob("*poolifier*"))

    def comes_back(self) -> None:
        """Checks that nothing is left of what came after this was taken."""
        # A thread that has ended, and was joined, is seen for a moment more: by what is taken before, too.
        deadline = time.monotonic() + 120
        while _thread_ids() - self.threads and time.monotonic() < deadline:
            time.sleep(0.001)
        now = Footprint()
        left, gone = Counter(now.descriptors), Counter(self.descriptors)
        assert left.total() == gone.total(), f"left open: {dict(left - gone)}; closed late: {dict(gone - left)}"
        assert now.children == self.children
        assert now.threads <= self.threads
        assert now.shared_memory == self.shared_memory


def _target(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)  # noqa: PTH115 - Path.readlink makes a path of what is none
    except FileNotFoundError:
        return "the directory listing itself"


@pytest.fixture
def until() -> Callable[..., Coroutine[Any, Any, None]]:
    """Waits until something that fires no event has become true."""

    async def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - nothing fires an event for it
                await asyncio.sleep(0)

    return wait_until


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Checks that descriptors, children, threads and shared memory are as before."""
    # What earlier tests left in cycles may hold descriptors: if it was collected meanwhile, there would be fewer.
    gc.collect()
    before = Footprint()
    yield
    before.comes_back()


@pytest.fixture(scope="session")
def lasting() -> Any:
    """What `multiprocessing` keeps for good once it is used: resource tracker, memory for small values."""
    import multiprocessing
    import multiprocessing.resource_sharer
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    # A listener, and its thread.
    multiprocessing.resource_sharer.DupFd(0)
    return multiprocessing.RawValue("i")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A small Ray cluster of this machine alone, for all tests that need one: it takes seconds to start."""
    import ray

    ray.init(
        "local",  # not one that another program has started
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 << 20,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def actors_left(ray_cluster: Any) -> Callable[[], list[str]]:
    """The actors of this program that are not dead, once those that have been killed had a moment to be."""
    from ray._private.state import actors

    def look() -> list[str]:
        deadline = time.monotonic() + 120
        while True:
            left = [actor_id for actor_id, actor in actors().items() if actor["State"] != "DEAD"]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.01)

    return look
