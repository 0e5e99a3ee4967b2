"""The executors that take the place of the standard library's, with the same signatures."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable
from concurrent import futures
from itertools import count
from multiprocessing.context import BaseContext
from typing import Any, Final

from poolifier.futures.executor import PoolExecutor
from poolifier.futures.starts import RESTART_LIMIT, Starts
from poolifier.option_checks import check_count
from poolifier.parallelism import available_parallelism
from poolifier.pool.base import Pool
from poolifier.pool.kinds.interpreter import DynamicInterpreterPool, FixedInterpreterPool
from poolifier.pool.kinds.process import DynamicProcessPool, FixedProcessPool
from poolifier.pool.kinds.thread import DynamicThreadPool, FixedThreadPool
from poolifier.task_functions import DEFAULT_TASK_NAME, Worker
from poolifier.worker.calls import call, call_here, initialize_thread

__all__ = ["InterpreterPoolExecutor", "ProcessPoolExecutor", "ThreadPoolExecutor"]

_ENDLESS: Final = 1 << 60
"""Size of a queue that is never full."""

_number = count().__next__

if sys.version_info >= (3, 14):
    from concurrent.futures import InterpreterPoolExecutor as _InterpreterPoolExecutor
else:
    # Which the one of Python 3.14 is.
    _InterpreterPoolExecutor = futures.ThreadPoolExecutor


# Derived from those of the standard library for `isinstance`, by which asyncio goes as well: nothing of them is in use.


class ProcessPoolExecutor(PoolExecutor, futures.ProcessPoolExecutor):  # type: ignore[misc]
    """Runs calls in child processes, as `concurrent.futures.ProcessPoolExecutor` does.

    A worker that dies costs the call that it ran and no other, `cancel` also stops a call that runs, and an
    idle worker takes what waits for a busy one. Workers are made as they are needed, never import
    `__main__`, and inherit nothing of this process but its environment, whatever the start method.

    Args:
        max_workers: The most processes; None for one per CPU that this process may use.
        mp_context: Of a context of `multiprocessing` the start method counts: with `"spawn"` each worker is
            a new interpreter, otherwise it is forked from a small server. None for the latter.
        initializer: Called in each worker before its first call. Where it raises, the executor is broken.
        initargs: What it is called with.
        max_tasks_per_child: Calls after which a worker is to be replaced, or somewhat fewer; None for no limit. It
            goes on until the one that takes its place is ready, so that no call waits for that.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A number is below 1, or `max_tasks_per_child` was given with the start method `"fork"`.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        max_tasks_per_child: int | None = None,
    ) -> None:
        size = available_parallelism() if max_workers is None else _check_max_workers(max_workers)
        method = None
        if mp_context is not None:
            if not isinstance(mp_context, BaseContext):
                raise TypeError(f"mp_context must be a context of multiprocessing or None, not {mp_context!r}")
            method = mp_context.get_start_method(allow_none=False)
        if max_tasks_per_child is not None:
            check_count("max_tasks_per_child", max_tasks_per_child, 1)
            if method == "fork":
                raise ValueError(
                    "max_tasks_per_child must be None where mp_context starts processes by 'fork', as in the "
                    "standard library; give another mp_context, or none"
                )
        starts = Starts()
        wanted = _checked(initializer, initargs)
        options = {
            **_options(starts),
            "start_method": "spawn" if method == "spawn" else "fork_server",
            "max_tasks_per_worker": max_tasks_per_child,
        }
        if wanted is not None:
            options.update(initializer=wanted[0], initargs=wanted[1:])
        worker = Worker({"call": call}, max_inactive_time=float("inf"))
        pool: Pool[Any, Any]
        pool = FixedProcessPool(1, worker, **options) if size == 1 else DynamicProcessPool(1, size, worker, **options)
        starts.hopeless = self._use(pool, DEFAULT_TASK_NAME).give_up

    def terminate_workers(self) -> None:
        """Shuts down without waiting: ends the workers, and what they run, by SIGTERM; cancels what has not started."""
        self._engine.end_workers(signal.SIGTERM)

    def kill_workers(self) -> None:
        """Shuts down without waiting: ends the workers, and what they run, by SIGKILL; cancels what has not started."""
        self._engine.end_workers(signal.SIGKILL)


class ThreadPoolExecutor(PoolExecutor, futures.ThreadPoolExecutor):  # type: ignore[misc]
    """Runs calls in threads, as `concurrent.futures.ThreadPoolExecutor` does.

    `cancel` also stops a call that runs, as soon as it is in Python code, and calls find the `contextvars` of whoever
    submitted them.

    Args:
        max_workers: The most threads; None for 4 more than there are CPUs, at most 32.
        thread_name_prefix: What the names of the threads begin with.
        initializer: Called in each thread before its first call. Where it raises, the executor is broken.
            What it sets in its context is set for the calls.
        initargs: What it is called with.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: `max_workers` is below 1.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        size = min(32, available_parallelism() + 4) if max_workers is None else _check_max_workers(max_workers)
        starts = Starts()
        options = _options(starts)
        wanted = _checked(initializer, initargs)
        if wanted is not None:
            options.update(initializer=initialize_thread, initargs=wanted)
        worker = Worker({"call": call_here}, max_inactive_time=float("inf"))
        pool = FixedThreadPool(1, worker, **options) if size == 1 else DynamicThreadPool(1, size, worker, **options)
        pool._thread_name = _names(thread_name_prefix or f"ThreadPoolExecutor-{_number()}")
        starts.hopeless = self._use(pool, DEFAULT_TASK_NAME).give_up


class InterpreterPoolExecutor(PoolExecutor, _InterpreterPoolExecutor):  # type: ignore[misc]
    """Runs calls in sub-interpreters, as `concurrent.futures.InterpreterPoolExecutor` of Python 3.14 does.

    Needs Python 3.14, or Python 3.13 with the extra `poolifier[interpreters]`. `cancel` also stops a call that
    runs, as soon as it is in Python code.

    Args:
        max_workers: The most interpreters; None for 4 more than there are CPUs, at most 32.
        thread_name_prefix: What the names of their threads begin with.
        initializer: Called in each interpreter before its first call. Where it raises, the executor is broken.
        initargs: What it is called with.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: `max_workers` is below 1.
        UnsupportedError: There are no sub-interpreters here.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        size = min(32, available_parallelism() + 4) if max_workers is None else _check_max_workers(max_workers)
        starts = Starts()
        options = _options(starts)
        wanted = _checked(initializer, initargs)
        if wanted is not None:
            options.update(initializer=wanted[0], initargs=wanted[1:])
        worker = Worker({"call": call}, max_inactive_time=float("inf"))
        pool = (
            FixedInterpreterPool(1, worker, **options)
            if size == 1
            else DynamicInterpreterPool(1, size, worker, **options)
        )
        pool._thread_name = _names(thread_name_prefix or f"InterpreterPoolExecutor-{_number()}")
        starts.hopeless = self._use(pool, DEFAULT_TASK_NAME).give_up


def _check_max_workers(max_workers: object) -> int:
    if isinstance(max_workers, bool) or not isinstance(max_workers, int):
        raise TypeError(f"max_workers must be an integer above 0 or None, not {max_workers!r}")
    if max_workers <= 0:
        raise ValueError(f"max_workers must be greater than 0, not {max_workers}")
    return max_workers


def _options(starts: Starts) -> dict[str, Any]:
    """The options of every pool."""
    return {
        **starts.handlers,
        "restart_limit": RESTART_LIMIT,
        "tasks_queue_options": {"size": _ENDLESS},
        "enable_events": False,
    }


def _checked(initializer: object, initargs: object) -> tuple[Any, ...] | None:
    """The initializer with its arguments, or None where there is none."""
    if initializer is None:
        return None
    if not callable(initializer):
        raise TypeError(f"initializer must be a callable or None, not {initializer!r}")
    if isinstance(initargs, str | bytes) or not isinstance(initargs, Iterable):
        raise TypeError(f"initargs must be a tuple of arguments, not {initargs!r}")
    return (initializer, *initargs)


def _names(prefix: str) -> Callable[[int], str]:
    """What names a worker's thread, given the worker's number, which begins with 1."""
    return lambda worker_id: f"{prefix}_{worker_id - 1}"
